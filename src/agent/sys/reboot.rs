//! Restarts the machine, or switches it off.

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

/// The same as [`reboot`] without writing anything out, where nobody is there: what everboot saved is durable, and
/// a disk that hangs would hold the machine down for ever.
pub fn restart() -> io::Error {
    call(RebootMode::RB_AUTOBOOT)
}

fn end(mode: RebootMode) -> io::Error {
    nix::unistd::sync();
    call(mode)
}

fn call(mode: RebootMode) -> io::Error {
    match nix::sys::reboot::reboot(mode) {
        Ok(never) => match never {},
        Err(errno) => errno.into(),
    }
}
