//! A [`Staging`] over a directory: on the staging file system, or on the host beside a disk image.
//!
//! Invariant: names are single components, looked up from the open directory, and symlinks are not followed,
//! so nothing outside the directory is reached whatever is in it.

use super::file_medium::FileMedium;
use super::roots::Roots;
use everboot_storage::medium::{Error, FailedAt, Op, Staging};
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstatvfs, fsync, openat, renameat, statat, syncfs,
    unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// An open directory of staged files.
#[derive(Debug)]
pub struct DirStaging {
    dir: File,
    /// Whether we may use the blocks that the file system keeps for root.
    reserve: bool,
}

impl DirStaging {
    /// Opens the directory at `path`, making it (and not its parents) when `create` says so.
    pub fn open(path: &Path, create: bool) -> Result<Self, Error> {
        let failed = |error: Errno| Error::named(Op::Open, path.to_string_lossy(), error.into());
        if create {
            match rustix::fs::mkdirat(CWD, path, Mode::from_raw_mode(0o700)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let dir = openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
        let reserve = rustix::process::geteuid().is_root();
        let staging = Self { dir: dir.into(), reserve };
        if create {
            // The new name of the directory itself becomes durable with the file system.
            staging.sync_dir()?;
        }
        Ok(staging)
    }

    /// Where it is, for programs that write there.
    pub fn path(&self, roots: &Roots) -> io::Result<PathBuf> {
        std::fs::read_link(roots.proc.join(format!("self/fd/{}", self.dir.as_raw_fd())))
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<FileMedium, Error> {
        check(Op::Open, name)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat(&self.dir, name, flags, Mode::from_raw_mode(0o600));
        let file = file.map_err(|error| Error::named(Op::Open, name, error.into()))?;
        FileMedium::growing(file.into()).map_err(|error| Error::named(Op::Open, name, error))
    }
}

/// Refuses what is not a single component.
fn check(op: Op, name: &str) -> Result<(), Error> {
    let fits = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    let wrong = || Error::named(op, name, io::Error::other("expected a file name without a directory"));
    fits.then_some(()).ok_or_else(wrong)
}

impl Staging for DirStaging {
    type File = FileMedium;

    fn open(&self, name: &str) -> Result<FileMedium, Error> {
        self.open_file(name, OFlags::RDONLY)
    }

    fn create(&self, name: &str) -> Result<FileMedium, Error> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        check(Op::Name, from)?;
        check(Op::Name, to)?;
        renameat(&self.dir, from, &self.dir, to).map_err(|error| Error::named(Op::Name, from, error.into()))
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        check(Op::Name, name)?;
        match unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::named(Op::Name, name, error.into())),
        }
    }

    fn remove_unheld(&self, name: &str) -> Result<(), Error> {
        check(Op::Name, name)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let held = openat(&self.dir, name, flags, Mode::empty())
            .and_then(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).map(|()| file));
        // Removed while the lock is ours.
        if held.is_ok() { self.remove(name) } else { Ok(()) }
    }

    fn sync_dir(&self) -> Result<(), Error> {
        let failed = |error: Errno| Error { op: Op::Sync, place: FailedAt::Whole, source: error.into() };
        fsync(&self.dir).map_err(failed)?;
        syncfs(&self.dir).map_err(failed)
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        check(Op::Name, name)?;
        match statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(Error::named(Op::Name, name, error.into())),
        }
    }

    fn available(&self) -> Result<u64, Error> {
        let file_system = fstatvfs(&self.dir);
        let file_system = file_system.map_err(|error| Error {
            op: Op::Read,
            place: FailedAt::Whole,
            source: error.into(),
        })?;
        let blocks = if self.reserve { file_system.f_bfree } else { file_system.f_bavail };
        Ok(blocks.saturating_mul(file_system.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;
    use everboot_storage::medium::Medium;

    #[test]
    fn a_staged_file_is_written_renamed_read_and_removed() {
        let temp_dir = TempDir::new("staging");
        let staging = DirStaging::open(&temp_dir.path().join("area"), true).unwrap();
        let file = staging.create("new").unwrap();
        file.write_at(0, b"bundle").unwrap();
        file.write_at(6, &[5; 10_000]).unwrap();
        file.sync().unwrap();
        staging.rename("new", "staged").unwrap();
        staging.sync_dir().unwrap();
        assert!(staging.exists("staged").unwrap() && !staging.exists("new").unwrap());
        let file = staging.open("staged").unwrap();
        let mut head = [0; 8];
        file.read_at(0, &mut head).unwrap();
        assert_eq!((&head, file.len()), (b"bundle\x05\x05", 10_006));
        assert!(staging.available().unwrap() > 0);
        staging.remove("staged").unwrap();
        staging.remove("staged").unwrap();
        assert_eq!(staging.open("staged").unwrap_err().source.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_a_process_holds_stays() {
        let temp_dir = TempDir::new("held");
        let path = temp_dir.file("part", b"x");
        let staging = DirStaging::open(temp_dir.path(), false).unwrap();
        let part = File::open(&path).unwrap();
        part.lock().unwrap();
        staging.remove_unheld("part").unwrap();
        assert!(path.exists());
        drop(part);
        staging.remove_unheld("part").unwrap();
        assert!(!path.exists());
        staging.remove_unheld("part").unwrap();
    }

    #[test]
    fn nothing_outside_the_directory_is_reached() {
        let temp_dir = TempDir::new("outside");
        let secret = temp_dir.file("secret", b"x");
        let area = temp_dir.path().join("area");
        let staging = DirStaging::open(&area, true).unwrap();
        std::os::unix::fs::symlink(&secret, area.join("link")).unwrap();
        for name in ["../secret", "..", ".", "", "/etc/passwd", "link"] {
            assert!(staging.open(name).is_err(), "{name}");
            assert!(staging.create(name).is_err(), "{name}");
        }
        assert_eq!(std::fs::read(secret).unwrap(), b"x");
        assert!(DirStaging::open(&temp_dir.path().join("a/b"), true).is_err());
    }
}
