//! everboot: the early-boot upgrade and rollback agent.
//!
//! The folders tell the story of a boot. [`sys`] looks at the machine, [`store`] reads the [`record`],
//! [`decide`] chooses, [`store`] persists, [`apply`] makes a slot equal to the image of a [`bundle`],
//! and [`flow`] ties them together up to the hand-off.
//!
//! `slot`, `record`, `manifest`, `config`, `verbs`, `decide`, `lifecycle`, `password` and `tree` are pure: no I/O, no
//! clock, no log, no environment. `store`, `apply` and `bundle` know a [`medium::Medium`] and not Linux. Only `sys`
//! does. `crew` shares work among threads, and `lanes` hashes with vectors.

pub mod apply;
pub mod bundle;
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
pub mod seeded;
pub mod slot;
pub mod store;
pub mod sys;
pub mod tree;
pub mod verbs;
