//! The help, printed from the table of verbs.

use super::answer::Exit;
use super::arguments::flags;
use crate::runtime::text::wrap;
use everboot_core::verbs::{Flag, Programs, VERBS, Verb};
use std::fmt::Write;

/// Column at which descriptions begin.
const COLUMN: usize = 26;

/// `everboot help`.
pub fn overview(programs: Programs) -> String {
    let mut out = String::from(
        "everboot brings a machine up, upgrades it, and rolls it back.\n\n\
         usage: everboot [OPTION]... VERB [ARGUMENT]...\n\nverbs:\n",
    );
    for verb in VERBS.iter().filter(|verb| verb.is_in(programs)) {
        row(&mut out, &synopsis(verb), verb.summary);
    }
    out.push_str("\noptions, before or after the verb:\n");
    rows(&mut out, &flags(None, programs).collect::<Vec<_>>());
    row(&mut out, "--help, --version", "this help, or of the verb; the version");
    out.push_str("\nexit codes:\n");
    for exit in Exit::ALL {
        row(&mut out, &(exit as u8).to_string(), exit.meaning());
    }
    out.push_str("\n`everboot help VERB` says more about a verb.\n");
    out
}

/// `everboot help VERB`.
pub fn of(verb: &'static Verb, programs: Programs) -> String {
    let mut out = format!("usage: everboot [OPTION]... {}", synopsis(verb));
    let own: Vec<_> = flags(Some(verb), programs)
        .filter(|flag| verb.flags.iter().any(|own| own.name == flag.name))
        .collect();
    for flag in &own {
        let _ = write!(out, " [{}]", spelled(flag));
    }
    let _ = write!(out, "\n\n{}", verb.summary);
    if let Some(alias) = verb.alias {
        let _ = write!(out, " (also: {alias})");
    }
    out.push('\n');
    if !verb.about.is_empty() {
        out.push('\n');
        wrap(&mut out, "", 0, verb.about);
    }
    if !own.is_empty() {
        out.push_str("\noptions:\n");
        rows(&mut out, &own);
    }
    out.push_str("\nexit codes:\n");
    for exit in [Exit::Done, Exit::Failed, Exit::Usage].iter().chain(verb.exits) {
        row(&mut out, &(*exit as u8).to_string(), exit.meaning());
    }
    out
}

/// The verb with its arguments.
pub(crate) fn synopsis(verb: &Verb) -> String {
    [&[verb.name], verb.arguments].concat().join(" ")
}

/// The option with its value.
pub(crate) fn spelled(flag: &Flag) -> String {
    match flag.value {
        Some(value) => format!("--{} {value}", flag.name),
        None => format!("--{}", flag.name),
    }
}

fn rows(out: &mut String, flags: &[&Flag]) {
    for flag in flags {
        row(out, &spelled(flag), flag.help);
    }
}

/// A term and its description.
fn row(out: &mut String, term: &str, text: &str) {
    wrap(out, &format!("  {term:<width$}", width = COLUMN - 3), COLUMN, text);
}
