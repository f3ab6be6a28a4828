//! The end of a run of the machine.

use nix::sys::reboot::RebootMode;
use std::io;

/// Writes out what is not yet on the disks, and restarts the machine, reboot(2). Returns only on failure.
pub fn reboot() -> io::Error {
    end(RebootMode::RB_AUTOBOOT)
}

/// The same, and switches the power off.
pub fn power_off() -> io::Error {
    end(RebootMode::RB_POWER_OFF)
}

/// The same as [`reboot`] without writing anything out: for when this program is at fault, and a disk may hang.
pub(super) fn restart_at_once() {
    let _ = nix::sys::reboot::reboot(RebootMode::RB_AUTOBOOT);
}

fn end(mode: RebootMode) -> io::Error {
    nix::unistd::sync();
    match nix::sys::reboot::reboot(mode) {
        Ok(never) => match never {},
        Err(errno) => errno.into(),
    }
}
