//! A machine in memory whose media keep what is live and what is durable apart.
//!
//! Every operation of every medium of a machine counts against one [`Power`]. When it is cut, all later
//! operations fail, the flow ends as it can, and [`SimDisk::crash`] decides what the caches lose.

mod disk;
mod machine;
mod operator;
mod page_view;
pub mod pages;
pub mod power;
mod staging;

pub use disk::{SURVIVORS, SimDisk, Survives, UNREADABLE};
pub use machine::{DurableState, RECORD, SLOT_A, SLOT_B, SimHandOff, SimMachine, SimRoot};
pub use operator::SimOperator;
pub use page_view::PageView;
pub use power::Power;
pub use staging::SimStaging;
