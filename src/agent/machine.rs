//! What a flow needs of the machine that it runs on.
//!
//! `sys` implements these traits for Linux and for a disk image in a file; the tests implement them in
//! memory. So the same flows run in the initramfs, in the running system, on a file, and under simulation.

use crate::table_fault::TableFault;
use everboot_core::config::{Breakpoint, Locator};
use everboot_core::slot::{RootFault, Uuid};
use everboot_core::wall_clock::WallClock;
use everboot_storage::medium::{self, Medium, Staging};
use everboot_storage::worker_pool::Threads;
use std::fmt;

/// All disks with a partition table, in the order in which the machine names them.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The disks.
    pub disks: Vec<Disk>,
}

/// One disk with a GUID partition table.
#[derive(Debug, Clone)]
pub struct Disk {
    /// How the machine calls it: `vda`, or the path of the image file.
    pub name: String,
    /// The GUID in its partition table header.
    pub guid: Uuid,
    /// Its partitions, in table order; those that may not be used are left out.
    pub parts: Vec<Partition>,
    /// Whether it is made to be taken out, or is behind USB.
    pub removable: bool,
    /// What is wrong with its table.
    pub faults: Vec<TableFault>,
}

/// One partition.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Its name in the table (PARTLABEL).
    pub label: String,
    /// Its unique GUID (PARTUUID).
    pub guid: Uuid,
    /// Its type GUID.
    pub kind: Uuid,
    /// Where it begins on the disk, in bytes.
    pub start: u64,
    /// Its size in bytes.
    pub len: u64,
}

/// A partition by its place in a [`Survey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionRef {
    /// Position in [`Survey::disks`].
    pub disk: usize,
    /// Position in [`Disk::parts`].
    pub part: usize,
}

impl Access {
    /// Whether nothing is to be written.
    pub fn only_reads(self) -> bool {
        matches!(self, Self::Read | Self::Look)
    }
}

/// Whether a partition is the one that the locator names.
pub fn matches(locator: &Locator, part: &Partition) -> bool {
    match locator {
        Locator::PartLabel(label) => part.label == *label,
        Locator::PartUuid(guid) => part.guid == *guid,
    }
}

impl Disk {
    /// What is wrong with its table, with the commands for this disk.
    pub fn complaints(&self) -> Vec<String> {
        let device = if self.name.contains('/') { self.name.clone() } else { ["/dev/", &self.name].concat() };
        let device = device.replace('!', "/");
        self.faults.iter().map(|fault| fault.text(&device)).collect()
    }
}

impl Survey {
    /// The partition at `at`.
    ///
    /// # Panics
    /// When `at` is not of this survey.
    pub fn partition(&self, at: PartitionRef) -> &Partition {
        &self.disks[at.disk].parts[at.part]
    }

    /// All partitions for which `wanted` holds.
    pub fn find(&self, wanted: impl Fn(&Partition) -> bool) -> Vec<PartitionRef> {
        self.find_all(&wanted)
    }

    /// The same, once for all callers.
    fn find_all(&self, wanted: &dyn Fn(&Partition) -> bool) -> Vec<PartitionRef> {
        let mut found = Vec::new();
        for (disk, parts) in self.disks.iter().map(|disk| &disk.parts).enumerate() {
            let wanted = parts.iter().enumerate().filter(|(_, candidate)| wanted(candidate));
            found.extend(wanted.map(|(part, _)| PartitionRef { disk, part }));
        }
        found
    }
}

/// How a partition is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// The same of the staging area, where no record names what is looked for: its file system is mounted without
    /// replaying a journal, so that not a byte of it changes. What only the journal has is not seen.
    Look,
    /// Read and write, and nobody else may have it mounted or open (O_EXCL on a block device).
    Exclusive,
    /// Read and write beside others: the record, and the confirmed mark of the mounted root.
    Shared,
    /// Read and write beneath a mount that only reads.
    Beneath,
}

/// The machine as the verbs and the boot see it.
pub trait Machine {
    /// An open partition.
    type Disk: Medium;
    /// The open staging area.
    type Staging: Staging;

    /// Looks at all disks, anew at each call.
    fn survey(&mut self) -> Result<Survey, medium::Error>;

    /// Opens the partition at `at` of the latest survey.
    fn open(&mut self, at: PartitionRef, access: Access) -> Result<Self::Disk, medium::Error>;

    /// Opens the staging area, mounting its file system where that is needed. `at` is the partition that
    /// holds it, when the survey has one; with [`Access::Read`] and [`Access::Look`] it is mounted read-only.
    fn staging(&mut self, at: Option<PartitionRef>, access: Access) -> Result<Self::Staging, medium::Error>;

