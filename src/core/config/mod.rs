//! The configuration of a machine: `/etc/everboot/everboot.conf`, and `everboot.*` on the kernel
//! command line. Text in, values out; no I/O.

mod cmdline;
mod file;
mod keys;
mod line;
mod policy;
mod shell;

use alloc::string::String;
use alloc::vec::Vec;
pub use cmdline::{BootRequest, Breakpoint, KernelCommandLine, module_parameters};
pub use file::{ConfigError, LONGEST};
pub use keys::{KEYS, Key, PARAMETERS};
pub use policy::Policy;
pub use shell::ShellAccess;

use crate::slot::{PartName, SlotName, Uuid};

/// How a partition is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// By its name in the GUID partition table.
    PartLabel(String),
    /// By its unique GUID.
    PartUuid(Uuid),
}

/// A slot, and where its parts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotConfig {
    /// Its name.
    pub name: SlotName,
    /// Its parts; the file names the place of the part `root` and knows no other.
    pub parts: Vec<(PartName, Locator)>,
}

impl SlotConfig {
    /// A slot that has a root part and no other.
    pub fn new(name: SlotName, root: Locator) -> Self {
        Self { name, parts: [(PartName::root(), root)].into() }
    }
}

/// When a boot is written to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assess {
    /// At every boot.
    Always,
    /// Only while a trial or an apply is due: a good slot boots without a write.
    Upgrade,
}

/// How far a machine is closed to who stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// The kernel command line may name a slot, and the prompt is open.
    No,
    /// Neither. No slot boots without a signature that this initramfs trusts, unless nothing else is left.
    Yes,
    /// The same, without that exception.
    Strict,
}

impl Lock {
    /// The word of the file.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "no" => Some(Self::No),
            "yes" => Some(Self::Yes),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }

    /// Whether it is closed at all.
    pub fn is_on(self) -> bool {
        self != Self::No
    }
}

/// How the watchdog is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchdog {
    /// Not at all.
    Off,
    /// Over an apply in early boot; it is stopped before the hand-off.
    Apply,
    /// The same, and then it is started for the system, which has so many seconds to take it over; 10 to 3600.
    Left(u32),
}

/// The configuration. [`Config::default`] is a file that says nothing, with an empty `compatible`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The machine type that a bundle must name.
    pub compatible: String,
    /// Where the record is; default `PARTLABEL=everboot-record`.
    pub record: Locator,
    /// The partition whose file system holds the staging area; default `PARTLABEL=everboot-data`.
    pub staging: Locator,
    /// The partition of the recovery slot, if the disk has one; default `PARTLABEL=recovery`. It is entered
    /// when no other slot can be, and never written.
    pub recovery: Locator,
    /// The slots in order; default `slot-a` and `slot-b`, each found by its PARTLABEL.
    pub slots: Vec<SlotConfig>,
    /// Attempts of a trial whose manifest names no number; 1 to 100, default 3.
    pub tries: u8,
    /// The hard number of hand-offs of a trial; 1 to 100, default 10.
    pub handoffs: u8,
    /// Starts of an early apply without a newly proven block before it is abandoned; 1 to 100, default 5.
    pub apply_starts: u8,
    /// The hard number of starts of an early apply, whatever they prove; 1 to 100, default 50.
    pub apply_starts_in_all: u8,
    /// When boots are recorded; default always.
    pub assess: Assess,
    /// How far the machine is closed; default no.
    pub lock: Lock,
    /// Images that no trusted key has signed may be brought and booted; default no.
    pub insecure: bool,
    /// Who may use the recovery shell, as the file says; [`Config::shell`] also minds the lock.
    pub shell: ShellAccess,
    /// Seconds to wait for the devices at boot; default 30.
    pub timeout: u32,
    /// Which steps the watchdog guards; default an apply.
    pub watchdog: Watchdog,
    /// What is wrong with the file, the first mistakes: lines that are left out. Early boot goes on without them; a
    /// record is not made anew by a file that has any.
    pub faults: Vec<ConfigError>,
}
