//! What a command line asks for, by the table of verbs.

use super::answer::{Exit, Failure};
use everboot_core::quoted::Quoted;
use everboot_core::verbs::{Flag, GLOBAL, Programs, VERBS, Verb};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug)]
pub struct Arguments {
    /// The verb.
    pub verb: &'static Verb,
    /// All words, as they were given.
    pub words: Vec<OsString>,
    positional: Vec<OsString>,
    given: Vec<(&'static str, Option<OsString>)>,
}

/// What the command line asks for, if not a verb.
#[derive(Debug)]
pub enum Request {
    /// A verb.
    Verb(Arguments),
    /// The help of one, or of all.
    Help(Option<&'static Verb>),
    /// The version.
    Version,
}

impl Arguments {
    /// Of a verb: its words as they were given, its arguments, and its options with their values.
    pub fn new(
        verb: &'static Verb,
        words: Vec<OsString>,
        positional: Vec<OsString>,
        given: Vec<(&'static str, Option<OsString>)>,
    ) -> Self {
        Self { verb, words, positional, given }
    }

    /// Whether that option was given.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The value of that option; the last one wins.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let mut values = self.given.iter().filter(|(given, _)| *given == name);
        values.next_back().and_then(|(_, value)| value.clone()).map(PathBuf::from)
    }

    /// The same as text. What is no text is no name of anything: it is looked for as it reads.
    pub fn text(&self, name: &str) -> Option<String> {
        self.path(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// The verb with its options and another argument in place of its own, as words.
    pub fn with_argument(&self, argument: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.verb.name.split(' ').map(OsString::from).collect();
        for (name, value) in &self.given {
            let mut word = OsString::from(["--", name].concat());
            if let Some(value) = value {
                word.push("=");
                word.push(value);
            }
            words.push(word);
        }
        words.extend(["--".into(), argument.into()]);
        words
    }

    /// The options that every verb takes, as they were given.
    pub fn inherited(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        for (name, value) in &self.given {
            if GLOBAL.iter().any(|flag| flag.name == *name) {
                words.push(["--", name].concat().into());
                words.extend(value.clone());
            }
        }
        words
    }

    /// The argument at that place.
    pub fn argument(&self, at: usize) -> Option<PathBuf> {
        self.positional.get(at).map(PathBuf::from)
    }

    /// What stands before a colon in the first argument, as in a URL: how it is got. A file whose name has a colon is
    /// one behind a slash.
    pub fn kind(&self) -> &[u8] {
        let first = self.positional.first().map_or(&[][..], |word| word.as_encoded_bytes());
        let end = first.iter().position(|byte| matches!(byte, b':' | b'/'));
        end.filter(|end| first[*end] == b':').map_or(&[], |end| &first[..end])
    }

    /// The same as text.
    pub fn word(&self, at: usize) -> Option<String> {
        self.positional.get(at).map(|word| word.to_string_lossy().into_owned())
    }
}

/// A usage error in one line, which names the nearest help.
pub fn usage(verb: Option<&'static Verb>, text: &str) -> Failure {
    let near = verb.map(|verb| verb.name);
    Failure { verb: near, ..see(near, text) }
}

fn see(near: Option<&str>, text: &str) -> Failure {
    let of = near.map_or(String::new(), |name| format!(" {name}"));
    Failure::new(Exit::Usage, format!("{text}; see `everboot help{of}`"))
}

/// A verb of two words, of which only the first is there.
pub fn unfinished(first: Option<String>) -> Failure {
    let Some(first) = first else { return usage(None, "no verb is given") };
    let names = VERBS.iter().filter_map(|verb| verb.name.strip_prefix(&format!("{first} ")));
    let names = names.collect::<Vec<_>>().join(", ");
    usage(None, &format!("{first} is followed by one of {names}"))
}

/// A verb that there is not; `near` is one with nearly that name.
pub fn unknown_verb(name: &str, near: Option<&str>) -> Failure {
    let helped = near.filter(|near| Verb::find(near).is_some());
    see(helped, &format!("unknown verb {}{}", Quoted(name), hint(near)))
}

/// An option that the verb does not have; `near` is one with nearly that name.
pub fn unknown_flag(verb: Option<&'static Verb>, name: &str, near: Option<&str>) -> Failure {
    usage(verb, &format!("unknown option --{name}{}", hint(near)))
}

fn hint(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| [", nearest is ", near].concat())
}

/// The options of a verb, and those that every verb takes, as far as this program has them.
pub fn flags(verb: Option<&'static Verb>, programs: Programs) -> impl Iterator<Item = &'static Flag> {
    let own = verb.map_or(&[][..], |verb| verb.flags);
    let has = move |flag: &&Flag| flag.programs == Programs::Both || programs == Programs::System;
    own.iter().chain(GLOBAL).filter(has)
}

/// `help`, with the name of a verb or without.
pub fn named_help(words: &[OsString]) -> Result<Request, Failure> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    match words.join(" ").as_str() {
        "" => Ok(Request::Help(None)),
        name => match Verb::find(name) {
            Some(verb) => Ok(Request::Help(Some(verb))),
            None if VERBS.iter().any(|verb| verb.name.split(' ').next() == Some(name)) => {
                Err(unfinished(Some(name.to_owned())))
            }
            None => Err(unknown_verb(name, None)),
        },
    }
}

/// Whether the number of arguments is right.
pub fn check_count(verb: &'static Verb, found: usize) -> Result<(), Failure> {
    let (least, most) = verb.arity();
    if found < least {
        return Err(usage(Some(verb), &format!("{} is missing", verb.arguments[found])));
    }
    if found > most {
        let expected = if most == 0 { "no argument".to_owned() } else { verb.arguments.join(" ") };
        return Err(usage(Some(verb), &format!("expected {expected}, found {found} arguments")));
    }
    Ok(())
}
