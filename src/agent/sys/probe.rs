//! Whether a disk answers. One that is not this machine's may be dying: a read of it can take minutes, and nothing ends
//! a process that waits in the kernel for such a read.
//!
//! So another process reads first, and is left alone when it does not come back. It has to be a process: the hand-off
//! runs another program in this one, for which the kernel waits until every thread of it has ended.
#![expect(unsafe_code, reason = "what a child of fork(2) may do")]

use super::{clock, fork};
use nix::libc;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Milliseconds in which a disk has to answer.
pub(super) const DEADLINE: u64 = 3000;
/// Pause between two looks, in milliseconds.
const LOOK_EVERY: u64 = 2;
/// Bytes that are read at each end of a disk: a partition table and its backup.
const READ: usize = 32 << 10;

/// The disks that were asked, in this process.
static ASKED: Mutex<Vec<Probe>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Probe {
    disk: PathBuf,
    /// The process that reads; absent once it has ended.
    reader: Option<libc::pid_t>,
}

fn asked() -> MutexGuard<'static, Vec<Probe>> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks those disks that were not asked yet, all at once, and waits for them so many milliseconds. One that did not
/// answer before is not waited for again, and answers once its reader has come back.
pub(super) fn ask(disks: &[PathBuf], deadline: u64) {
    let mut asked = asked();
    let known = asked.len();
    for disk in disks {
        if !asked.iter().any(|probe| probe.disk == *disk) {
            asked.push(Probe { disk: disk.clone(), reader: start(disk) });
        }
    }
    let end = clock::monotonic_ms() + deadline;
    while asked[known..].iter_mut().any(|probe| !probe.has_answered()) && clock::monotonic_ms() < end {
        std::thread::sleep(Duration::from_millis(LOOK_EVERY));
    }
}

/// Whether a disk that was asked has answered; an error is an answer.
pub(super) fn answers(disk: &Path) -> bool {
    asked().iter_mut().find(|probe| probe.disk == disk).is_none_or(Probe::has_answered)
}

impl Probe {
    fn has_answered(&mut self) -> bool {
        self.reader = self.reader.filter(|reader| !fork::has_ended(*reader));
        self.reader.is_none()
    }
}

/// Starts a process that reads both ends of a disk; what it reads stays in the kernel's memory for this one.
fn start(disk: &Path) -> Option<libc::pid_t> {
    // All memory is allocated before the fork.
    let path = CString::new(disk.as_os_str().as_bytes()).ok()?;
    let mut buffer = vec![0_u8; READ];
    let mut read = || {
        // SAFETY: system calls on a text and a buffer that live; what fails is an answer. Nothing of the parent may
        // stay open here: neither its lock nor the pipe to whoever reads its output.
        unsafe {
            (0..1024).for_each(|descriptor| _ = libc::close(descriptor));
            let disk = libc::open(path.as_ptr(), libc::O_RDONLY);
            let end = libc::lseek(disk, 0, libc::SEEK_END);
            for at in [0, end - READ as libc::off_t] {
                libc::pread(disk, buffer.as_mut_ptr().cast(), READ, at.max(0));
            }
            libc::_exit(0);
        }
    };
    fork::start(&mut read).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;
    use nix::sys::stat::Mode;

    #[test]
    fn a_disk_that_does_not_answer_is_waited_for_once() {
        let temp_dir = TempDir::new("probe");
        let file = temp_dir.file("sda", b"a disk");
        let stuck = temp_dir.path().join("sdb");
        nix::unistd::mkfifo(&stuck, Mode::S_IRWXU).unwrap();
        let disks = [file.clone(), stuck.clone(), temp_dir.path().join("none")];
        let begun = clock::monotonic_ms();
        ask(&disks, DEADLINE);
        assert!((DEADLINE..DEADLINE + 2000).contains(&(clock::monotonic_ms() - begun)));
        assert_eq!([0, 1, 2].map(|disk| answers(&disks[disk])), [true, false, true]);
        let begun = clock::monotonic_ms();
        ask(&disks, DEADLINE);
        assert!(clock::monotonic_ms() - begun < DEADLINE);
        assert!(!answers(&stuck));
        // It answers after all.
        drop(std::fs::File::options().write(true).open(&stuck).unwrap());
        while !answers(&stuck) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
