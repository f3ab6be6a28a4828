//! Mounting and unmounting, once in the binary for all kinds of arguments.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};
use std::path::Path;

/// Mounts `source` at `target`, mount(2).
pub(super) fn mount(
    source: &Path,
    target: &Path,
    driver: &str,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<(), Errno> {
    nix::mount::mount(Some(source), target, Some(driver), flags, options)
}

/// Moves the mount at `from` to the directory `to`.
pub(super) fn move_mount(from: &Path, to: &Path) -> Result<(), Errno> {
    mount(from, to, "", MsFlags::MS_MOVE, None)
}

/// Unmounts `target`. When something in it is still open it is detached, and goes with its last user.
pub(super) fn unmount(target: &Path) -> Result<(), Errno> {
    match nix::mount::umount2(target, MntFlags::empty()) {
        Err(Errno::EBUSY) => nix::mount::umount2(target, MntFlags::MNT_DETACH),
        result => result,
    }
}
