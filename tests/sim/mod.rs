//! A machine in memory whose media keep what is live and what is durable apart.
//!
//! Every operation of every medium of a machine counts against one [`Power`]. When it is cut, all later
//! operations fail, the flow ends as it can, and [`SimDisk::crash`] decides what the caches lose.

mod disk;
mod machine;
mod staging;

pub use disk::{Power, SURVIVORS, SimDisk, Survives};
pub use machine::{RECORD, SLOT_A, SLOT_B, SimMachine, SimRoot};
pub use staging::SimStaging;
