//! Stories: the real thing in QEMU, from the disk image that a machine starts with to the one
//! that it leaves. One file, one story.

#[path = "../harness/mod.rs"]
mod harness;

mod bed_boots_debian;
mod bed_cuts_power;
