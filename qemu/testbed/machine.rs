//! A machine: a disk as it leaves the factory, and a virtual machine for each of its boots.
//!
//! Between boots the host's agent reads and writes the same disk image, as `everboot --disk`.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::disk::Disk;
use super::rootfs::image::as_root;
use super::vm::last_lines;
use super::{Drive, Testbed, Vm, VmOptions};
use everboot_builder::command::{describe, program, run};
use everboot_builder::paths;

/// Longest step of a virtual machine, on a busy machine without KVM.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The partitions that `initramfs/everboot.conf` implies.
pub const SLOTS: [&str; 2] = ["slot-a", "slot-b"];
/// The partition of the staging area.
pub const DATA: &str = "everboot-data";
const RECORD: &str = "everboot-record";

/// What a run of the host's agent ended with.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// What it printed, both streams.
    pub text: String,
}

/// A machine that is off; each boot is a virtual machine of its own.
pub struct Machine {
    testbed: &'static Testbed,
    /// Its disk.
    pub disk: Disk,
    /// Logs, sockets and scratch files.
    pub work: PathBuf,
    /// Its `/etc/everboot`.
    pub settings: PathBuf,
}

impl Machine {
    /// From the factory: this bundle in the first slot, good and default. `words` go to `everboot-pack disk`.
    pub fn new(testbed: &'static Testbed, story: &str, first: &Path, words: &[&str]) -> Result<Machine> {
        let configuration = fs::read_to_string(paths::repo().join("initramfs/everboot.conf"))?;
        Machine::with(testbed, story, &configuration, first, words)
    }

    /// The same with another configuration.
    pub fn with(
        testbed: &'static Testbed,
        story: &str,
        configuration: &str,
        first: &Path,
        words: &[&str],
    ) -> Result<Machine> {
        let work = paths::work(story)?;
        let (disk, settings) = (work.join("disk.img"), work.join("etc"));
        fs::create_dir_all(settings.join("keys"))?;
        fs::write(settings.join("everboot.conf"), configuration)?;
        fs::copy(&testbed.key.public, settings.join("keys/everboot.pub"))?;
        let mut pack = Command::new(testbed.tool("everboot-pack")?);
        pack.arg("disk").arg("-o").arg(&disk);
        pack.arg("--config").arg(settings.join("everboot.conf"));
        pack.arg("--pub").arg(&testbed.key.public).arg("--bundle").arg(first).args(words);
        run(&mut pack)?;
        Ok(Machine { testbed, disk: Disk::open(&disk), work, settings })
    }

    /// A machine with a copy of this disk and of these settings.
    pub fn copy_of(testbed: &'static Testbed, story: &str, disk: &Path, settings: &Path) -> Result<Machine> {
        let work = paths::work(story)?;
        let disk = Disk::open(disk).copy_to(&work.join("disk.img"))?;
        run(program("cp").args(["-rL", "--no-preserve=mode"]).arg(settings).arg(work.join("etc")))?;
        Ok(Machine { testbed, disk, settings: work.join("etc"), work })
    }

    /// What the next boot boots; a name says which boot it is.
    pub fn options(&self, name: &str) -> VmOptions {
        VmOptions::new(&self.work, name, &self.testbed.kernel, &self.testbed.initramfs)
    }

    /// Switches it on.
    pub fn start(&self, name: &str) -> Result<Vm> {
        Vm::start(&self.options(name).drive(self.drive()))
    }

    /// Switches it on, and waits until it switches itself off; what the console said.
    pub fn run(&self, name: &str) -> Result<String> {
        self.start(name)?.wait_exit(LIMIT)
    }

    /// Its disk, as it is.
    pub fn drive(&self) -> Drive {
        Drive::Raw(self.disk.path().into())
    }

    /// Runs the host's agent on the disk image.
    pub fn everboot(&self, words: &[&str]) -> Result<Answer> {
        let mut command = self.agent(words)?;
        let output = command.output().with_context(|| format!("start `{}`", describe(&command)))?;
        let text = [output.stdout, output.stderr].concat();
        let code = output.status.code().context("the agent was killed")?;
        Ok(Answer { code, text: String::from_utf8_lossy(&text).into_owned() })
    }

    /// The same, where only success is expected; what it printed.
    pub fn must(&self, words: &[&str]) -> Result<String> {
        run(&mut self.agent(words)?)
    }

    /// The host's agent on the disk image, not started yet.
    pub fn agent(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(&self.testbed.agent.everboot);
        command.arg("--disk").arg(self.disk.path()).arg("--config").arg(&self.settings);
        fs::create_dir_all(self.staging())?;
        command.arg("--staging").arg(self.staging()).args(words);
        Ok(command)
    }

    /// What the record and the slots on the disk say.
    pub fn status(&self) -> Result<Status> {
        let text = self.must(&["status", "--json"])?;
        Ok(Status(serde_json::from_str(&text).with_context(|| format!("read the status {text}"))?))
    }

