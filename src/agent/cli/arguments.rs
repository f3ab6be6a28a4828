//! Reading the command line by the table of verbs.

use super::exit::{Exit, Failure};
use everboot_core::verbs::{Action, Flag, GLOBAL, VERBS, Verb};
use lexopt::Arg;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// The verb.
    pub(crate) verb: &'static Verb,
    /// All words, as they were given, a line each.
    pub(crate) words: OsString,
    positional: Vec<OsString>,
    given: Vec<(&'static str, Option<OsString>)>,
}

/// What the command line asks for, if not a verb.
#[derive(Debug)]
pub(crate) enum Request {
    /// A verb.
    Verb(Arguments),
    /// The help of one, or of all.
    Help(Option<&'static Verb>),
    /// The version.
    Version,
}

impl Arguments {
    /// Whether that option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// The value of that option; the last one wins.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        let mut values = self.given.iter().filter(|(given, _)| *given == name);
        values.next_back().and_then(|(_, value)| value.clone()).map(PathBuf::from)
    }

    /// The same as text. What is no text is no name of anything: it is looked for as it reads.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.path(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// The options that every verb takes, as they were given.
    pub(crate) fn inherited(&self) -> Vec<OsString> {
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
    pub(crate) fn argument(&self, at: usize) -> Option<PathBuf> {
        self.positional.get(at).map(PathBuf::from)
    }

    /// What stands before a colon in the first argument, as in a URL: how it is got. A file whose name has a colon is one
    /// behind a slash.
    pub(crate) fn kind(&self) -> &[u8] {
        let first = self.positional.first().map_or(&[][..], |word| word.as_encoded_bytes());
        let end = first.iter().position(|byte| matches!(byte, b':' | b'/'));
        end.filter(|end| first[*end] == b':').map_or(&[], |end| &first[..end])
    }

    /// The same as text.
    pub(crate) fn word(&self, at: usize) -> Option<String> {
        self.positional.get(at).map(|word| word.to_string_lossy().into_owned())
    }
}

/// Reads the arguments of the process, or the words of a line in the shell.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Request, Failure> {
    let words = arguments.join(OsStr::new("\n"));
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut verb, mut first): (Option<&'static Verb>, Option<String>) = (None, None);
    let (mut positional, mut given, mut help) = (Vec::new(), Vec::new(), false);
    while let Some(argument) = parser.next().map_err(|error| usage(verb, &error.to_string()))? {
        match argument {
            Arg::Short('h') => help = true,
            Arg::Short('V') => return Ok(Request::Version),
            Arg::Short(letter) => return Err(usage(verb, &format!("unknown option -{letter}"))),
            Arg::Long(name) => {
                let name = name.to_owned();
                let Some(flag) = find_flag(verb, &name) else {
                    match name.as_str() {
                        "help" => help = true,
                        "version" => return Ok(Request::Version),
                        _ => return Err(unknown_flag(verb, &name)),
                    }
                    continue;
                };
                let value = match flag.value {
                    Some(_) => Some(parser.value().map_err(|error| usage(verb, &error.to_string()))?),
                    None => None,
                };
                given.push((flag.name, value));
            }
            Arg::Value(word) if verb.is_some() => positional.push(word),
            Arg::Value(word) => {
                let word = word.to_string_lossy();
                let name = first.take().map_or_else(|| word.to_string(), |first| format!("{first} {word}"));
                verb = Verb::find(&name);
                if verb.is_none() {
                    let begins = |verb: &Verb| verb.name.starts_with(&format!("{name} "));
                    if !VERBS.iter().any(begins) {
                        return Err(unknown_verb(&name));
                    }
                    first = Some(name);
                }
            }
        }
    }
    match verb {
        None if help || first.is_none() && given.is_empty() => Ok(Request::Help(None)),
        None => Err(unfinished(first)),
        Some(verb) if help => Ok(Request::Help(Some(verb))),
        Some(verb) if verb.action == Action::Help => named_help(&positional),
        Some(verb) => {
            check_count(verb, positional.len())?;
            Ok(Request::Verb(Arguments { verb, words, positional, given }))
        }
    }
}

fn find_flag(verb: Option<&'static Verb>, name: &str) -> Option<&'static Flag> {
    let own = verb.map_or(&[][..], |verb| verb.flags);
    own.iter().chain(GLOBAL).find(|flag| flag.name == name)
}

fn named_help(words: &[OsString]) -> Result<Request, Failure> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    match words.join(" ").as_str() {
        "" => Ok(Request::Help(None)),
        name => match Verb::find(name) {
            Some(verb) => Ok(Request::Help(Some(verb))),
            None if VERBS.iter().any(|verb| verb.name.split(' ').next() == Some(name)) => {
                Err(unfinished(Some(name.to_owned())))
            }
            None => Err(unknown_verb(name)),
        },
    }
}

fn check_count(verb: &'static Verb, found: usize) -> Result<(), Failure> {
    let (least, most) = verb.arity();
    if found < least {
        return Err(usage(Some(verb), &format!("expected {}, found nothing", verb.arguments[found])));
    }
    if found > most {
        let expected = if most == 0 { "no argument".to_owned() } else { verb.arguments.join(" ") };
        return Err(usage(Some(verb), &format!("expected {expected}, found {found} arguments")));
    }
    Ok(())
}

/// A usage error in one line, which names the nearest help.
pub(crate) fn usage(verb: Option<&'static Verb>, text: &str) -> Failure {
    let near = verb.map(|verb| verb.name);
    Failure { verb: near, ..see(near, text) }
}

fn see(near: Option<&str>, text: &str) -> Failure {
    let of = near.map_or(String::new(), |name| format!(" {name}"));
    Failure::new(Exit::Usage, format!("{text}; see `everboot help{of}`"))
}

fn unfinished(first: Option<String>) -> Failure {
    let Some(first) = first else { return usage(None, "expected a verb, found none") };
    let names = VERBS.iter().filter_map(|verb| verb.name.strip_prefix(&format!("{first} ")));
    let names = names.collect::<Vec<_>>().join(", ");
    usage(None, &format!("expected one of {names} after {first}, found nothing"))
}

fn unknown_verb(name: &str) -> Failure {
    let first_word = |verb: &Verb| verb.name.split(' ').next();
    let names = VERBS.iter().flat_map(|verb| [Some(verb.name), verb.alias, first_word(verb)]).flatten();
    let near = nearest(name, names);
    let helped = near.filter(|near| Verb::find(near).is_some());
    see(helped, &format!("unknown verb {name:?}{}", hint(near, "")))
}

fn unknown_flag(verb: Option<&'static Verb>, name: &str) -> Failure {
    let own = verb.map_or(&[][..], |verb| verb.flags);
    let near = nearest(name, own.iter().chain(GLOBAL).map(|flag| flag.name));
    usage(verb, &format!("unknown option --{name}{}", hint(near, "--")))
}

fn hint(near: Option<&str>, dashes: &str) -> String {
    near.map_or(String::new(), |near| format!(", nearest is {dashes}{near}"))
}

/// The name that is at most two letters off, and has more in common than not.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|other| (distance(name, other), other)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= 2 && distance * 2 <= name.len()).map(|(_, other)| other)
}

/// Levenshtein's distance in bytes.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[other.len()]
}
