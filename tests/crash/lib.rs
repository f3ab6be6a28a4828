//! Every crash point, in process: the real flows over media whose caches a power cut may lose in every way.
//!
//! `scenario` says where a search begins and what may happen; `explore` searches. The test kit makes the disks that a
//! power cut may leave; `oracle` boots each, and what must hold then is in the kit, `invariants` and `verbs`.
#![allow(missing_docs, reason = "read by tests alone")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a surprise ends the search")]

pub mod act;
pub mod campaign;
pub mod counts;
pub mod damage;
pub mod explore;
pub mod failure;
pub mod invariants;
pub mod kept;
pub mod known;
pub mod machines;
#[cfg(feature = "mutants")]
pub mod minimise;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod normal;
pub mod oracle;
pub mod reader;
pub mod replay;
pub mod scenario;
pub mod show;
pub mod staged;
pub mod starts;
pub mod step;
pub mod strip;
pub mod verbs;

#[cfg(test)]
mod tests;
