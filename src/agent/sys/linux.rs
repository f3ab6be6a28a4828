//! The machine that runs: its disks by `/sys`, its staging area mounted where that is needed.
//!
//! Invariants:
//! - a file system that somebody else mounted is used where it is and never unmounted;
//! - nothing is mounted while a swap partition holds a hibernation image, or the swap file that the kernel command line
//!   names;
//! - no partition is written but through the [`FileMedium`] that the caller asked for. (Mounting the staging
//!   file system may replay its journal.)

use super::file_medium::FileMedium;
use super::file_system::{self, FileSystem};
use super::init::kernel_command_line;
use super::mounting::{in_words, mount, unmount};
use super::probe::{self, DEADLINE};
use super::progress::Progress;
use super::roots::Roots;
use super::small_file::{read_text, read_value};
use super::staging::DirStaging;
use super::survey::{self, Found, Node, Wanted};
use super::{boot_facts, boot_id, clock, ioctl, mountinfo, threads};
use crate::machine::{Access, Machine, PartitionRef, Survey, matches};
use everboot_core::config::Config;
use everboot_core::slot::Uuid;
use everboot_core::wall_clock::WallClock;
use everboot_storage::medium::{Error, Op};
use everboot_storage::worker_pool::Threads;
use nix::mount::MsFlags;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// The directory of the staging area in its file system.
const STAGING_DIRECTORY: &str = "everboot";
/// Where the root is mounted before the hand-off, when nobody says otherwise.
const NEW_ROOT: &str = "/sysroot";

/// This machine.
#[derive(Debug)]
pub struct LinuxMachine {
    pub(super) roots: Roots,
    pub(super) found: Vec<Found>,
    /// What its disks are told by; absent where nobody has said.
    wanted: Option<Box<Wanted>>,
    /// Whether disks are read that have nothing of it.
    reads_all: bool,
    /// A directory that is used instead of the staging partition.
    staging: Option<PathBuf>,
    /// Whether the staging file system was mounted by us.
    mounted: bool,
    early: bool,
    /// Where the root of a slot is mounted.
    pub(super) sysroot: PathBuf,
    progress: Progress,
    /// The init that the kernel command line asks for.
    pub(super) init: Option<String>,
}

impl LinuxMachine {
    /// The running system. `staging` is a directory that serves as the staging area instead of the one on
    /// the staging partition.
    pub fn new(roots: Roots, staging: Option<PathBuf>) -> Self {
        Self {
            roots,
            found: Vec::new(),
            wanted: None,
            reads_all: true,
            staging,
            mounted: false,
            early: false,
            sysroot: NEW_ROOT.into(),
            progress: Progress::new(),
            init: None,
        }
    }

    /// The initramfs. Partitions that the kernel did not find, because the primary table is damaged, are
    /// announced to it from the backup table; the disk is not written. `init` is the absolute path of the
    /// program that is run in the root instead of its usual init (`init=` on the kernel command line).
    /// `sysroot` is where the root is mounted, when that is not `/sysroot`.
    pub fn early(roots: Roots, init: Option<String>, sysroot: Option<PathBuf>) -> Self {
        let mut machine = Self::new(roots, None);
        (machine.early, machine.init) = (true, init);
        if let Some(sysroot) = sysroot {
            machine.sysroot = sysroot;
        }
        machine
    }

    /// Says what the machine's disks are told by. Other disks are read where something of it is missing, or with `all`.
    #[must_use]
    pub fn looking_for(mut self, config: &Config, all: bool) -> Self {
        (self.wanted, self.reads_all) = (Some(Box::new(Wanted::of(config))), all);
        self
    }

    fn look(&self) -> io::Result<Vec<Found>> {
        // Early boot looks again, until everything has come.
        let deadline = if self.early { 0 } else { DEADLINE };
        survey::disks(&self.roots, self.wanted.as_deref(), self.reads_all, deadline)
    }

    /// The node of the partition at `at`.
    pub(super) fn node(&self, at: PartitionRef) -> Result<&Node, Error> {
        let node = self.found.get(at.disk).and_then(|found| found.nodes.get(at.part));
        let unknown = || Error {
            op: Op::Open,
            place: everboot_storage::medium::FailedAt::Whole,
            source: io::ErrorKind::NotFound.into(),
        };
        node.ok_or_else(unknown)
    }