    /// The host's side of the staging area.
    pub fn staging(&self) -> PathBuf {
        self.work.join("data/everboot")
    }

    /// Stages a bundle and makes it due, as the running system would: the same record, and the data
    /// partition's file system holds what [`Machine::staging`] holds.
    pub fn stage(&self, bundle: &Path) -> Result<()> {
        self.must(&["stage", &bundle.to_string_lossy()])?;
        self.must(&["activate"])?;
        self.publish_staging()
    }

    /// Brings the host's side of the staging area onto the data partition.
    pub fn publish_staging(&self) -> Result<()> {
        let image = self.work.join("data.img");
        make_ext4(&self.work.join("data"), self.disk.part(DATA)?.length, &image)?;
        self.disk.write_image(DATA, &image)
    }

    /// The names of the files in the staging area, read from the data partition's file system.
    pub fn staged_files(&self) -> Result<String> {
        let image = self.work.join("data-now.img");
        self.disk.extract(DATA, &image)?;
        run(program("debugfs").args(["-R", "ls -p /everboot"]).arg(&image))
    }

    /// Overwrites both copies of the record.
    pub fn destroy_record(&self) -> Result<()> {
        let length = self.disk.part(RECORD)?.length;
        let damage = [0xa5; 4096];
        self.disk.write(RECORD, 0, &damage)?;
        self.disk.write(RECORD, length - 4096, &damage)
    }

    /// A digest of all bytes of a slot.
    pub fn slot_digest(&self, slot: &str) -> Result<String> {
        let part = self.disk.part(slot)?;
        let file = fs::File::open(self.disk.path())?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; 1 << 20];
        for at in (0..part.length).step_by(chunk.len()) {
            let length = usize::try_from(part.length - at).unwrap_or(usize::MAX).min(chunk.len());
            file.read_exact_at(&mut chunk[..length], part.start + at)?;
            hash.update(&chunk[..length]);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// How many blocks at a slot's start equal those of an image, and how many the image has.
    pub fn equal_blocks(&self, slot: &str, image: &Path) -> Result<(u64, u64)> {
        let wanted = fs::read(image)?;
        let there = self.disk.read(slot, 0, wanted.len())?;
        let equal = wanted.chunks(4096).zip(there.chunks(4096)).filter(|(wanted, there)| wanted == there);
        Ok((equal.count() as u64, wanted.len() as u64 / 4096))
    }

    /// Fills a slot's start with bytes that are in no image.
    pub fn fill(&self, slot: &str, bytes: u64) -> Result<()> {
        let chunk: Vec<u8> =
            (0..1_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
        for at in (0..bytes).step_by(chunk.len()) {
            self.disk.write(slot, at, &chunk[..usize::try_from(bytes - at)?.min(chunk.len())])?;
        }
        Ok(())
    }
}

impl Drop for Machine {
    /// A story that fails shows what the latest boot said last.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let logs = fs::read_dir(&self.work).into_iter().flatten().flatten().map(|entry| entry.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|end| end == "log"));
        let time = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
        if let Some(log) = logs.max_by_key(time) {
            let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
            eprintln!("last lines of {}:\n{}", log.display(), last_lines(&text));
        }
    }
}

/// What `status --json` said.
#[derive(Debug)]
pub struct Status(pub Value);

impl Status {
    /// The value at a path such as `/slots/0/state`, as text; `null` where there is none.
    pub fn at(&self, path: &str) -> String {
        match self.0.pointer(path) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "null".to_owned(),
        }
    }

    /// State and version of a slot, such as `good 2`.
    pub fn slot(&self, name: &str) -> String {
        let at = SLOTS.iter().position(|slot| *slot == name).unwrap_or(usize::MAX);
        format!("{} {}", self.at(&format!("/slots/{at}/state")), self.at(&format!("/slots/{at}/version")))
    }

    /// Fails unless this slot is the default, good, and holds this version.
    pub fn expect_default(&self, slot: &str, version: &str) -> Result<()> {
        let found = (self.at("/default"), self.slot(slot));
        ensure!(
            found == (slot.to_owned(), format!("good {version}")),
            "expected default {slot}, good {version}; found default {}, {}: {}\n{}",
            found.0,
            slot,
            found.1,
            self.0
        );
        Ok(())
    }
}

/// Makes an ext4 image of a folder.
pub fn make_ext4(folder: &Path, bytes: u64, image: &Path) -> Result<()> {
    let _ = fs::remove_file(image);
    fs::File::create(image)?.set_len(bytes)?;
    let mut mke2fs = as_root(program("mke2fs"))?;
    run(mke2fs.args(["-q", "-F", "-t", "ext4", "-m", "0", "-d"]).arg(folder).arg(image)).map(drop)
}
