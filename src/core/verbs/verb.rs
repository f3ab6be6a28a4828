//! What the table is made of.

use super::{Exit, VERBS};

/// An option.
#[derive(Debug)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What its value is called; absent when it takes none.
    pub value: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

pub(super) const fn flag(name: &'static str, value: Option<&'static str>, help: &'static str) -> Flag {
    Flag { name, value, help }
}

/// What runs when a verb is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    Status,
    Slots,
    Explain,
    Why,
    Log,
    Stage,
    Prepare,
    Apply,
    Activate,
    Install,
    Cancel,
    Confirm,
    Reject,
    Rollback,
    BootOnce,
    Verify,
    Repair,
    Doctor,
    RecordShow,
    RecordInit,
    RecordRepair,
    Disks,
    Mount,
    Unmount,
    Boot,
    Shell,
    Sh,
    Leave,
    Reboot,
    PowerOff,
    Help,
}

/// A verb.
#[derive(Debug)]
pub struct Verb {
    /// What runs.
    pub action: Action,
    /// Its name, of one or two words.
    pub name: &'static str,
    /// Another name of it.
    pub alias: Option<&'static str>,
    /// Its arguments as the help shows them; those in brackets may be left out.
    pub arguments: &'static [&'static str],
    /// Its options.
    pub flags: &'static [Flag],
    /// What it does, in one line.
    pub summary: &'static str,
    /// More about it.
    pub about: &'static str,
    /// Whether it changes the machine, and so excludes another everboot.
    pub changes: bool,
    /// Its exit codes besides 0, 1 and 2.
    pub exits: &'static [Exit],
}

impl Verb {
    /// The verb of that name or alias.
    pub fn find(name: &str) -> Option<&'static Self> {
        VERBS.iter().find(|verb| verb.name == name || verb.alias == Some(name))
    }

    /// Whether it makes sense in the shell only.
    pub fn is_for_shell(&self) -> bool {
        matches!(self.action, Action::Sh | Action::Leave | Action::Reboot | Action::PowerOff)
    }

    /// Arguments that must be there, and that may be.
    pub fn arity(&self) -> (usize, usize) {
        let needed = self.arguments.iter().filter(|argument| !argument.starts_with('[')).count();
        (needed, self.arguments.len())
    }
}