    /// Tells the kernel of the partitions that it did not find on the disk of the record. Whether there were any. What
    /// it did not find elsewhere it may have left out for a reason.
    fn announce_missing(&self) -> bool {
        let Some(wanted) = &self.wanted else { return false };
        let mut announced = false;
        for found in self.found.iter().filter(|found| !found.missing.is_empty()) {
            let mut parts = found.disk.parts.iter().chain(found.missing.iter().map(|(part, _)| part));
            if !parts.any(|part| matches(&wanted.record, part)) {
                continue;
            }
            let name = &found.disk.name;
            let Ok(disk) = File::open(survey::node_path(&self.roots, name)) else { continue };
            for (_, extent) in &found.missing {
                match ioctl::add_partition(&disk, extent.number, extent.start, extent.len) {
                    Ok(()) => announced = true,
                    Err(error) => log::warn!("partition {} of {name}: {error}", extent.number),
                }
            }
        }
        announced
    }

    /// All mounts, oldest first; `None` when the table cannot be read.
    fn mounts(&self) -> Option<Vec<mountinfo::Mount>> {
        read_text(&self.roots.proc.join("self/mountinfo")).ok().map(|text| mountinfo::parse(&text))
    }

    /// The partition that `/` is mounted from.
    fn mounted_root(&self, found: &[Found]) -> Option<PartitionRef> {
        let mounts = self.mounts()?;
        let number = &mounts.iter().rev().find(|mount| mount.point == "/")?.device;
        // A verity device stands on the partition.
        let below = self.roots.sys.join("dev/block").join(number).join("slaves");
        let below = std::fs::read_dir(below).ok().and_then(|mut entries| entries.next()?.ok());
        let below = below.and_then(|entry| read_value(&entry.path().join("dev")));
        let is = |node: &Node| node.number == *number || Some(&node.number) == below.as_ref();
        let mut places = found.iter().enumerate();
        places.find_map(|(disk, found)| Some(PartitionRef { disk, part: found.nodes.iter().position(is)? }))
    }

    /// Where the staging file system is mounted when nobody else did.
    fn staging_point(&self) -> PathBuf {
        self.roots.own().join("staging")
    }

    /// Where the file system of `node` is mounted with enough rights.
    pub(super) fn mounted_at(&self, node: &Node, access: Access) -> Option<PathBuf> {
        let mounts = self.mounts()?;
        let path = node.path.to_string_lossy();
        let fits = |mount: &&mountinfo::Mount| {
            (mount.device == node.number || mount.source == path)
                && mount.root == "/"
                && (mount.writable || access.only_reads())
        };
        mounts.iter().rev().find(fits).map(|mount| PathBuf::from(&mount.point))
    }

    /// Refuses to mount anything beside a hibernation image.
    pub(super) fn check_hibernation(&self) -> Result<(), Error> {
        let swap_file = file_system::resume_offset(&kernel_command_line(&self.roots));
        for node in &self.all_nodes() {
            let name = node.path.to_string_lossy();
            let looked = FileMedium::open(&node.path, Access::Read).and_then(|part| {
                let in_file = swap_file.map_or(Ok(false), |at| file_system::hibernated(&part, at))?;
                Ok(in_file || file_system::hibernated(&part, 0)?)
            });
            match looked {
                Ok(false) => {}
                Ok(true) => {
                    let text = "it holds a hibernation image, so that nothing else may be mounted";
                    return Err(Error::named(Op::Open, name, io::Error::other(text)));
                }
                Err(error) => log::warn!("{name}: {error}"),
            }
        }
        Ok(())
    }

    /// The nodes of all partitions that the kernel knows, on disks that answer.
    fn all_nodes(&self) -> Vec<Node> {
        let class = self.roots.sys.join("class/block");
        let names = survey::disk_names(&class).unwrap_or_default();
        let is_ours = |name: &String| {
            self.found.iter().any(|found| found.disk.name == *name && !found.nodes.is_empty())
        };
        let others = names.iter().filter(|name| !is_ours(name));
        probe::ask(&others.map(|name| survey::node_path(&self.roots, name)).collect::<Vec<_>>(), DEADLINE);
        let answers = |name: &&String| is_ours(name) || probe::answers(&survey::node_path(&self.roots, name));
        let parts = |name: &String| survey::kernel_parts(&self.roots, &class.join(name));
        names.iter().filter(answers).flat_map(parts).filter_map(|part| part.node).collect()
    }

