//! Who gives a verb: a command line, or a shell. A few verbs mean something else to each; whatever those do is above
//! the verbs, so it is handed in.

use super::answer::{Exit, Failure, Outcome};
use super::arguments::Arguments;
use super::context::Context;
use std::io;
use std::path::PathBuf;

/// What a caller does by itself.
pub trait Caller {
    /// `shell`.
    fn shell(&mut self, context: Context<'_>, arguments: &Arguments) -> Outcome;

    /// `boot` of this machine; absent where what is asked for is no boot of it.
    fn boot(&mut self, context: Context<'_>, arguments: &Arguments) -> Option<Outcome>;

    /// Whether the verbs that are for a shell alone may be given.
    fn is_shell(&self) -> bool {
        false
    }

    /// `exit`.
    fn leave(&mut self) -> Outcome {
        Err(not_here())
    }

    /// `sh`.
    fn sh(&mut self) -> Outcome {
        Err(not_here())
    }

    /// `reboot` and `poweroff`, with what does it: it returns only when it failed.
    fn end(&mut self, _end: fn() -> io::Error) -> Outcome {
        Err(not_here())
    }

    /// `mount` has mounted something here.
    fn mounted(&mut self, _point: PathBuf) {}
}

/// Of a verb that nobody carries out: the parser knows it, or its caller is no shell.
pub(super) fn not_here() -> Failure {
    Failure::new(Exit::Failed, "this verb cannot be carried out here")
}
