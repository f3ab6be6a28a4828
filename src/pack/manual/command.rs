//! The agent's command line as a clap command, made from the table of verbs: what completions are generated from.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use everboot_core::verbs::{Action, Flag, GLOBAL, VERBS, Verb};

/// `everboot` with all its verbs; one of two words is a subcommand of a subcommand.
pub(super) fn everboot() -> Command {
    let root = Command::new("everboot").version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    let root = root.args(GLOBAL.iter().map(|flag| option(flag).global(true)));
    VERBS.iter().fold(root, |root, verb| match verb.name.split_once(' ') {
        None => root.subcommand(subcommand(verb, verb.name)),
        Some((first, second)) => {
            let root = match root.find_subcommand(first) {
                Some(_) => root,
                None => root.subcommand(Command::new(first).disable_help_subcommand(true)),
            };
            root.mut_subcommand(first, |parent| parent.subcommand(subcommand(verb, second)))
        }
    })
}

fn subcommand(verb: &'static Verb, name: &'static str) -> Command {
    let command = Command::new(name).about(verb.summary).visible_aliases(verb.alias);
    let command = command.args(verb.flags.iter().map(option));
    let arguments = verb.arguments.iter().map(|text| argument(verb.action, text));
    command.args(arguments)
}

fn option(flag: &Flag) -> Arg {
    let option = Arg::new(flag.name).long(flag.name).help(flag.help);
    match flag.value {
        Some(value) => option.value_name(value).value_hint(hint(value)),
        None => option.action(ArgAction::SetTrue),
    }
}

fn argument(action: Action, text: &'static str) -> Arg {
    let name = text.trim_matches(['[', ']']);
    let argument = Arg::new(name).value_hint(hint(name)).required(name == text);
    match action {
        Action::Help => argument.value_parser(PossibleValuesParser::new(VERBS.iter().map(|verb| verb.name))),
        _ => argument,
    }
}

/// What a shell offers for a value of that name.
fn hint(value: &str) -> ValueHint {
    match value {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        _ => ValueHint::Other,
    }
}
