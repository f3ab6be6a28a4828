//! What the table is made of.

use super::Exit;

/// An option.
#[derive(Debug)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What its value is called; absent when it takes none.
    pub value: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
    /// Which programs have it.
    pub programs: Programs,
}

pub(super) const fn flag(name: &'static str, value: Option<&'static str>, help: &'static str) -> Flag {
    Flag { name, value, help, programs: Programs::Both }
}

/// Which of the two programs has a verb or an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// `everboot-init` in the initramfs, and `everboot` in the running system.
    Both,
    /// `everboot` alone.
    System,
}

/// Where a verb can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// On a command line, and in the shell.
    Anywhere,
    /// In `everboot shell` alone.
    Shell,
}

/// What a verb works with, and what it excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Disks, record and settings: they are looked at before it runs.
    pub machine: bool,
    /// An everboot.conf without a mistake: without a line it would do the wrong thing. The others go by the record.
    pub configuration: bool,
    /// The lock of the machine: another everboot must not change it meanwhile.
    pub lock: bool,
    /// The same, and it waits for it: what it has to say is lost if it does not.
    pub patience: bool,
    /// A running system, which it is about; not when a slot or a disk image in a file is named.
    pub running_system: bool,
    /// Where it can be given.
    pub place: Availability,
}

/// What runs when a verb is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table of verbs says what each does")]
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
    RecordUpgrade,
    Formats,
    ConfigCheck,
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
    /// What it needs.
    pub needs: Needs,
    /// Which programs have it.
    pub programs: Programs,
    /// Whether its FILE may also be what everboot-fetch brings.
    pub fetches: bool,
    /// Its exit codes besides 0, 1 and 2.
    pub exits: &'static [Exit],
}

impl Verb {
    /// Whether it can be given in the shell only.
    pub fn is_for_shell(&self) -> bool {
        self.needs.place == Availability::Shell
    }

    /// Whether a program has it.
    pub fn is_in(&self, programs: Programs) -> bool {
        self.programs == Programs::Both || programs == Programs::System
    }

    /// Whether its first argument is one of the verbs.
    pub fn takes_verb(&self) -> bool {
        self.arguments.first().is_some_and(|argument| argument.contains("VERB"))
    }

    /// Arguments that must be there, and that may be.
    pub fn arity(&self) -> (usize, usize) {
        let needed = self.arguments.iter().filter(|argument| !argument.starts_with('[')).count();
        (needed, self.arguments.len())
    }
}
