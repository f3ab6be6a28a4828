//! The test bed: everything between a built agent and a virtual machine that boots it.
//!
//! A table of contents, in the order in which things are made: `rootfs` (images) → `system` (what everboot needs in a
//! root) → `build_root` (initramfs images by other people's tools) → `bundle` → `machine` (a disk from the factory and
//! its boots) → `vm` (QEMU) → `disk` (what the virtual machine left behind). `Testbed` holds what all share.
//!
//! All it makes is under `out/`, cached between runs.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

pub mod build_root;
pub mod bundle;
pub mod disk;
pub mod hand_made;
pub mod machine;
pub mod rootfs;
pub mod system;
pub mod testbed;
pub mod vm;

pub use machine::Machine;
pub use testbed::Testbed;
pub use vm::{Drive, Vm, VmOptions};
