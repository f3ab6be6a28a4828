//! A whole machine in memory: one disk with record, two slots and a data partition, and a staging area.

use super::pages::Pages;
use super::power::DIRECTORY;
use super::{Power, SimDisk, SimStaging, Survives};
use everboot_agent::machine::{
    Access, Disk, EarlyBoot, Machine, Partition, PartitionRef, Root, RootError, Survey,
};
use everboot_core::slot::{RootFault, Uuid};
use everboot_core::wall_clock::WallClock;
use everboot_storage::medium::{Error, Medium, Op};
use everboot_storage::worker_pool::Threads;
use std::collections::BTreeMap;
use std::io;

/// How the root of an image behaves; written at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimRoot {
    /// Can be entered.
    Boots,
    /// Can be mounted and has no init.
    NoInit,
    /// Cannot be mounted.
    Broken,
}

impl SimRoot {
    /// The first bytes of such an image.
    pub fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Boots => b"ROOT-OK!",
            Self::NoInit => b"NO-INIT!",
            Self::Broken => b"BROKEN!!",
        }
    }
}

/// What outlives a power cut: the bytes of the partitions and of the staging area.
#[derive(Debug, Clone)]
pub struct DurableState {
    pub parts: Vec<Pages>,
    pub files: BTreeMap<String, Pages>,
}

/// A machine in memory.
#[derive(Debug)]
pub struct SimMachine {
    pub power: Power,
    pub survey: Survey,
    /// Media of the partitions: record, slot-a, slot-b, data.
    pub parts: Vec<SimDisk>,
    pub staging: SimStaging,
    /// Whether the staging file system can be mounted.
    pub has_staging: bool,
    /// Whether it is the one that early boot finds.
    pub has_usual_staging: bool,
    pub kernel: Option<String>,
    /// What its clock shows, all the time.
    pub clock: WallClock,
    pub boot_id: Option<Uuid>,
    /// The root that runs, once a hand-off has gone there.
    pub entered: Option<Root>,
    /// Partitions that cannot be opened.
    pub dead: Vec<usize>,
    /// Partitions that nobody may write to.
    pub protected: Vec<usize>,
    /// How the staging area was opened, oldest first.
    pub staging_opened: Vec<Access>,
    /// Partitions whose root turns out to be none when it is entered.
    pub unbootable: Vec<usize>,
    /// Whether every root can be entered: slots hold real file systems, and nobody looks into them.
    pub enters_any_root: bool,
}

/// The way into a root of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimHandOff(Root);

impl SimHandOff {
    /// The system in that root runs from now on.
    pub fn go(self, machine: &mut SimMachine) {
        machine.entered = Some(self.0);
    }
}

pub const RECORD: usize = 0;
pub const SLOT_A: usize = 1;
pub const SLOT_B: usize = 2;
/// The partition tables of all disks, as a medium.
const DISKS: usize = 98;

/// The disk that a machine has from the beginning.
const OWN_DISK: &str = "sim";

/// Sizes of the partitions in bytes.
const SIZES: [(&str, u64); 4] =
    [("everboot-record", 1 << 20), ("slot-a", 64 * 4096), ("slot-b", 64 * 4096), ("everboot-data", 4096)];

impl SimMachine {
    /// A machine whose disk is all zeroes.
    pub fn new() -> Self {
        let part = |(number, (label, len)): (usize, &(&str, u64))| Partition {
            label: (*label).to_owned(),
            guid: Uuid([number as u8 + 1; 16]),
            kind: Uuid([0xcc; 16]),
            start: (number as u64 + 1) << 20,
            len: *len,
        };
        let parts = SIZES.iter().enumerate().map(part).collect();
        let disk =
            Disk { name: OWN_DISK.into(), guid: Uuid([0xd0; 16]), parts, removable: false, faults: vec![] };
        let zeroed = |(_, len): &(&str, u64)| Pages::zeroed(*len as usize);
        let durable = DurableState { parts: SIZES.iter().map(zeroed).collect(), files: BTreeMap::new() };
        Self::of(Survey { disks: vec![disk] }, &durable)
    }

    /// The machine whose disk has these partitions with these bytes.
    pub fn of(survey: Survey, durable: &DurableState) -> Self {
        let power = Power::default();
        let part = |(id, pages): (usize, &Pages)| SimDisk::of(pages.clone(), &power, id);
        Self {
            survey,
            parts: durable.parts.iter().enumerate().map(part).collect(),
            staging: SimStaging::of(&durable.files, &power),
            has_staging: true,
            has_usual_staging: true,
            kernel: None,
            clock: WallClock::NotSet(0),
            boot_id: None,
            entered: None,
            dead: vec![],
            protected: vec![],
            staging_opened: vec![],
            unbootable: vec![],
            enters_any_root: false,
            power,
        }
    }

    /// Adds another disk, before the machine's own one or behind it: a copy of the media of `parts`, whose partitions
    /// have GUIDs of their own where `number` is not 0.
    pub fn add_disk(&mut self, name: &str, number: u8, parts: &[usize], is_first: bool) -> &mut Disk {
        let own = self.survey.disks.iter().position(|disk| disk.name == OWN_DISK).unwrap_or(0);
        let mut disk = Disk { name: name.to_owned(), ..self.survey.disks[own].clone() };
        disk.parts = parts.iter().map(|part| disk.parts[*part].clone()).collect();
        disk.guid.0[0] ^= number;
        disk.parts.iter_mut().for_each(|part| part.guid.0[0] ^= number);
        for part in parts {
            let (pages, id) = (self.parts[*part].live(), self.parts.len());
            self.parts.push(SimDisk::of(pages, &self.power, id));
        }
        let at = if is_first { own } else { self.survey.disks.len() };
        self.survey.disks.insert(at, disk);
        if let Some(root) = self.entered.as_mut().filter(|root| root.at.disk >= at) {
            root.at.disk += 1;
        }
        &mut self.survey.disks[at]
    }

