//! The shell on the console: a prompt for all verbs, on whatever console there is.

mod complete;
mod console;
mod editor;
mod idle;
mod keys;
#[expect(clippy::module_inception, reason = "it is the prompt of the shell")]
mod prompt;
mod shell;
mod words;

pub(crate) use shell::{Leave, OpenedFrom, Shell};
