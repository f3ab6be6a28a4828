//! A virtual machine's virtio disk, on a raw image file, whole or with a fault.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

/// One disk.
#[derive(Clone)]
pub enum Drive {
    /// What the virtual machine writes stays in the file.
    Raw(PathBuf),
    /// What the virtual machine writes is forgotten; virtual machines may share the file.
    Snapshot(PathBuf),
    /// QEMU stops (event `STOP`) instead of carrying out the Nth write, counted from 1: the
    /// file holds all earlier writes and nothing later. Kill the virtual machine then, or let it carry on.
    StopAtWrite(PathBuf, u32),
    /// The Nth write, or the next behind it that is of data, fails once with EIO; all others are carried out. A request
    /// for zeroes that fails is made again as data, by the virtual machine's kernel or by everboot.
    FailWrite(PathBuf, u32),
    /// The same of a read.
    FailRead(PathBuf, u32),
    /// The Nth write fails with EIO, and so does every later one. It still reads.
    FailWritesFrom(PathBuf, u32),
    /// From the Nth write on every request fails with EIO.
    DieAtWrite(PathBuf, u32),
    /// What the virtual machine writes stays in the first file; the second one, made anew, gets QEMU's log of writes,
    /// discards and flushes (`blklogwrites`).
    Logged(PathBuf, PathBuf),
}

/// What QEMU calls the place where a disk is plugged in.
pub(super) fn slot(index: usize) -> String {
    format!("slot{index}")
}

/// What QEMU calls the disk itself.
pub(super) fn node(index: usize) -> String {
    format!("disk{index}")
}

impl Drive {
    /// Adds QEMU's words for it.
    pub(super) fn arguments(&self, qemu: &mut Command, index: usize, work: &Path) -> Result<()> {
        let (path, fault) = match self {
            Drive::Raw(path) => (path, None),
            Drive::Snapshot(path) => {
                let drive = format!("file={},format=raw,if=virtio,snapshot=on", path.display());
                qemu.arg("-drive").arg(drive);
                return Ok(());
            }
            Drive::Logged(path, log) => return logged(qemu, index, path, log),
            Drive::StopAtWrite(path, nth) => (path, Some((fail_nth(WRITE, *nth, WRITE, ONCE), "stop"))),
            Drive::FailWrite(path, nth) => (path, Some((fail_nth(WRITE, *nth, DATA, ONCE), "report"))),
            Drive::FailRead(path, nth) => (path, Some((fail_nth(READ, *nth, READ, ONCE), "report"))),
            Drive::FailWritesFrom(path, nth) => {
                (path, Some((fail_nth(WRITE, *nth, WRITE, ALL_WRITES), "report")))
            }
            Drive::DieAtWrite(path, nth) => (path, Some((fail_nth(WRITE, *nth, WRITE, ALL), "report"))),
        };
        let file = format!("driver=file,filename={},node-name=file{index}", path.display());
        qemu.arg("-blockdev").arg(file);
        let Some((text, on_error)) = fault else {
            qemu.arg("-blockdev").arg(format!("driver=raw,node-name={},file=file{index}", node(index)));
            qemu.arg("-device").arg(device(index));
            return Ok(());
        };
        let rules = work.join(format!("drive{index}.blkdebug"));
        fs::write(&rules, text)?;
        let debug =
            format!("driver=blkdebug,node-name=fault{index},image=file{index},config={}", rules.display());
        qemu.arg("-blockdev").arg(debug);
        // The raw driver on top is the one that reports reads and writes to blkdebug.
        qemu.arg("-blockdev").arg(format!("driver=raw,node-name={},file=fault{index}", node(index)));
        qemu.arg("-device").arg(format!("{},werror={on_error}", device(index)));
        Ok(())
    }
}

/// A request may consist of 1022 pages and not of 254 only: whether 1 MiB of a virtual machine's memory is more pages
/// than that changes from boot to boot, and with it the number of writes.
fn device(index: usize) -> String {
    format!("virtio-blk-pci,queue-size=1024,drive={},id={}", node(index), slot(index))
}

/// No discard reaches the log unless both nodes pass them on.
fn logged(qemu: &mut Command, index: usize, path: &Path, log: &Path) -> Result<()> {
    File::create(log)?;
    let nodes = [
        format!("driver=file,filename={},node-name=file{index},discard=unmap", path.display()),
        format!("driver=file,filename={},node-name=log{index}", log.display()),
        format!(
            "driver=blklogwrites,node-name={},file=file{index},log=log{index},log-sector-size=512,discard=unmap",
            node(index)
        ),
    ];
    for node in nodes {
        qemu.arg("-blockdev").arg(node);
    }
    qemu.arg("-device").arg(device(index));
    Ok(())
}

/// What fails: the request that it is; and all later ones of some kinds, for a rule stays in force.
const ONCE: &[&str] = &["once = \"on\""];
const ALL_WRITES: &[&str] = &["iotype = \"write\"", "iotype = \"write-zeroes\""];
const ALL: &[&str] = &["once = \"off\""];

/// What blkdebug calls requests of a kind. A request for zeroes is a write.
const READ: &[&str] = &["read_aio"];
const DATA: &[&str] = &["write_aio"];
const WRITE: &[&str] = &["write_aio", "pwritev_zero"];

/// blkdebug's rules: each request of the kinds `events` moves one state on. From the Nth on the first of the kinds
/// `failing` fails, and moves one state on, too, else one of another kind would fail as well.
fn fail_nth(events: &[&str], nth: u32, failing: &[&str], what: &[&str]) -> String {
    let mut rules = String::new();
    for event in events {
        let can_fail = failing.contains(event);
        let last = if can_fail { nth } else { nth - 1 };
        for state in 1..=last {
            let next = state + 1;
            let _ = write!(
                rules,
                "[set-state]\nstate = \"{state}\"\nevent = \"{event}\"\nnew_state = \"{next}\"\n\n"
            );
        }
        for what in what.iter().filter(|_| can_fail) {
            let _ = write!(
                rules,
                "[inject-error]\nstate = \"{nth}\"\nevent = \"{event}\"\nerrno = \"5\"\n{what}\n\n"
            );
        }
    }
    rules
}
