//! The command line as clap has it, made from the table of verbs.

use clap::builder::{OsStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, Command, ValueHint};
use everboot_core::verbs::{Flag, GLOBAL, VERBS, Verb};

/// The name of all arguments of a verb together, as they are parsed.
pub(crate) const ARGUMENTS: &str = "arguments";
/// That of --help.
pub(crate) const HELP: &str = "print help";
/// That of --version.
pub(crate) const VERSION: &str = "print version";

/// `everboot` with all its verbs, each argument by its name: what completions are generated from.
pub fn command() -> Command {
    build(&|verb| verb.arguments.iter().map(|text| argument(verb, text)).collect())
}

/// The same with all arguments of a verb in one list, whose length others judge, and with help and version under names
/// that no option of a verb has.
pub(crate) fn parser() -> Command {
    let list = Arg::new(ARGUMENTS).num_args(0..).value_parser(OsStringValueParser::new());
    let version = || Arg::new(VERSION).long("version").short('V').action(ArgAction::SetTrue);
    let help = Arg::new(HELP).long("help").short('h').action(ArgAction::SetTrue).global(true);
    // `record init` has an own --version.
    let has_own = |verb: &Verb| verb.flags.iter().any(|flag| flag.name == "version");
    build(&|verb| [list.clone()].into_iter().chain((!has_own(verb)).then(version)).collect())
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args([help, version()])
}

/// A verb of two words is a subcommand of a subcommand.
fn build(arguments: &dyn Fn(&'static Verb) -> Vec<Arg>) -> Command {
    let subcommand = |verb: &'static Verb, name: &'static str| {
        let command = Command::new(name).about(verb.summary).visible_aliases(verb.alias);
        command.args(verb.flags.iter().map(option)).args(arguments(verb))
    };
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

fn option(flag: &Flag) -> Arg {
    let option = Arg::new(flag.name).long(flag.name).help(flag.help);
    match flag.value {
        Some(value) => {
            option.value_name(value).value_hint(hint(value)).value_parser(OsStringValueParser::new())
        }
        None => option.action(ArgAction::SetTrue),
    }
}

fn argument(verb: &Verb, text: &'static str) -> Arg {
    let name = text.trim_matches(['[', ']']);
    let argument = Arg::new(name).value_hint(hint(name)).required(name == text);
    if verb.takes_verb() {
        return argument.value_parser(PossibleValuesParser::new(VERBS.iter().map(|verb| verb.name)));
    }
    argument
}

/// What a shell offers for a value of that name.
fn hint(value: &str) -> ValueHint {
    match value {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        _ => ValueHint::Other,
    }
}
