//! Whether a root has an init that can be run, found out without running it.
//!
//! Every path is resolved inside the root, so an absolute symlink means what it will mean to the booted system. That is
//! done name by name: openat2 with RESOLVE_IN_ROOT would do it in one call, and Linux before 5.6 does not have it.
//! Nobody changes the root meanwhile: it was mounted a moment ago, for this process.
//!
//! Invariant: [`NoInit`] speaks of the image alone. A device that does not read, or memory that is short, is
//! [`Device`].

use crate::machine::RootError;
use everboot_core::slot::RootFault::{Device, NoInit};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::{Errno, pread};
use std::fs::File;
use std::path::Path;

/// Where the init of a system is: the kernel's list (init/main.c), and systemd's own place. `/bin/sh` is left
/// out: a machine that came up with a shell that nobody sits at did not come up.
const USUAL: [&str; 4] = ["/sbin/init", "/usr/lib/systemd/systemd", "/etc/init", "/bin/init"];

/// What the hand-off moves into the new root.
pub(super) const MOVED: [&str; 4] = ["dev", "proc", "sys", "run"];

/// `e_machine` values that the processor runs (<linux/elf-em.h>); empty is not known.
const MACHINES: &[u16] = if cfg!(target_arch = "x86_64") {
    &[62, 3]
} else if cfg!(target_arch = "aarch64") {
    &[183, 40]
} else {
    &[]
};

/// A root directory that is looked into.
pub(super) struct NewRoot(File);

impl NewRoot {
    /// The root at `path`.
    pub(super) fn at(path: &Path) -> Result<Self, RootError> {
        let failed = |error| RootError::device(format!("{}: {error}", path.display()));
        File::open(path).map(Self).map_err(failed)
    }

    /// The path of the init to be run: `asked` when it can be run, else the usual one. An asked one that
    /// cannot be run is a warning, since it says nothing about the root. When none can be run, and the device failed
    /// while one of them was looked at, the device is to blame.
    pub(super) fn init(&self, asked: Option<&str>) -> Result<String, RootError> {
        let mut failure = None;
        let mut blame = |error: RootError| {
            if failure.is_none() || error.fault == Device {
                failure = Some(error);
            }
        };
        if let Some(path) = asked {
            match self.check(path) {
                Ok(()) => return Ok(path.to_owned()),
                Err(error) => {
                    log::warn!("init={path} is ignored: {error}");
                    if error.fault == Device {
                        blame(error);
                    }
                }
            }
        }
        for path in USUAL {
            match self.check(path) {
                Ok(()) => return Ok(path.to_owned()),
                Err(error) => blame(error),
            }
        }
        Err(failure.unwrap_or_else(|| RootError::new(NoInit, "")))
    }

    /// Whether the directories are there that the hand-off needs.
    pub(super) fn check_directories(&self) -> Result<(), RootError> {
        for name in MOVED {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(&self.0, name, flags, Mode::empty())
                .map_err(|error| failed(error, &format!("expected a directory /{name}, found")))?;
        }
        Ok(())
    }

    /// Whether the file is there that systemd's switch-root asks for, os-release(5), whose absence it learns when
    /// there is no way back.
    pub(super) fn check_os_release(&self) -> Result<(), RootError> {
        let found = self.open("/etc/os-release", OFlags::PATH);
        let found = found.or_else(|_| self.open("/usr/lib/os-release", OFlags::PATH));
        found
            .map(drop)
            .map_err(|error| failed(error, "expected /etc/os-release or /usr/lib/os-release, found"))
    }

    /// Whether `path` is a program that can be run, with its interpreter if it has one.
    fn check(&self, path: &str) -> Result<(), RootError> {
        let head = self.executable("", path)?;
        let interpreter = match head.strip_prefix(b"#!") {
            Some(line) => {
                let none = || RootError::new(NoInit, format!("{path}: a script of no interpreter"));
                Some(script_interpreter(line).ok_or_else(none)?)
            }
            None => elf_interpreter(&head).map_err(|why| RootError::new(NoInit, format!("{path}: {why}")))?,
        };
        let Some(interpreter) = interpreter else { return Ok(()) };
        self.executable(&format!("interpreter of {path}: "), &interpreter).map(drop)
    }

