//! Reads words by the table of verbs, in few bytes: for the initramfs and for the shell.

use super::answer::Failure;
use super::arguments::{
    Arguments, Request, check_count, flags, named_help, unfinished, unknown_flag, unknown_verb, usage,
};
use everboot_core::verbs::{Programs, VERBS, Verb};
use lexopt::Arg;
use std::ffi::OsString;

/// Reads the arguments of the process, or the words of a line in the shell.
pub fn parse(arguments: Vec<OsString>, programs: Programs) -> Result<Request, Failure> {
    let words = arguments.clone();
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
                let Some(flag) = flags(verb, programs).find(|flag| flag.name == name) else {
                    match name.as_str() {
                        "help" => help = true,
                        "version" => return Ok(Request::Version),
                        _ => return Err(unknown_flag(verb, &name, programs)),
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
        Some(verb) if verb.takes_verb() => named_help(&positional),
        Some(verb) => {
            check_count(verb, positional.len())?;
            Ok(Request::Verb(Arguments::new(verb, words, positional, given)))
        }
    }
}
