//! Linux, and nothing but: files and block devices, partition tables, mounts, the kernel log, the hand-off.
//!
//! Invariants: all `unsafe` of the package is here, each with its reason; nothing here decides anything; a
//! partition table is only ever read.

mod aligned;
mod clock;
mod disk_file;
mod file_medium;
mod ioctl;
mod lock;
mod progress;
#[cfg(test)]
mod scratch;
mod staging;
mod table;

pub use clock::{monotonic_ms, uptime_ms};
pub use disk_file::DiskFileMachine;
pub use file_medium::FileMedium;
pub use lock::{Lock, LockError};
pub use progress::{Progress, terminal_width};
pub use staging::DirStaging;