    /// The first bytes of an executable file; `role` stands before its path in what is said of it.
    fn executable(&self, role: &str, path: &str) -> Result<Vec<u8>, RootError> {
        let what = format!("{role}{path}");
        let failed = |error: Errno| failed(error, &what);
        let stat = fstat(self.open(path, OFlags::PATH).map_err(failed)?).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_mode & 0o111 == 0 {
            let mode = stat.st_mode;
            let text = format!("{what}: expected an executable file, found mode {mode:o}");
            return Err(RootError::new(NoInit, text));
        }
        let file = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(failed)?;
        let mut head = vec![0; 4096];
        let count = pread(&file, &mut head[..], 0).map_err(failed)?;
        head.truncate(count);
        Ok(head)
    }

    /// Opens `path` as a process whose root this is would do it.
    fn open(&self, path: &str, flags: OFlags) -> Result<File, Errno> {
        let here = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The folders on the way, the root apart; and the names that are left, the next one last.
        let (mut above, mut left) = (Vec::<File>::new(), names(path));
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                above.pop();
                continue;
            }
            let folder = above.last().unwrap_or(&self.0);
            let stat = statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = readlinkat(folder, &*name, Vec::new())?;
                let target = target.to_str().map_err(|_| Errno::NOENT)?;
                if target.starts_with('/') {
                    above.clear();
                }
                left.extend(names(target));
            } else if left.is_empty() {
                return openat(folder, &*name, flags | here, Mode::empty()).map(File::from);
            } else {
                let next = openat(folder, &*name, OFlags::PATH | OFlags::DIRECTORY | here, Mode::empty())?;
                above.push(next.into());
            }
        }
        // It is a folder, which is no program.
        Err(Errno::ISDIR)
    }
}

/// The most symlinks on a way, as the kernel has it.
const MOST_LINKS: u32 = 40;

/// The names of a path, the first one last.
fn names(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|name| !name.is_empty() && *name != ".").map(str::to_owned).collect()
}

/// What it means that `what` cannot be looked at: these errors tell what the image is like, all others that
/// it could not be seen.
fn failed(error: Errno, what: &str) -> RootError {
    let fault = match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ACCESS | Errno::INVAL => {
            NoInit
        }
        Errno::ISDIR => NoInit,
        // What file systems say of damage that they found (EFSCORRUPTED, EFSBADCRC).
        Errno::UCLEAN | Errno::BADMSG => NoInit,
        _ => Device,
    };
    RootError::new(fault, format!("{what}: {error}"))
}

fn script_interpreter(line: &[u8]) -> Option<String> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let word = str::from_utf8(line).ok()?.split_ascii_whitespace().next()?;
    Some(word.to_owned())
}

/// The dynamic loader that the program asks for (elf(5), PT_INTERP); `None` when it is static, or when that
/// does not stand in its first page.
fn elf_interpreter(head: &[u8]) -> Result<Option<String>, String> {
    const PT_INTERP: u64 = 3;
    if !head.starts_with(b"\x7fELF") {
        return Err("expected an ELF program or a script, found neither".to_owned());
    }
    let wide = head.get(4) == Some(&2);
    let little = head.get(5) == Some(&1);
    if !little {
        return Ok(None);
    }
    let machine = number(head, 18, 2).unwrap_or(0);
    if !MACHINES.is_empty() && !MACHINES.iter().any(|known| u64::from(*known) == machine) {
        return Err(format!("expected a program for this processor, found ELF machine {machine}"));
    }
    // Places of e_phoff, e_phentsize and e_phnum, and of p_offset and p_filesz in an entry.
    let (word, table, size, count, offset, len) =
        if wide { (8, 32, 54, 56, 8, 32) } else { (4, 28, 42, 44, 4, 16) };
    let find = || {
        let (start, step) = (number(head, table, word)? as usize, number(head, size, 2)? as usize);
        let entries = (0..number(head, count, 2)? as usize).map(|at| start.saturating_add(at * step));
        let entry = entries.into_iter().find(|at| number(head, *at, 4) == Some(PT_INTERP))?;
        let (from, len) =
            (number(head, entry + offset, word)? as usize, number(head, entry + len, word)? as usize);
        let path = head.get(from..from.checked_add(len)?)?;
        str::from_utf8(path).ok().map(|path| path.trim_end_matches('\0').to_owned())
    };
    Ok(find())
}

/// A little-endian number of `len` bytes.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
#[path = "init_check_tests.rs"]
mod tests;
