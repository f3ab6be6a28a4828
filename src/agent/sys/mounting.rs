//! Mounting and unmounting, once in the binary for all kinds of arguments.
//!
//! Failures are the standard library's errors: printing nix's own would add a second table of error texts to the
//! binary.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};
use std::io;
use std::path::Path;

/// Mounts `source` at `target`, mount(2).
pub(super) fn mount(
    source: &Path,
    target: &Path,
    driver: &str,
    flags: MsFlags,
    options: Option<&str>,
) -> io::Result<()> {
    Ok(nix::mount::mount(Some(source), target, Some(driver), flags, options)?)
}

/// The error of a mount, for people: the C library of a static program has no words for the one that matters most.
pub(super) fn in_words(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(nix::libc::EUCLEAN) => io::Error::other("the file system is damaged: structure needs cleaning"),
        _ => error,
    }
}

/// Moves the mount at `from` to the directory `to`.
pub(super) fn move_mount(from: &Path, to: &Path) -> io::Result<()> {
    mount(from, to, "", MsFlags::MS_MOVE, None)
}

/// Unmounts `target`. When something in it is still open it is detached, and goes with its last user.
pub(super) fn unmount(target: &Path) -> io::Result<()> {
    Ok(match nix::mount::umount2(target, MntFlags::empty()) {
        Err(Errno::EBUSY) => nix::mount::umount2(target, MntFlags::MNT_DETACH),
        result => result,
    }?)
}
