//! The test bed: everything between a fresh Debian machine and a guest that boots everboot.
//!
//! A table of contents, in the order in which things are made:
//! `setup` (packages) → `toolchain` → `build` (agent, tools) and `kernel` → `initramfs` → `rootfs`
//! (images) → `system` (what everboot needs in a root) → `workshop` (initramfs images by other people's tools)
//! → `bundle` → `machine` (a disk from the factory and its boots) → `guest` (QEMU) → `disk` (what the guest left
//! behind). `Bed` holds what all share.
//!
//! All it makes is under `out/`, cached between runs. The module is compiled into the
//! harness command and into the story tests; neither uses all of it.
#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod bed;
pub mod bench;
pub mod build;
pub mod bundle;
pub mod command;
pub mod cpio;
pub mod disk;
pub mod elf;
pub mod guest;
pub mod initramfs;
pub mod kernel;
pub mod key;
pub mod machine;
pub mod package;
pub mod paths;
pub mod rootfs;
pub mod setup;
pub mod system;
pub mod toolchain;
pub mod workshop;

pub use bed::Bed;
pub use guest::{Drive, Guest, GuestOptions};
pub use machine::Machine;