    /// The number of the medium at `at`: those of the machine's own disk come first, then those of the others as they
    /// were added, of which there may be one before it.
    pub fn medium(&self, at: PartitionRef) -> usize {
        let disks = &self.survey.disks;
        if disks[at.disk].name == OWN_DISK {
            return at.part;
        }
        let own = disks.iter().find(|disk| disk.name == OWN_DISK).map_or(0, |disk| disk.parts.len());
        let before = disks[..at.disk].iter().filter(|disk| disk.name != OWN_DISK);
        own + before.map(|disk| disk.parts.len()).sum::<usize>() + at.part
    }

    /// What a reader sees of all media.
    pub fn durable(&self) -> DurableState {
        DurableState { parts: self.parts.iter().map(SimDisk::live).collect(), files: self.staging.content() }
    }

    /// Adds a recovery slot whose root behaves so.
    pub fn add_recovery(&mut self, root: SimRoot) {
        let guid = Uuid([0xee; 16]);
        let part = Partition {
            label: "recovery".to_owned(),
            guid,
            kind: Uuid([0xcc; 16]),
            start: 1 << 40,
            len: 4096,
        };
        self.survey.disks[0].parts.push(part);
        let mut content = vec![0; 4096];
        content[..8].copy_from_slice(root.magic());
        let id = self.parts.len();
        self.parts.push(SimDisk::of(Pages::of(&content), &self.power, id));
    }

    /// The same disk and staging area, each on media of their own.
    pub fn fork(&self) -> Self {
        let mut other = Self::of(self.survey.clone(), &self.durable());
        other.staging = self.staging.fork(&other.power);
        other.has_staging = self.has_staging;
        other.kernel = self.kernel.clone();
        other.dead = self.dead.clone();
        other
    }

    /// Power comes back, and with it what the caches had kept.
    pub fn crash(&self, survives: Survives) {
        self.power.restore();
        for part in &self.parts {
            part.crash(survives);
        }
        self.staging.crash(survives);
    }
}

impl Machine for SimMachine {
    type Disk = SimDisk;
    type Staging = SimStaging;

    fn survey(&mut self) -> Result<Survey, Error> {
        self.power.check(Op::Read, DISKS)?;
        Ok(self.survey.clone())
    }

    fn open(&mut self, at: PartitionRef, access: Access) -> Result<SimDisk, Error> {
        let medium = self.medium(at);
        self.power.check(Op::Open, medium)?;
        if self.protected.contains(&medium) && !access.only_reads() {
            return Err(Error::named(Op::Open, "part", io::Error::from_raw_os_error(1)));
        }
        if self.dead.contains(&medium) {
            return Err(Error::named(Op::Open, "part", io::Error::from_raw_os_error(5)));
        }
        Ok(self.parts[medium].clone().of_flow())
    }

    fn staging(&mut self, at: Option<PartitionRef>, access: Access) -> Result<SimStaging, Error> {
        self.staging_opened.push(access);
        self.power.check(Op::Open, DIRECTORY)?;
        match self.has_staging && at.is_some() {
            true => Ok(self.staging.clone().of_flow()),
            false => Err(Error::named(Op::Open, "staging", io::Error::from_raw_os_error(117))),
        }
    }

    fn has_usual_staging(&self) -> bool {
        self.has_usual_staging
    }

    fn close_staging(&mut self) {}

    fn threads(&self) -> Threads {
        Threads::NONE
    }

    fn show_progress(&mut self, _: u64, _: u64) {}

    fn kernel_release(&self) -> Option<String> {
        self.kernel.clone()
    }

    fn wall_clock(&self) -> WallClock {
        self.clock
    }

    fn boot_id(&self) -> Option<Uuid> {
        self.boot_id
    }

    fn root_partition(&self) -> Option<Uuid> {
        self.entered.map(|root| self.survey.partition(root.at).guid)
    }

    fn root_disk(&self) -> Option<usize> {
        self.entered.map(|root| root.at.disk)
    }
}

impl EarlyBoot for SimMachine {
    type HandOff = SimHandOff;

    fn enter(&mut self, root: &Root) -> Result<SimHandOff, RootError> {
        let mut magic = [0; 8];
        self.open(root.at, Access::Read)
            .and_then(|part| part.read_at(0, &mut magic))
            .map_err(RootError::device)?;
        if self.unbootable.contains(&self.medium(root.at)) {
            return Err(RootError::new(RootFault::NoInit, "/sbin/init is not there"));
        }
        if self.enters_any_root || magic == *SimRoot::Boots.magic() {
            Ok(SimHandOff(*root))
        } else if magic == *SimRoot::NoInit.magic() {
            Err(RootError::new(RootFault::NoInit, "/sbin/init is not there"))
        } else {
            Err(RootError::new(RootFault::NotMountable, "no file system"))
        }
    }

    fn uptime_ms(&self) -> u64 {
        self.power.used()
    }
}
