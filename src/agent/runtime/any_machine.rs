//! The machine of a verb: this one, or a disk image in a file. One type for both, so that the flows are in
//! the binary once.

use super::progress::Progress;
use crate::machine::{Access, EarlyBoot, Machine, PartitionRef, Root, RootError, Survey};
use crate::sys::{self, DirStaging, DiskFileMachine, FileMedium, HandOff, LinuxMachine, Watchdog};
use everboot_core::slot::Uuid;
use everboot_core::wall_clock::WallClock;
use everboot_storage::medium::Error;
use everboot_storage::worker_pool::Threads;

/// Which of the two.
#[derive(Debug)]
pub enum Kind {
    /// The machine that runs.
    Linux(LinuxMachine),
    /// A disk image.
    File(DiskFileMachine),
}

/// A machine, with what the command line says of it.
pub struct AnyMachine {
    /// Which one.
    pub kind: Kind,
    /// The kernel that images must have modules for, when it is not the machine's own.
    pub kernel: Option<String>,
    /// How far a long step is.
    pub progress: Progress,
    /// The watchdog over an apply in early boot; absent where nobody wants it. The staging area is open there for
    /// as long as an apply takes, whose starts are counted: no machine is restarted for ever.
    pub watchdog: Option<Watchdog>,
}

macro_rules! either {
    ($self:ident, $machine:ident => $do:expr) => {
        match &$self.kind {
            Kind::Linux($machine) => $do,
            Kind::File($machine) => $do,
        }
    };
    (mut $self:ident, $machine:ident => $do:expr) => {
        match &mut $self.kind {
            Kind::Linux($machine) => $do,
            Kind::File($machine) => $do,
        }
    };
}

impl Machine for AnyMachine {
    type Disk = FileMedium;
    type Staging = DirStaging;

    fn survey(&mut self) -> Result<Survey, Error> {
        either!(mut self, machine => machine.survey())
    }

    fn open(&mut self, at: PartitionRef, access: Access) -> Result<FileMedium, Error> {
        either!(mut self, machine => Machine::open(machine, at, access))
    }

    fn staging(&mut self, at: Option<PartitionRef>, access: Access) -> Result<DirStaging, Error> {
        let area = either!(mut self, machine => machine.staging(at, access))?;
        // Not before: how long a journal takes nobody knows, and a mount gives no sign of life.
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.start();
        }
        Ok(area)
    }

    fn has_usual_staging(&self) -> bool {
        either!(self, machine => machine.has_usual_staging())
    }

    fn close_staging(&mut self) {
        either!(mut self, machine => machine.close_staging());
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.stop();
        }
    }

    fn threads(&self) -> Threads {
        sys::threads()
    }

    fn show_progress(&mut self, done: u64, of: u64) {
        self.progress.show(done, of);
        sys::pet_watchdog();
        if let Some(watchdog) = &self.watchdog {
            watchdog.pet();
        }
    }

    fn kernel_release(&self) -> Option<String> {
        self.kernel.clone().or_else(|| either!(self, machine => machine.kernel_release()))
    }

    fn wall_clock(&self) -> WallClock {
        either!(self, machine => machine.wall_clock())
    }

    fn boot_id(&self) -> Option<Uuid> {
        either!(self, machine => machine.boot_id())
    }

    fn root_partition(&self) -> Option<Uuid> {
        either!(self, machine => machine.root_partition())
    }

    fn root_disk(&self) -> Option<usize> {
        either!(self, machine => machine.root_disk())
    }
}

impl EarlyBoot for AnyMachine {
    /// Absent for a disk image in a file: no process can go on in its root.
    type HandOff = Option<HandOff>;

    fn enter(&mut self, root: &Root) -> Result<Option<HandOff>, RootError> {
        match &mut self.kind {
            Kind::Linux(machine) => machine.enter(root).map(Some),
            Kind::File(machine) => machine.enter(root).map(|()| None),
        }
    }

    fn uptime_ms(&self) -> u64 {
        sys::uptime_ms()
    }
}
