//! A disk in memory behind two loop devices: the whole of it for everboot, and the slot that is written for
//! everybody else. What is done to it between runs goes past the devices, which count none of it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate};

use super::loops::{Loop, Traffic};
use super::memory_folder::MemoryFolder;
use everboot_builder::paths;
use everboot_testbed::disk::{Disk, Extent};
use everboot_testbed::{Machine, Testbed, system};

const MIB: usize = 1 << 20;
const BLOCK: usize = 4096;
const RECORD: &str = "everboot-record";
const SLOT: &str = "slot-b";

pub(super) struct TestDisk {
    agent: PathBuf,
    machine: Machine,
    disk: Disk,
    whole: Loop,
    /// The slot that is written.
    pub(super) slot: Loop,
    extent: Extent,
    /// In memory.
    pub(super) folder: PathBuf,
}

impl Drop for TestDisk {
    /// Gives the memory back; what cannot be removed goes with the folder in memory.
    fn drop(&mut self) {
        let _ = paths::remove_tree(&self.folder);
    }
}

impl TestDisk {
    /// A machine whose slots take an image of so many MiB.
    pub(super) fn new(
        testbed: &'static Testbed,
        memory_folder: &MemoryFolder,
        name: &str,
        mebibytes: u64,
    ) -> Result<TestDisk> {
        let folder = memory_folder.folder(name)?;
        let first = system::pack(testbed, &system::mini(testbed, "1", "poweroff -f"), &[])?;
        let slot = (mebibytes + mebibytes / 50 + 2).max(32).to_string();
        let words = ["--slot-size", &slot, "--data-size", "32"];
        let machine = Machine::new(testbed, &format!("bench-{name}"), &first, &words)?;
        let disk = machine.disk.copy_to(&folder.join("disk.img"))?;
        fs::remove_file(machine.disk.path())?;
        let extent = disk.part(SLOT)?;
        let whole = Loop::attach(disk.path(), None)?;
        let slot = Loop::attach(disk.path(), Some(extent))?;
        Ok(TestDisk { agent: testbed.agent.everboot.clone(), machine, disk, whole, slot, extent, folder })
    }

    /// The agent on this disk.
    pub(super) fn agent(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.agent);
        command.arg("--disk").arg(&self.whole.path).arg("--config").arg(&self.machine.settings);
        command.arg("--staging").arg(self.staging()).args(words);
        command
    }

    /// Where bundles are staged.
    pub(super) fn staging(&self) -> PathBuf {
        self.folder.join("staging")
    }

    /// The boot record as it is.
    pub(super) fn record(&self) -> Result<Vec<u8>> {
        self.disk.read(RECORD, 0, usize::try_from(self.disk.part(RECORD)?.length)?)
    }

    /// Puts it back.
    pub(super) fn set_record(&self, record: &[u8]) -> Result<()> {
        self.disk.write(RECORD, 0, record)
    }

    /// Fills the slot with random bytes, other ones each time.
    pub(super) fn fill_with_random(&self) -> Result<()> {
        let (mut random, target) = (File::open("/dev/urandom")?, self.writable()?);
        let mut chunk = vec![0; 4 * MIB];
        for at in (0..self.extent.length).step_by(chunk.len()) {
            let count = usize::try_from(self.extent.length - at)?.min(chunk.len());
            random.read_exact(&mut chunk[..count])?;
            target.write_all_at(&chunk[..count], self.extent.start + at)?;
        }
        Ok(())
    }

    /// Makes a hole of the slot.
    pub(super) fn empty(&self) -> Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(self.writable()?, hole, self.extent.start, self.extent.length)?)
    }

    fn writable(&self) -> Result<File> {
        let path = self.disk.path();
        File::options().write(true).open(path).with_context(|| format!("open {}", path.display()))
    }

    /// How many blocks of the slot's start differ from those of an image.
    pub(super) fn differing_blocks(&self, image: &Path) -> Result<u64> {
        let (wanted, there) = (File::open(image)?, File::open(self.disk.path())?);
        let (mut one, mut other) = (vec![0; MIB], vec![0; MIB]);
        let (mut differing, len) = (0, wanted.metadata()?.len());
        for at in (0..len).step_by(MIB) {
            let count = usize::try_from(len - at)?.min(MIB);
            wanted.read_exact_at(&mut one[..count], at)?;
            there.read_exact_at(&mut other[..count], self.extent.start + at)?;
            if one[..count] != other[..count] {
                let blocks = one[..count].chunks(BLOCK).zip(other[..count].chunks(BLOCK));
                differing += blocks.filter(|(one, other)| one != other).count() as u64;
            }
        }
        Ok(differing)
    }

    /// What went through both devices.
    pub(super) fn traffic(&self) -> Result<Traffic> {
        let (whole, slot) = (self.whole.traffic()?, self.slot.traffic()?);
        Ok(Traffic { read: whole.read + slot.read, written: whole.written + slot.written })
    }
}
