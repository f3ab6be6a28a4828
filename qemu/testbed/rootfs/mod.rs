//! Root file systems for the virtual machines: a real Debian with systemd, and a small busybox one.

pub mod debian;
pub mod image;
pub mod mini;

pub use debian::Debian;
pub use mini::Mini;