    fn mount_staging(&mut self, node: &Node, access: Access) -> Result<(), Error> {
        let failed = |source: io::Error| Error::named(Op::Open, node.path.to_string_lossy(), source);
        self.check_hibernation()?;
        let part = FileMedium::open(&node.path, Access::Read)?;
        let Some(FileSystem { driver, usual, no_replay }) = file_system::detect(&part)? else {
            return Err(failed(io::Error::other("it holds no known file system")));
        };
        drop(part);
        let point = self.staging_point();
        std::fs::create_dir_all(&point).map_err(failed)?;
        let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        if access.only_reads() {
            flags |= MsFlags::MS_RDONLY;
        }
        let options = if access == Access::Look { no_replay } else { usual };
        mount(&node.path, &point, driver, flags, options).map_err(|error| failed(in_words(error)))?;
        self.mounted = true;
        Ok(())
    }
}

impl Machine for LinuxMachine {
    type Disk = FileMedium;
    type Staging = DirStaging;

    fn survey(&mut self) -> Result<Survey, Error> {
        let class = || self.roots.sys.join("class/block").to_string_lossy().into_owned();
        let failed = |error| Error::named(Op::Read, class(), error);
        self.found = self.look().map_err(failed)?;
        if self.early && self.announce_missing() {
            self.found = self.look().map_err(failed)?;
        }
        Ok(survey::survey(&self.found))
    }

    fn open(&mut self, at: PartitionRef, access: Access) -> Result<FileMedium, Error> {
        let node = self.node(at)?;
        if access == Access::Beneath && self.mounted_at(node, Access::Exclusive).is_some() {
            let busy = io::ErrorKind::ResourceBusy.into();
            return Err(Error::named(Op::Open, "a partition that is mounted writable", busy));
        }
        if access != Access::Read
            && let Some(array) = survey::array_of(&self.roots, node)
        {
            let text = format!("it is a member of the array {array}, and is not written alone");
            return Err(Error::named(Op::Open, node.path.to_string_lossy(), io::Error::other(text)));
        }
        FileMedium::open(&node.path, access)
    }

    fn staging(&mut self, at: Option<PartitionRef>, access: Access) -> Result<DirStaging, Error> {
        let create = !access.only_reads();
        if let Some(directory) = &self.staging {
            return DirStaging::open(directory, create);
        }
        let none = || {
            Error::named(
                Op::Open,
                "staging area",
                io::Error::other("its partition was not found, or is on several disks"),
            )
        };
        let node = self.node(at.ok_or_else(none)?)?.clone();
        let point = match self.mounted_at(&node, access) {
            Some(point) => point,
            None => {
                self.close_staging();
                self.mount_staging(&node, access)?;
                self.staging_point()
            }
        };
        let opened = DirStaging::open(&point.join(STAGING_DIRECTORY), create);
        if opened.is_err() {
            self.close_staging();
        }
        opened
    }

    fn has_usual_staging(&self) -> bool {
        self.staging.is_none()
    }

    fn close_staging(&mut self) {
        if std::mem::take(&mut self.mounted) {
            let point = self.staging_point();
            if let Err(error) = unmount(&point) {
                log::warn!("unmount {}: {error}", point.display());
            }
        }
    }

    fn threads(&self) -> Threads {
        threads::threads()
    }

    fn show_progress(&mut self, done: u64, of: u64) {
        self.progress.show(done, of);
    }

    fn kernel_release(&self) -> Option<String> {
        rustix::system::uname().release().to_str().ok().map(str::to_owned)
    }

    fn wall_clock(&self) -> WallClock {
        clock::wall_clock()
    }

    fn boot_id(&self) -> Option<Uuid> {
        boot_id::boot_id(&self.roots)
    }

    /// By the mount table, which knows of a soft reboot into another root; by the fact of the boot where `/` is on no
    /// partition, as under an overlay.
    fn root_partition(&self) -> Option<Uuid> {
        let looked;
        let found = if self.found.is_empty() {
            looked = self.look().unwrap_or_default();
            &looked
        } else {
            &self.found
        };
        let guid = |at: PartitionRef| Some(found.get(at.disk)?.disk.parts.get(at.part)?.guid);
        let fact = || boot_facts::read_fact(&self.roots, boot_facts::ROOT_FACT).ok()?;
        self.mounted_root(found).and_then(guid).or_else(|| Uuid::parse(fact()?.trim()).ok())
    }

    fn root_disk(&self) -> Option<usize> {
        Some(self.mounted_root(&self.found)?.disk)
    }
}

impl Drop for LinuxMachine {
    fn drop(&mut self) {
        self.close_staging();
    }
}
