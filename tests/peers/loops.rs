//! Loop devices with direct I/O over a file, or over a part of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use everboot_builder::command::{program, run};
use everboot_testbed::disk::Extent;

/// Bytes of a sector in the kernel's accounts, whatever the device's own are.
const SECTOR: u64 = 512;

/// A loop device, ours until it is dropped.
pub(super) struct Loop {
    /// Such as `/dev/loop0`.
    pub(super) path: PathBuf,
}

/// Bytes that went through a device since it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Traffic {
    pub(super) read: u64,
    pub(super) written: u64,
}

impl Loop {
    /// Over a file, or a part of it.
    pub(super) fn attach(file: &Path, part: Option<Extent>) -> Result<Loop> {
        let mut losetup = program("losetup");
        losetup.args(["--find", "--show", "--direct-io=on"]);
        if let Some(part) = part {
            losetup.arg(format!("--offset={}", part.start)).arg(format!("--sizelimit={}", part.length));
        }
        let path = run(losetup.arg(file)).context("make a loop device")?;
        Ok(Loop { path: path.trim().into() })
    }

    /// What went through it.
    pub(super) fn traffic(&self) -> Result<Traffic> {
        let name = self.path.file_name().context("a device has a name")?.to_string_lossy();
        let path = format!("/sys/block/{name}/stat");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        parse(&text).with_context(|| format!("{path}: found `{text}`"))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if let Err(error) = run(program("losetup").arg("--detach").arg(&self.path)) {
            eprintln!("tests/bench: {error:#}");
        }
    }
}

/// The third and the seventh number are sectors read and written.
fn parse(stat: &str) -> Option<Traffic> {
    let numbers: Vec<u64> = stat.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    Some(Traffic { read: numbers.get(2)? * SECTOR, written: numbers.get(6)? * SECTOR })
}

/// Detaches what a run that was interrupted left on files of this folder.
pub(super) fn detach_all(folder: &Path) -> Result<()> {
    let list =
        run(program("losetup").args(["--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"]))?;
    let folder = folder.to_string_lossy();
    for (name, file) in list.lines().filter_map(|line| line.split_once(' ')) {
        if file.starts_with(&*folder) {
            run(program("losetup").args(["--detach", name]))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Traffic, parse};

    #[test]
    fn sectors_become_bytes() {
        let stat = "     103        0     2048       12      400      100    16384       90  0  0  0";
        assert_eq!(parse(stat), Some(Traffic { read: 1 << 20, written: 8 << 20 }));
        assert_eq!(parse("1 2 3"), None);
    }
}
