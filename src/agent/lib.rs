//! The early-boot agent. [`flow`] ties observe, decide, persist, act and hand-off together, for the boot and for every verb;
//! [`machine`] is what it needs of a machine, and [`sys`] gives it that on Linux and on a disk image in a file.

pub mod flow;
pub mod machine;
pub mod sys;
