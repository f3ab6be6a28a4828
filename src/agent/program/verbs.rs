//! A verb of a command line, with what it means there to open a shell or to boot.

use super::early;
use crate::command::answer::{Answer, Outcome};
use crate::command::arguments::{Arguments, Request, usage};
use crate::command::output::tell;
use crate::command::session::settings;
use crate::command::{Caller, Context, System, carry_out};
use crate::prompt::{OpenedFrom, Shell};
use crate::recovery;
use crate::runtime::failure::Failure;
use crate::runtime::screen::Opening;
use crate::sys::{self, Roots};
use everboot_core::verbs::Exit;
use std::process::ExitCode;

/// Does what a command line asks for, and says how it went. `system` is what a running system has; absent in the
/// program of the initramfs.
pub fn end(roots: &Roots, system: Option<&'static System>, request: Result<Request, Failure>) -> ExitCode {
    let context = Context { roots, system, holds_lock: false };
    ExitCode::from(tell(request.and_then(|request| carry_out(context, &mut CommandLine, &request))) as u8)
}

/// The command line of a process.
struct CommandLine;

impl Caller for CommandLine {
    fn shell(&mut self, context: Context<'_>, arguments: &Arguments) -> Outcome {
        if arguments.has("emergency") {
            return emergency(context.roots, arguments);
        }
        let config = settings(context.roots, arguments).config;
        let opening = Opening { title: env!("CARGO_PKG_VERSION").to_owned(), ..Opening::default() };
        Shell::new(OpenedFrom::System, config, arguments.inherited(), context).run(&opening, None);
        Ok(Answer::done(""))
    }

    fn boot(&mut self, context: Context<'_>, arguments: &Arguments) -> Option<Outcome> {
        let sysroot = arguments.path("sysroot").filter(|_| arguments.word(0).is_none())?;
        if arguments.has("disk") {
            return Some(Err(usage(Some(arguments.verb), "--sysroot and --disk exclude each other")));
        }
        Some(early::mount_root(context.roots, sysroot).map(|()| Answer::done("")))
    }
}

fn emergency(roots: &Roots, arguments: &Arguments) -> Outcome {
    if arguments.has("disk") {
        return Err(usage(Some(arguments.verb), "--emergency and --disk exclude each other"));
    }
    if !sys::is_in_initramfs(roots) {
        let text = "refused: it would restart the running system; it is for an initramfs";
        return Err(Failure::new(Exit::Refused, text));
    }
    let error = recovery::emergency(roots, settings(roots, arguments).config, arguments.inherited());
    Err(Failure::new(Exit::Failed, format!("restart: {error}")))
}
