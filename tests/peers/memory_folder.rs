//! The folder in memory in which all that is measured lies. It goes when it is dropped, with the loop devices and
//! mounts on it; and what an interrupted run left goes when the next one begins.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::loops;
use everboot_builder::command::{program, run};
use everboot_builder::paths;

const FOLDER: &str = "/dev/shm/everboot-bench";
/// What the largest workload takes: target, image, and each peer's own form of it.
const NEEDED_MIB: u64 = 7 << 10;

pub(super) struct MemoryFolder {
    /// The folder.
    pub(super) path: PathBuf,
    _only_one: File,
}

impl MemoryFolder {
    pub(super) fn open() -> Result<MemoryFolder> {
        let _only_one = paths::lock("bench")?;
        let path = PathBuf::from(FOLDER);
        clean(&path)?;
        fs::create_dir_all(&path).with_context(|| format!("create {FOLDER}"))?;
        let room = rustix::fs::statvfs(&path)?;
        let found = (room.f_bavail * room.f_frsize) >> 20;
        ensure!(found >= NEEDED_MIB, "{FOLDER}: expected room for {NEEDED_MIB} MiB in memory, found {found}");
        Ok(MemoryFolder { path, _only_one })
    }

    /// An empty folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        paths::remove_tree(&path)?;
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        if let Err(error) = clean(&self.path) {
            eprintln!("tests/bench: {error:#}; what is left is in {FOLDER}");
        }
    }
}

fn clean(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/mounts").context("read /proc/mounts")?;
    let points = mounts.lines().filter_map(|line| line.split_whitespace().nth(1));
    // The innermost first.
    for point in points.filter(|point| Path::new(point).starts_with(folder)).collect::<Vec<_>>().iter().rev()
    {
        run(program("umount").arg(point))?;
    }
    loops::detach_all(folder)?;
    paths::remove_tree(folder)
}
