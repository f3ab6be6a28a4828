//! Reads words by the table of verbs: for the initramfs, where a crate for it would be 3 kB, and for the shell.
//!
//! As getopt_long(3): `--name VALUE`, `--name=VALUE`, options before or behind the verb, and none behind `--`.

use super::answer::Failure;
use super::arguments::{
    Arguments, Request, check_count, flags, named_help, unfinished, unknown_flag, unknown_verb, usage,
};
use everboot_core::verbs::{Programs, VERBS, Verb};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// What was read so far.
#[derive(Default)]
struct Reading {
    verb: Option<&'static Verb>,
    /// The first word of a verb of two.
    first: Option<String>,
    positional: Vec<OsString>,
    given: Vec<(&'static str, Option<OsString>)>,
    wants: Wants,
}

/// What is asked for beside a verb.
#[derive(Default, PartialEq)]
enum Wants {
    #[default]
    Verb,
    Help,
    Version,
}

/// Reads the arguments of the process, or the words of a line in the shell.
pub fn parse(words: Vec<OsString>, programs: Programs) -> Result<Request, Failure> {
    let mut reading = Reading::default();
    let mut rest = words.iter();
    let mut options = true;
    while let Some(word) = rest.next() {
        match word.as_bytes() {
            b"--" if options => options = false,
            [b'-', b'-', option @ ..] if options => {
                if reading.option(option, programs)? {
                    let none = || usage(reading.verb, "the option needs a value");
                    let value = rest.next().ok_or_else(none)?;
                    if let Some((_, given)) = reading.given.last_mut() {
                        *given = Some(value.clone());
                    }
                }
            }
            b"-h" if options => reading.wants = Wants::Help,
            b"-V" if options => reading.wants = Wants::Version,
            [b'-', _, ..] if options => {
                let word = word.to_string_lossy();
                return Err(usage(reading.verb, &["unknown option ", &word].concat()));
            }
            _ => reading.word(word)?,
        }
    }
    reading.request(words)
}

impl Reading {
    /// An option, without its dashes; whether its value is the next word.
    fn option(&mut self, option: &[u8], programs: Programs) -> Result<bool, Failure> {
        let mut halves = option.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next());
        let Some(flag) = flags(self.verb, programs).find(|flag| flag.name.as_bytes() == name) else {
            match name {
                b"help" => self.wants = Wants::Help,
                b"version" => self.wants = Wants::Version,
                _ => return Err(unknown_flag(self.verb, &String::from_utf8_lossy(name), None)),
            }
            return Ok(false);
        };
        if flag.value.is_none() && value.is_some() {
            return Err(usage(self.verb, &["--", flag.name, " takes no value"].concat()));
        }
        self.given.push((flag.name, value.map(|value| OsStr::from_bytes(value).to_owned())));
        Ok(flag.value.is_some() && value.is_none())
    }

    /// A word of the verb, or an argument.
    fn word(&mut self, word: &OsStr) -> Result<(), Failure> {
        if self.verb.is_some() {
            self.positional.push(word.to_owned());
            return Ok(());
        }
        let word = word.to_string_lossy();
        let name = match self.first.take() {
            Some(first) => [&first, " ", &word].concat(),
            None => word.into_owned(),
        };
        self.verb = Verb::find(&name);
        let begins = |verb: &Verb| verb.name.strip_prefix(&*name).is_some_and(|rest| rest.starts_with(' '));
        if self.verb.is_none() {
            if !VERBS.iter().any(begins) {
                return Err(unknown_verb(&name, None));
            }
            self.first = Some(name);
        }
        Ok(())
    }

    fn request(self, words: Vec<OsString>) -> Result<Request, Failure> {
        let Self { verb, first, positional, given, wants } = self;
        match verb {
            _ if wants == Wants::Version => Ok(Request::Version),
            None if wants == Wants::Help || first.is_none() && given.is_empty() => Ok(Request::Help(None)),
            None => Err(unfinished(first)),
            Some(verb) if wants == Wants::Help => Ok(Request::Help(Some(verb))),
            Some(verb) if verb.takes_verb() => named_help(&positional),
            Some(verb) => {
                check_count(verb, positional.len())?;
                Ok(Request::Verb(Arguments::new(verb, words, positional, given)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, Failure> {
        parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect(), Programs::Both)
    }

    #[test]
    fn a_value_stands_behind_its_option_or_behind_a_sign() {
        for line in ["--disk d status", "status --disk d", "status --disk=d", "--disk=x status --disk d"] {
            let Ok(Request::Verb(arguments)) = read(line) else { panic!("{line}") };
            assert_eq!(arguments.text("disk").as_deref(), Some("d"), "{line}");
        }
        let Ok(Request::Verb(arguments)) = read("--disk=a=b status") else { panic!() };
        assert_eq!(arguments.text("disk").as_deref(), Some("a=b"));
    }

    #[test]
    fn behind_two_dashes_there_are_no_options() {
        let Ok(Request::Verb(arguments)) = read("stage -- --force") else { panic!() };
        assert_eq!((arguments.word(0).as_deref(), arguments.has("force")), (Some("--force"), false));
        let Ok(Request::Verb(arguments)) = read("stage -") else { panic!() };
        assert_eq!(arguments.word(0).as_deref(), Some("-"));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_nearest_help() {
        for (line, text) in [
            ("status --disk", "the option needs a value; see `everboot help status`"),
            ("status --no-progress=1", "--no-progress takes no value"),
            ("status -x", "unknown option -x"),
            ("status --jsom", "unknown option --jsom"),
            ("--json status", "unknown option --json"),
            ("record", "record is followed by one of show, init, repair, upgrade"),
            ("recor", "unknown verb \"recor\""),
        ] {
            let failure = read(line).unwrap_err();
            assert!(failure.text.contains(text), "{line}: {}", failure.text);
        }
    }

    #[test]
    fn help_and_version_are_found_wherever_they_stand() {
        assert!(matches!(read(""), Ok(Request::Help(None))));
        assert!(matches!(read("-h"), Ok(Request::Help(None))));
        assert!(
            matches!(read("record show --help"), Ok(Request::Help(Some(verb))) if verb.name == "record show")
        );
        assert!(matches!(read("help record show"), Ok(Request::Help(Some(_)))));
        assert!(matches!(read("status -V"), Ok(Request::Version)));
    }
}
