//! A verb, with those that are about the shell and about early boot.

use super::early;
use crate::command::answer::{Answer, Outcome};
use crate::command::arguments::{Arguments, Request, usage};
use crate::command::output::tell;
use crate::command::session::settings;
use crate::command::{Context, System, carry_out};
use crate::prompt::{OpenedFrom, Shell};
use crate::recovery;
use crate::runtime::failure::Failure;
use crate::runtime::screen::Opening;
use crate::sys::{self, Roots};
use everboot_core::verbs::{Action, Exit};
use std::process::ExitCode;

/// Does what a command line asks for, and says how it went. `system` is what a running system has; absent in the
/// program of the initramfs.
pub fn end(system: Option<&'static System>, request: Result<Request, Failure>) -> ExitCode {
    let context = Context { system, holds_lock: false };
    let outcome = request.and_then(|request| match &request {
        Request::Verb(arguments) => match above(context, arguments) {
            Some(outcome) => outcome.map_err(|failure| failure.of(arguments.verb)),
            None => carry_out(context, &request),
        },
        _ => carry_out(context, &request),
    });
    ExitCode::from(tell(outcome) as u8)
}

/// The verbs that stand above all others, since they call them; absent for those.
fn above(context: Context, arguments: &Arguments) -> Option<Outcome> {
    match arguments.verb.action {
        Action::Shell if arguments.has("emergency") => Some(emergency(arguments)),
        Action::Shell => Some(shell(context, arguments)),
        Action::Boot if arguments.word(0).is_none() => arguments.path("sysroot").map(|sysroot| {
            if arguments.has("disk") {
                return Err(usage(Some(arguments.verb), "expected --sysroot or --disk, found both"));
            }
            early::mount_root(sysroot).map(|()| Answer::done(""))
        }),
        _ => None,
    }
}

fn shell(context: Context, arguments: &Arguments) -> Outcome {
    let config = settings(arguments).config;
    let opening = Opening { title: env!("CARGO_PKG_VERSION").to_owned(), ..Opening::default() };
    Shell::new(OpenedFrom::System, config, arguments.inherited(), context).run(&opening, None);
    Ok(Answer::done(""))
}

fn emergency(arguments: &Arguments) -> Outcome {
    if arguments.has("disk") {
        return Err(usage(Some(arguments.verb), "expected --emergency or --disk, found both"));
    }
    if !sys::is_in_initramfs(&Roots::default()) {
        let text = "refused: expected an initramfs, found a system that runs; it would be restarted";
        return Err(Failure::new(Exit::Refused, text));
    }
    let error = recovery::emergency(settings(arguments).config, arguments.inherited());
    Err(Failure::new(Exit::Failed, format!("restart: {error}")))
}
