//! everboot: the early-boot upgrade and rollback agent.
//!
//! The folders tell the story of a boot. [`sys`] looks at the machine, [`store`] reads the [`record`],
//! [`decide`] chooses, [`store`] persists, [`apply`] makes a slot equal to the image of a [`bundle`],
//! and [`flow`] ties them together up to the hand-off.
//!
//! `slot`, `record`, `manifest`, `channel`, `config`, `verbs`, `decide`, `lifecycle`, `password` and `tree` are pure: no I/O, no
//! clock, no log, no environment. `store`, `apply` and `bundle` know a [`medium::Medium`] and not Linux. Only `sys`
//! does. `crew` shares work among threads, and `lanes` hashes with vectors. `channel` and `registry` are for the tools.

pub mod apply;
pub mod bundle;
#[cfg(any(feature = "pack", feature = "fetch"))]
pub mod channel;
pub mod config;
pub mod crew;
pub mod decide;
pub mod flow;
mod lanes;
pub mod lifecycle;
pub mod machine;
pub mod manifest;
pub mod medium;
pub mod password;
pub mod record;
#[cfg(feature = "client")]
pub mod registry;
pub mod seeded;
pub mod slot;
pub mod store;
pub mod sys;
pub mod tree;
pub mod verbs;
