//! A machine that is a disk image in a file, with the staging area as a directory beside it: every verb
//! without root, for tests, the crash campaign and newcomers.
//!
//! Deliberately absent: file systems. A root counts as entered when its device can be read.

use super::file_medium::FileMedium;
use super::lock::{Lock, LockError};
use super::progress::Progress;
use super::staging::DirStaging;
use super::table::{self, Extent};
use super::{clock, threads};
use crate::machine::{Access, Machine, PartitionRef, Root, RootError, Survey};
use everboot_core::slot::Uuid;
use everboot_core::wall_clock::WallClock;
use everboot_storage::medium::{Error, Medium, Op};
use everboot_storage::worker_pool::Threads;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A disk image under the hands of one process.
#[derive(Debug)]
pub struct DiskFileMachine {
    path: PathBuf,
    staging: PathBuf,
    extents: Vec<Extent>,
    progress: Progress,
    _lock: Option<Lock>,
}

impl DiskFileMachine {
    /// Takes the image at `path`, and locks it against a second process until it is dropped. The staging
    /// area is `staging`, by default `path` with `.staging` appended; it is made when it is first written.
    pub fn open(path: &Path, staging: Option<PathBuf>) -> Result<Self, LockError> {
        let lock = Lock::of_file(path)?;
        Ok(Self { _lock: Some(lock), ..Self::look(path, staging) })
    }

    /// The same without the lock, for those who only look: what they see may be changing.
    pub fn look(path: &Path, staging: Option<PathBuf>) -> Self {
        let beside = || {
            let mut name = path.as_os_str().to_owned();
            name.push(".staging");
            name.into()
        };
        let staging = staging.unwrap_or_else(beside);
        let (extents, progress) = (Vec::new(), Progress::new());
        Self { path: path.to_owned(), staging, extents, progress, _lock: None }
    }

    fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

impl Machine for DiskFileMachine {
    type Disk = FileMedium;
    type Staging = DirStaging;

    fn survey(&mut self) -> Result<Survey, Error> {
        let name = self.name();
        let failed = |error: io::Error| Error::named(Op::Open, &*name, error);
        let file = File::open(&self.path).map_err(failed)?;
        let found = table::read(&file, &name, None).map_err(failed)?;
        let none = || failed(io::Error::other("it has no GUID partition table"));
        let (disk, extents) = found.ok_or_else(none)?;
        self.extents = extents;
        Ok(Survey { disks: vec![disk] })
    }

    fn open(&mut self, at: PartitionRef, access: Access) -> Result<FileMedium, Error> {
        let unknown = || Error::named(Op::Open, self.name(), io::ErrorKind::NotFound.into());
        let extent = self.extents.get(at.part).filter(|_| at.disk == 0).ok_or_else(unknown)?;
        FileMedium::open_range(&self.path, access, extent.start, extent.len)
    }

    fn staging(&mut self, _: Option<PartitionRef>, access: Access) -> Result<DirStaging, Error> {
        DirStaging::open(&self.staging, !access.only_reads())
    }

    fn close_staging(&mut self) {}

    fn threads(&self) -> Threads {
        threads::threads()
    }

    fn show_progress(&mut self, done: u64, of: u64) {
        self.progress.show(done, of);
    }

    fn kernel_release(&self) -> Option<String> {
        None
    }

    fn wall_clock(&self) -> WallClock {
        clock::wall_clock()
    }

    /// The boot that runs here is none of the machine whose disk this is.
    fn boot_id(&self) -> Option<Uuid> {
        None
    }

    fn root_partition(&self) -> Option<Uuid> {
        None
    }

    fn root_disk(&self) -> Option<usize> {
        None
    }
}

impl DiskFileMachine {
    /// Whether the root could be entered: its device can be read.
    pub fn enter(&mut self, root: &Root) -> Result<(), RootError> {
        let opened = Machine::open(self, root.at, Access::Read);
        let read = opened.and_then(|part| part.read_at(0, &mut [0; everboot_core::slot::BLOCK]));
        read.map_err(RootError::device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;
    use everboot_storage::medium::Staging;

    fn image(temp_dir: &TempDir) -> PathBuf {
        let path = temp_dir.file("disk", &vec![0; 4 << 20]);
        let config = gpt::GptConfig::new().writable(true);
        let mut table = config.create(&path).unwrap();
        table.add_partition("slot-a", 1 << 20, gpt::partition_types::LINUX_FS, 0, None).unwrap();
        table.write().unwrap();
        path
    }

    #[test]
    fn a_partition_of_an_image_is_written_and_read_where_it_lies() {
        let temp_dir = TempDir::new("diskfile");
        let path = image(&temp_dir);
        let mut machine = DiskFileMachine::open(&path, None).unwrap();
        let survey = machine.survey().unwrap();
        let at = survey.find(|part| part.label == "slot-a")[0];
        let part = Machine::open(&mut machine, at, Access::Exclusive).unwrap();
        assert_eq!(part.len(), 1 << 20);
        part.write_at(0, b"everboot").unwrap();
        part.sync().unwrap();
        assert!(machine.enter(&Root { at, open: false, sealed: false }).is_ok());
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[machine.extents[0].start as usize..][..8], b"everboot");
        assert!(Machine::open(&mut machine, PartitionRef { disk: 0, part: 1 }, Access::Read).is_err());
    }

    #[test]
    fn the_staging_area_is_made_only_when_it_is_written() {
        let temp_dir = TempDir::new("beside");
        let path = image(&temp_dir);
        let mut machine = DiskFileMachine::open(&path, None).unwrap();
        assert_eq!(machine.staging(None, Access::Read).unwrap_err().source.kind(), io::ErrorKind::NotFound);
        assert!(!machine.staging(None, Access::Exclusive).unwrap().exists("staged.everboot").unwrap());
        assert!(path.with_file_name("disk.staging").is_dir());
    }

    #[test]
    fn a_second_process_learns_who_holds_the_image() {
        let temp_dir = TempDir::new("twice");
        let path = image(&temp_dir);
        let first = DiskFileMachine::open(&path, None).unwrap();
        let refused = DiskFileMachine::open(&path, None).unwrap_err().to_string();
        assert!(refused.contains("in use"), "{refused}");
        drop(first);
        assert!(DiskFileMachine::open(&path, None).is_ok());
    }
}
