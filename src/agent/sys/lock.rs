//! One everboot at a time: an advisory lock (flock) that the kernel drops with the process.

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, ftruncate, openat};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

/// The lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it.
    Held {
        /// What is locked.
        path: String,
        /// Its process id, when it left one.
        pid: Option<u32>,
    },
    /// The file could not be opened or locked.
    Io {
        /// What was to be locked.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path, pid: Some(pid) } => write!(f, "{path} is in use by everboot, process {pid}"),
            Self::Held { path, pid: None } => write!(f, "{path} is in use by another process"),
            Self::Io { path, source } => write!(f, "lock {path}: {source}"),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Held { .. } => None,
        }
    }
}

impl Lock {
    /// Locks the machine with the lock file at `path`, `/run/everboot/lock`, which is made when it is not
    /// there and holds our process id. Never waits.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source: io::Error| LockError::Io { path: path.to_string_lossy().into_owned(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let lock = Self::with(path, OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW, true)?;
        // The number only helps people: that it cannot be written is no reason to stop.
        let _ = ftruncate(&lock.0, 0);
        let _ = lock.0.write_at(std::process::id().to_string().as_bytes(), 0);
        Ok(lock)
    }

    /// Locks the file at `path` itself, which is not changed.
    pub(super) fn of_file(path: &Path) -> Result<Self, LockError> {
        Self::with(path, OFlags::RDONLY, false)
    }

    fn with(path: &Path, flags: OFlags, names_holder: bool) -> Result<Self, LockError> {
        let text = || path.to_string_lossy().into_owned();
        let failed = |error: Errno| LockError::Io { path: text(), source: error.into() };
        let file = openat(CWD, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o600)).map_err(failed)?;
        let file = File::from(file);
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(Errno::AGAIN) => {
                let pid = if names_holder { holder(&file) } else { None };
                Err(LockError::Held { path: text(), pid })
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let count = file.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..count]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    #[test]
    fn the_second_is_refused_and_learns_who_was_first() {
        let temp_dir = TempDir::new("lock");
        let path = temp_dir.path().join("run/lock");
        let first = Lock::take(&path).unwrap();
        let text = Lock::take(&path).unwrap_err().to_string();
        assert!(text.ends_with(&format!("in use by everboot, process {}", std::process::id())), "{text}");
        drop(first);
        Lock::take(&path).unwrap();
    }
}
