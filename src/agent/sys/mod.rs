//! Linux, and nothing but: files and block devices, partition tables, mounts, the kernel log, the hand-off.
//!
//! Invariants: all `unsafe` of the package is here, each with its reason; nothing
//! here decides anything; a partition table is only ever read.

mod boot_facts;
mod boot_id;
mod child;
mod clock;
mod disk_file;
mod fault;
mod file_medium;
mod file_system;
mod fork;
mod handoff;
mod host;
mod init;
mod init_check;
mod initramfs;
mod ioctl;
mod journal;
mod linux;
mod lock;
mod mount_device;
mod mountinfo;
mod mounting;
mod output;
mod probe;
mod progress;
mod reboot;
mod roots;
mod small_file;
mod staging;
mod survey;
mod table;
#[cfg(test)]
pub(crate) mod temp_dir;
mod terminal;
mod threads;
mod watchdog;

pub use boot_facts::{ROOT_FACT, read_fact, write_fact};
pub use child::{has_sh, run_fetch, run_sh};
pub use clock::{monotonic_ms, uptime_ms};
pub use disk_file::DiskFileMachine;
pub use fault::watch_for_faults;
pub use file_medium::FileMedium;
pub use handoff::HandOff;
pub use host::{has_watchdog, initramfs};
pub use init::{kernel_command_line, load_modules, set_up, wait_until};
pub use initramfs::{is_in_initramfs, open_console};
pub use journal::{kernel_lines, log_to_kernel, log_to_stderr, warn_anew};
pub use linux::LinuxMachine;
pub use lock::{Lock, LockError};
pub use mount_device::{BlockDevice, Purpose, detach, unmount_device};
pub use output::{Output, never_wait_for_output, print};
pub use progress::{Progress, terminal_width};
pub use reboot::{power_off, reboot, restart};
pub use roots::Roots;
pub use small_file::read_text;
pub use staging::DirStaging;
pub use terminal::{Terminal, read_byte, wait_for_input};
pub use threads::{start_threads, threads};
pub use watchdog::{Watchdog, hold_watchdog, leave_watchdog, pet_watchdog};
