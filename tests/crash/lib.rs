//! Every crash point, in process: the real flows over media whose caches a power cut may lose in every way.
//!
//! `scenario` says where a search begins and what may happen; `explore` searches; `timeline` makes the disk
//! that a power cut leaves, out of the ways that `epoch` enumerates; `judge` boots it, and `invariants` say
//! what must hold.
#![allow(missing_docs, reason = "read by tests alone")]

pub mod act;
#[cfg(feature = "mutants")]
pub mod bite;
pub mod campaign;
pub mod explore;
pub mod facts;
pub mod invariants;
pub mod judge;
pub mod kept;
#[cfg(feature = "mutants")]
pub mod minimise;
pub mod normal;
pub mod reader;
pub mod replay;
pub mod scenario;
pub mod show;
pub mod step;
pub mod strip;
pub mod timeline;
pub mod verbs;

#[cfg(test)]
mod tests;
