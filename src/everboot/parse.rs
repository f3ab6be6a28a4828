//! Reads the command line with clap, by the table of verbs.

use crate::command::{ARGUMENTS, HELP, VERSION, parser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Error};
use everboot_agent::command::answer::Failure;
use everboot_agent::command::arguments::{
    Arguments, Request, check_count, flags, named_help, unfinished, unknown_flag, unknown_verb, usage,
};
use everboot_core::verbs::{Programs, Verb};
use std::ffi::OsString;

/// What the words ask for. What is wrong with them is one line, with the nearest help.
pub fn parse(words: Vec<OsString>) -> Result<Request, Failure> {
    let matches = parser().try_get_matches_from(&words).map_err(|error| explain(&error, &words))?;
    let root = &matches;
    let Chosen { verb, name, matches } = Chosen::of(root);
    if [root, matches].iter().any(|matches| matches!(matches.try_get_one(VERSION), Ok(Some(true)))) {
        return Ok(Request::Version);
    }
    let Some(verb) = verb else {
        let asks = words.is_empty();
        return if matches.get_flag(HELP) || asks && name.is_empty() {
            Ok(Request::Help(None))
        } else {
            Err(unfinished(some(name)))
        };
    };
    if matches.get_flag(HELP) {
        return Ok(Request::Help(Some(verb)));
    }
    let positional: Vec<OsString> = matches.get_many(ARGUMENTS).into_iter().flatten().cloned().collect();
    if verb.takes_verb() {
        return named_help(&positional);
    }
    check_count(verb, positional.len())?;
    let mut given = Vec::new();
    for flag in flags(Some(verb), Programs::System) {
        match flag.value {
            Some(_) => {
                let value = matches.get_one::<OsString>(flag.name);
                given.extend(value.map(|value| (flag.name, Some(value.clone()))));
            }
            None if matches.get_flag(flag.name) => given.push((flag.name, None)),
            None => {}
        }
    }
    Ok(Request::Verb(Arguments::new(verb, words, positional, given)))
}

/// The subcommand that was named, as far as it was.
struct Chosen<'a> {
    /// The verb, if the name is one's.
    verb: Option<&'static Verb>,
    /// Its words.
    name: String,
    matches: &'a ArgMatches,
}

impl<'a> Chosen<'a> {
    fn of(root: &'a ArgMatches) -> Self {
        let (mut name, mut matches) = (String::new(), root);
        while let Some((word, inner)) = matches.subcommand() {
            name = if name.is_empty() { word.to_owned() } else { format!("{name} {word}") };
            matches = inner;
        }
        Self { verb: Verb::find(&name), name, matches }
    }
}

fn some(name: String) -> Option<String> {
    Some(name).filter(|name| !name.is_empty())
}

/// What clap found wrong, in one line.
fn explain(error: &Error, words: &[OsString]) -> Failure {
    let known = parser().ignore_errors(true).try_get_matches_from(words);
    let (verb, name) = known.as_ref().map_or((None, String::new()), |matches| {
        let chosen = Chosen::of(matches);
        (chosen.verb, chosen.name)
    });
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        // The nearest comes last.
        Some(ContextValue::Strings(texts)) => texts.last().cloned(),
        _ => None,
    };
    let of_first = |word: String| match &*name {
        "" => word,
        first => format!("{first} {word}"),
    };
    match (error.kind(), context(ContextKind::InvalidSubcommand), context(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidSubcommand, Some(word), _) => {
            let near = context(ContextKind::SuggestedSubcommand).map(of_first);
            unknown_verb(&of_first(word), near.as_deref())
        }
        (ErrorKind::UnknownArgument, _, Some(word)) => match word.strip_prefix("--") {
            Some(flag) => unknown_flag(verb, flag, context(ContextKind::SuggestedArg).as_deref()),
            None if word.starts_with('-') => usage(verb, &format!("unknown option {word}")),
            None => unknown_verb(&of_first(word), None),
        },
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            usage(verb, first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everboot_core::verbs::Exit;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn options_stand_before_or_behind_the_verb() {
        for line in ["--disk d status --json", "status --json --disk d", "status --disk x --json --disk d"] {
            let Ok(Request::Verb(arguments)) = parse(words(line)) else { panic!("{line}") };
            assert_eq!(arguments.verb.name, "status");
            assert_eq!(arguments.text("disk").as_deref(), Some("d"), "{line}");
            assert!(arguments.has("json"));
        }
    }

    #[test]
    fn a_verb_may_have_an_option_by_the_name_of_version() {
        let Ok(Request::Verb(arguments)) = parse(words("record init --good slot-a --version 1.0")) else {
            panic!()
        };
        assert_eq!(arguments.text("version").as_deref(), Some("1.0"));
    }

    #[test]
    fn verbs_of_two_words_and_aliases_are_found() {
        for (line, name) in [("record show", "record show"), ("commit", "activate"), ("mark-good", "confirm")]
        {
            let Ok(Request::Verb(arguments)) = parse(words(line)) else { panic!("{line}") };
            assert_eq!(arguments.verb.name, name);
        }
    }

    #[test]
    fn help_and_version_are_found_wherever_they_stand() {
        assert!(matches!(parse(words("")), Ok(Request::Help(None))));
        assert!(matches!(parse(words("--help")), Ok(Request::Help(None))));
        assert!(matches!(parse(words("help")), Ok(Request::Help(None))));
        for line in ["stage --help", "-h stage", "help stage"] {
            assert!(
                matches!(parse(words(line)), Ok(Request::Help(Some(verb))) if verb.name == "stage"),
                "{line}"
            );
        }
        assert!(matches!(parse(words("record --help")), Ok(Request::Help(None))));
        assert!(matches!(parse(words("-V")), Ok(Request::Version)));
        assert!(matches!(parse(words("--version status")), Ok(Request::Version)));
        assert!(matches!(parse(words("status --version")), Ok(Request::Version)));
    }

    #[test]
    fn what_is_wrong_is_one_line_with_the_usage_code() {
        for line in
            ["statsu", "record", "record fix", "status --jsno", "stage", "stage a b", "--disk", "status -x"]
        {
            let failure = parse(words(line)).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{line}");
            assert!(
                !failure.text.contains('\n') && failure.text.contains("see `everboot help"),
                "{}",
                failure.text
            );
        }
    }
}
