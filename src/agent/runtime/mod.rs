//! What all programs of the agent work with: the machine of the command line, its settings, the report of a boot, and
//! the words for a failure.

pub mod any_machine;
pub mod boot_report;
pub mod failure;
pub mod lock;
pub mod progress;
pub mod screen;
pub mod text;
