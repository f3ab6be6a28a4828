//! The recovery shell: a prompt for all verbs, on whatever console there is.
//!
//! It opens in an early boot that has nothing left to boot, or where it is asked for; as `everboot shell` in a
//! running system; and as `everboot shell --emergency` where somebody else's initramfs gave up. It never holds a
//! machine down: what nobody stops goes on, and so does a prompt that nobody sits at.

use super::complete::Names;
use super::console::{Console, say};
use super::prompt::{Prompt, PromptOutcome};
use super::words;
use crate::command::answer::{Answer, Exit, Outcome};
use crate::command::arguments::{Arguments, usage};
use crate::command::output::tell;
use crate::command::parse::parse;
use crate::command::session::Session;
use crate::command::{Caller, Context, carry_out};
use crate::flow;
use crate::runtime::failure::Failure;
use crate::runtime::screen::Opening;
use crate::sys::{self, monotonic_ms};
use everboot_core::config::{Config, ShellAccess};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// What all verbs work with; the help says more.
const OPEN: &str = "press a key for a prompt: status, why, log, slots, explain, verify SLOT, boot SLOT, \
                    rollback, disks, mount PARTITION, stage FILE, apply, record repair, reboot; `help` lists all";
const PROMPTED: &str = "status, why, log, slots, explain, verify SLOT, disks, mount PARTITION, stage FILE; \
                        `help` lists all verbs, `help VERB` says more, `exit` leaves";
const ASKED: &str = "press a key to be asked for the password";
const CLOSED: &str = "no key stops this; power off to inspect the disk";

/// How the shell was left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Somebody left it.
    Exit,
    /// Nobody came, or nobody may, or nobody was there any more.
    Nobody,
    /// This slot is to be booted.
    Boot {
        /// Its name.
        slot: String,
        /// Whether the default stays what it is.
        once: bool,
    },
}

/// Where the shell was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenedFrom {
    /// In our own early boot.
    Early,
    /// In an initramfs whose boot was given up.
    Emergency,
    /// In a system that runs, or on a disk image in a file.
    System,
}

/// A shell.
pub(crate) struct Shell<'a> {
    opened_from: OpenedFrom,
    config: Config,
    /// Options that each verb gets.
    inherited: Vec<OsString>,
    context: Context<'a>,
    /// What was mounted from here.
    mounted: Vec<PathBuf>,
    /// How it is left, once a verb has said so.
    left: Option<Leave>,
}

impl<'a> Shell<'a> {
    /// A shell. `inherited` are options that each verb gets.
    pub(crate) fn new(
        opened_from: OpenedFrom,
        config: Config,
        inherited: Vec<OsString>,
        context: Context<'a>,
    ) -> Self {
        Self { opened_from, config, inherited, context, mounted: Vec::new(), left: None }
    }

    /// Shows the opening, counts down if there is a number of seconds, and asks for verbs until somebody leaves.
    pub(crate) fn run(&mut self, opening: &Opening, wait: Option<u64>) -> Leave {
        let mut console = Console::open();
        let access =
            if self.opened_from == OpenedFrom::System { &ShellAccess::Open } else { self.config.shell() };
        say(&opening.text(match (access, wait) {
            (ShellAccess::Closed, _) => CLOSED,
            (ShellAccess::Password(_), _) => ASKED,
            (ShellAccess::Open, Some(_)) => OPEN,
            (ShellAccess::Open, None) => PROMPTED,
        }));
        if !admit(&mut console, access, &opening.next, wait) {
            return Leave::Nobody;
        }
        let leave = self.ask(&mut console);
        self.unmount();
        leave
    }