    /// Whether early boot finds there what [`Machine::staging`] opens: not a directory that somebody chose instead.
    fn has_usual_staging(&self) -> bool {
        true
    }

    /// Releases the staging area, and unmounts its file system if [`Machine::staging`] had mounted it. Called
    /// when nothing of it is open any more; that nothing was mounted is no error.
    fn close_staging(&mut self);

    /// The threads that long work may take beside the first one.
    fn threads(&self) -> Threads;

    /// Shows how far a long step is: so many of so many blocks.
    fn show_progress(&mut self, done: u64, of: u64);

    /// Release of the running kernel (`uname -r`); `None` when it will not be the one that boots the image,
    /// as for a disk image in a file.
    fn kernel_release(&self) -> Option<String>;

    /// What the wall clock shows, for the history only: nothing is decided by it.
    fn wall_clock(&self) -> WallClock;

    /// The kernel's id of this boot, for the history only; `None` when it is not known, as for a disk image in a file.
    fn boot_id(&self) -> Option<Uuid>;

    /// The unique GUID of the partition that the running system's `/` is mounted from; `None` when it is
    /// none, or not known, as for a disk image in a file.
    fn root_partition(&self) -> Option<Uuid>;

    /// The position in the latest survey of the disk that the running system's `/` is mounted from; `None` when the
    /// mount does not show it.
    fn root_disk(&self) -> Option<usize>;
}

/// What only the early boot does.
pub trait EarlyBoot: Machine {
    /// A hand-off that is prepared: the mounted root and its init. To hold or to drop it changes nothing; the caller to
    /// whom the boot returns it consumes it.
    type HandOff;

    /// Mounts the root of a slot and checks all that can be checked before the hand-off. On success the
    /// root stays mounted, ready for the hand-off; on failure nothing stays mounted. Does nothing that a restart of
    /// the machine would not undo: a power cut here finds the attempt counted, and nothing else.
    fn enter(&mut self, root: &Root) -> Result<Self::HandOff, RootError>;

    /// Milliseconds since the kernel started (CLOCK_BOOTTIME), for the report of the boot only: no decision
    /// depends on a clock.
    fn uptime_ms(&self) -> u64;
}

/// Whoever sits at the console of an early boot.
pub trait Operator {
    /// Shows why nothing can be booted, and waits; whoever sits there may cut the wait short.
    fn recover(&mut self, notice: &RecoveryNotice) -> OperatorChoice;

    /// Whether somebody wants to look around at this point of the boot, and what they choose then. Asks once.
    fn breakpoint(&mut self, point: Breakpoint) -> Option<OperatorChoice>;
}

/// No operator: the boot never stops, and gives up where recovery would wait.
#[derive(Debug)]
pub struct Nobody;

impl Operator for Nobody {
    fn recover(&mut self, _: &RecoveryNotice) -> OperatorChoice {
        OperatorChoice::Leave
    }

    fn breakpoint(&mut self, _: Breakpoint) -> Option<OperatorChoice> {
        None
    }
}

/// Why a machine is in recovery, and what it will do, in words for whoever sits at its console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryNotice {
    /// Why.
    pub reason: String,
    /// What was noticed on the way, oldest first.
    pub notes: Vec<String>,
    /// The slots, a line each.
    pub slots: Vec<String>,
    /// What is done when the wait is over.
    pub next: &'static str,
    /// Seconds to wait.
    pub wait: u64,
    /// Whether a shell is offered.
    pub shell: bool,
}

/// What somebody at the console chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorChoice {
    /// Look at everything anew, and decide.
    LookAgain,
    /// Boot that slot.
    Boot {
        /// Its name.
        slot: String,
        /// Whether it becomes the default, if it is good.
        keep: bool,
    },
    /// Nobody waits here: give up.
    Leave,
}

/// The root that is to be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Its partition.
    pub at: PartitionRef,
    /// Whether it is mounted writable; else read-only without replaying a journal.
    pub open: bool,
    /// Whether nobody may write to it: its device is set read-only, so that not even the system in it mounts it
    /// writable.
    pub sealed: bool,
}

/// A root could not be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootError {
    /// What the decision reads.
    pub fault: RootFault,
    /// What the system said, for people.
    pub why: String,
}

impl RootError {
    /// A fault, with what the system said.
    pub fn new(fault: RootFault, why: impl ToString) -> Self {
        Self { fault, why: why.to_string() }
    }

    /// [`RootFault::Device`], with what the system said.
    pub fn device(why: impl ToString) -> Self {
        Self::new(RootFault::Device, why)
    }
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault, self.why)
    }
}
