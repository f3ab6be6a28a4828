//! The release agent as a process, with a disk image in a file as its disk.

use super::disk::pages_of;
use super::staging::{Staged, lay_out};
use anyhow::{Context, Result, ensure};
use everboot_builder::agent::Agent;
use everboot_builder::command::wait_within;
use everboot_kit::sim::pages::{PAGE, Pages};
use everboot_testbed::disk::Extent;
use rustix::fs::{SeekFrom, seek};
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// An agent that does not end is killed then.
const LIMIT: Duration = Duration::from_secs(120);
/// Pages that are read at once: few enough for a processor's cache.
const AT_ONCE: usize = 16;

/// What a run ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Its exit code; none when it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub output: String,
    /// What it complained of.
    pub errors: String,
}

/// A working copy of a disk, and the agent on it.
#[derive(Debug)]
pub struct WorkingCopy {
    agent: Agent,
    settings: PathBuf,
    disk: PathBuf,
    staging: PathBuf,
    file: File,
    /// What is in the file; the data partition is a hole in it, for the agent finds the staging area elsewhere.
    held: Pages,
    data: Extent,
    /// Runs of the agent.
    pub runs: u64,
}

impl WorkingCopy {
    /// A working copy in a folder of its own, for disks of this size with this data partition.
    pub fn new(folder: &Path, agent: &Agent, settings: &Path, len: usize, data: Extent) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let disk = folder.join("disk.img");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&disk)?;
        file.set_len(len as u64)?;
        Ok(Self {
            agent: agent.clone(),
            settings: settings.into(),
            staging: folder.join("staging"),
            disk,
            file,
            held: Pages::zeroed(len),
            data,
            runs: 0,
        })
    }

    /// Makes the disk and the staging area so.
    pub fn put(&mut self, disk: &Pages, staged: &Staged) -> Result<()> {
        for page in self.seen().into_iter().flatten() {
            if !self.held.equal_in(disk, page..page + 1) {
                self.file.write_all_at(disk.page(page), (page * PAGE) as u64)?;
            }
        }
        self.held = disk.clone();
        lay_out(staged, &self.staging)
    }

    /// The pages before and behind the data partition.
    fn seen(&self) -> [Range<usize>; 2] {
        let data = pages_of(self.data);
        [0..data.start, data.end..self.held.count()]
    }

    /// Runs the agent.
    pub fn run(&mut self, words: &[&str]) -> Result<Ending> {
        self.runs += 1;
        // As on a machine: one program boots it, the other one is in the system.
        let program = if words == ["boot"] { &self.agent.init } else { &self.agent.everboot };
        let mut command = Command::new(program);
        command.arg("--disk").arg(&self.disk).arg("--config").arg(&self.settings);
        command.arg("--staging").arg(&self.staging).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start the agent")?;
        // What it says has room in a pipe.
        wait_within(&mut child, LIMIT)?;
        let output = child.wait_with_output().context("read what the agent says")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ending { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) })
    }

    /// What is on the disk now.
    pub fn look(&mut self) -> Result<Pages> {
        let found =
            seek(&self.file, SeekFrom::Data(self.data.start)).context("look for data in the disk image")?;
        ensure!(
            found >= self.data.start + self.data.length,
            "the agent wrote byte {found}, in the data partition"
        );
        let mut buffer = vec![0; AT_ONCE * PAGE];
        for range in self.seen() {
            for first in range.clone().step_by(AT_ONCE) {
                self.look_at(first..range.end.min(first + AT_ONCE), &mut buffer)?;
            }
        }
        Ok(self.held.clone())
    }

    /// Looks at some of the pages.
    fn look_at(&mut self, range: Range<usize>, buffer: &mut [u8]) -> Result<()> {
        let bytes = &mut buffer[..range.len() * PAGE];
        self.file.read_exact_at(bytes, (range.start * PAGE) as u64)?;
        for (number, page) in range.zip(bytes.chunks_exact(PAGE)) {
            if self.held.page(number) != page {
                self.held.write(number * PAGE, page);
            }
        }
        Ok(())
    }
}
