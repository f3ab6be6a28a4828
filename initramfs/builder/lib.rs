//! Between a fresh Debian machine and an initramfs with everboot in it.
//!
//! A table of contents, in the order in which things are made: `setup` (packages) → `toolchain` → `programs` (agent,
//! tools) and `kernel` → `initramfs`, and `package` (Debian packages).
//!
//! All it makes is under `out/`, cached between runs.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

pub mod agent;
pub mod busybox;
pub mod command;
pub mod cpio;
pub mod elf;
pub mod initramfs;
pub mod kernel;
pub mod key;
pub mod overlay;
pub mod package;
pub mod paths;
pub mod programs;
pub mod setup;
pub mod steps;
pub mod toolchain;
