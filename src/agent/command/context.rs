//! Where a verb is given: on which machine, and by which of the two programs.

use super::answer::{Outcome, VerbOutput};
use super::arguments::Arguments;
use super::doctor::HostChecks;
use super::session::Session;
use crate::sys::Roots;
use everboot_core::verbs::Programs;

/// What the program of a running system has, and that of the initramfs does without.
#[derive(Debug)]
pub struct System {
    /// Says that the running system is good.
    pub confirm: fn(&Roots, &mut Session) -> Outcome,
    /// Raises the format version of the record.
    pub upgrade: fn(&Roots, &mut Session, &Arguments) -> Outcome,
    /// What was wrong with the record before the boot of this system wrote it anew.
    pub record_faults: fn(&Roots) -> Vec<String>,
    /// Has everboot-fetch bring a bundle that is no file.
    pub fetch: fn(&Roots, &Arguments) -> Outcome,
    /// Checks the machine that runs.
    pub host: HostChecks,
    /// What was said as one line of JSON; text as it is.
    pub json: fn(&VerbOutput) -> String,
}

/// Where a verb was given.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The machine that runs.
    pub roots: &'a Roots,
    /// What a running system has; absent in the program of the initramfs.
    pub system: Option<&'static System>,
    /// Whether this process holds the lock of the machine already.
    pub holds_lock: bool,
}

impl Context<'_> {
    /// The program that this is, as the table of verbs has it.
    pub fn programs(&self) -> Programs {
        if self.system.is_some() { Programs::System } else { Programs::Both }
    }
}
