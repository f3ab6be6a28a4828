//! What everboot decides, and how its data looks. Pure: no I/O, no clock, no log, no environment; the compiler checks
//! it (`no_std`).
//!
//! [`slot`], [`record`], [`manifest`] and [`config`] are what is read; [`decide`] chooses what to boot and
//! [`lifecycle`] is what each verb does to the record; [`tree`] checks blocks; [`verbs`] is the command line as a
//! table.

// A planted bug is one of a thread, and tests are programs.
#![cfg_attr(not(any(test, feature = "mutants")), no_std)]

extern crate alloc;

#[cfg(feature = "channel")]
pub mod channel;
pub mod config;
pub mod decide;
pub mod lifecycle;
pub mod manifest;
mod multi_buffer;
pub mod mutant;
pub mod password;
pub mod quoted;
pub mod record;
pub mod slot;
pub mod tree;
pub mod verbs;
