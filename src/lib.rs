//! everboot: the early-boot upgrade and rollback agent.
//!
//! The folders tell the story of a boot. [`sys`] looks at the machine, [`store`] reads the [`record`],
//! [`decide`] chooses, [`store`] persists, [`apply`] makes a slot equal to the image of a [`bundle`],
//! and [`flow`] ties them together up to the hand-off.
//!
//! `slot`, `record`, `manifest`, `channel`, `config`, `verbs`, `decide`, `lifecycle`, `password` and `tree` are pure: no I/O, no
//! clock, no log, no environment. `store`, `apply` and `bundle` know a [`medium::Medium`] and not Linux. Only `sys`
//! does. `crew` shares work among threads, and `lanes` hashes with vectors. `channel` and `registry` are for the tools.

pub use everboot_agent::{flow, machine, sys};
#[cfg(any(feature = "pack", feature = "fetch"))]
pub use everboot_core::channel;
pub use everboot_core::{config, decide, lifecycle, manifest, password, record, seeded, slot, tree, verbs};
pub use everboot_storage::{apply, bundle, crew, medium, store};

#[cfg(feature = "client")]
pub mod registry;