    fn ask(&mut self, console: &mut Console) -> Leave {
        let mut prompt = Prompt::new(console, self.opened_from != OpenedFrom::System);
        loop {
            let names = Names { slots: &self.config.slots, programs: self.context.programs() };
            let line = match prompt.line(console, names) {
                PromptOutcome::Line(line) => line,
                PromptOutcome::End => return Leave::Exit,
                // A console that hangs up is left as if nobody had been there.
                PromptOutcome::Gone => return Leave::Nobody,
                PromptOutcome::Nobody => {
                    say("\neverboot: nobody is here: going on\n");
                    return Leave::Nobody;
                }
            };
            let outcome = self.obey(&line);
            let is_verb = !matches!(&outcome, Err(Failure { exit: Exit::Usage, .. }));
            if let Some(idle) = prompt.idle.as_mut().filter(|_| is_verb && !line.trim().is_empty()) {
                idle.verb(monotonic_ms());
            }
            tell(outcome);
            if let Some(leave) = self.left.take() {
                return leave;
            }
        }
    }

    /// Does what a line says.
    fn obey(&mut self, line: &str) -> Outcome {
        sys::warn_anew();
        let words = words::split(line).map_err(|why| usage(None, why))?;
        if words.is_empty() {
            return Ok(Answer::done(""));
        }
        let mut all = self.inherited.clone();
        // Messages and manual say `everboot VERB`.
        let own_name = usize::from(words[0] == "everboot" && words.len() > 1);
        all.extend(words.into_iter().skip(own_name).map(OsString::from));
        let request = parse(all, self.context.programs())?;
        carry_out(self.context, self, &request)
    }

    /// Unmounts what was mounted from here, unless a system runs, in which it stays as with the verb.
    fn unmount(&mut self) {
        if self.opened_from == OpenedFrom::System {
            return;
        }
        for point in std::mem::take(&mut self.mounted).iter().rev() {
            sys::detach(point);
        }
    }
}

impl Caller for Shell<'_> {
    fn is_shell(&self) -> bool {
        true
    }

    fn shell(&mut self, _: Context<'_>, _: &Arguments) -> Outcome {
        Ok(Answer::done("this is the shell; `help` lists its verbs\n"))
    }

    /// Only in our own early boot: it goes on with the slot that is named.
    fn boot(&mut self, context: Context<'_>, arguments: &Arguments) -> Option<Outcome> {
        (self.opened_from == OpenedFrom::Early).then(|| {
            let slot = arguments.word(0).ok_or_else(|| usage(Some(arguments.verb), "expected SLOT"))?;
            flow::bootable(Session::open(context.roots, arguments, context.holds_lock)?.site(), &slot)?;
            self.left = Some(Leave::Boot { slot, once: arguments.has("once") });
            Ok(Answer::done(""))
        })
    }

    fn leave(&mut self) -> Outcome {
        self.left = Some(Leave::Exit);
        Ok(Answer::done(""))
    }

    fn sh(&mut self) -> Outcome {
        if !sys::has_sh(self.context.roots) {
            let text = "there is no /bin/sh here; a slot has one: `mount SLOT` shows its files";
            return Err(Failure::new(Exit::Failed, text));
        }
        let ran = sys::run_sh(self.context.roots);
        ran.map(|()| Answer::done("")).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
    }

    /// Ends the run of the machine, unless this is a shell for a system that runs: that has to be stopped first.
    fn end(&mut self, end: fn() -> io::Error) -> Outcome {
        if self.opened_from == OpenedFrom::System {
            let text = "refused: leave the shell, and use the system's own command";
            return Err(Failure::new(Exit::Refused, text));
        }
        self.unmount();
        Err(Failure::new(Exit::Failed, end().to_string()))
    }

    fn mounted(&mut self, point: PathBuf) {
        self.mounted.push(point);
    }
}

/// Counts down, and asks for the password: whether somebody is there who may use the shell.
fn admit(console: &mut Console, access: &ShellAccess, next: &str, wait: Option<u64>) -> bool {
    let mut end = monotonic_ms() + wait.unwrap_or(0) * 1000;
    match access {
        ShellAccess::Open => wait.is_none() || console.count_down(next, end, true),
        ShellAccess::Closed => wait.is_some() && console.count_down(next, end, false),
        ShellAccess::Password(hash) => {
            if wait.is_some() && !console.count_down(next, end, true) {
                return false;
            }
            console.admits(hash, &mut end) || wait.is_some() && console.count_down(next, end, false)
        }
    }
}
