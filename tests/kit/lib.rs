//! What tests are written with.
//!
//! [`sim`] is a whole machine in memory, whose disks fail, and forget what no barrier covered; [`world`] adds keys, a
//! configuration and images. [`picture`] shows a record in a line, [`small_delta`] makes a small delta. [`epoch`]
//! enumerates what a power cut may leave, and [`violation`] says which promise was broken. [`program`] finds the
//! programs themselves, and [`server`] is an HTTP server for those who fetch.
#![allow(missing_docs, reason = "read by tests alone")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a surprise ends the test")]
#![allow(
    clippy::should_implement_trait,
    clippy::new_without_default,
    clippy::len_without_is_empty,
    reason = "so called where they are read"
)]

pub mod cuts;
pub mod epoch;
pub mod facts;
pub mod invariants;
pub mod memo;
pub mod owned;
pub mod picture;
pub mod program;
pub mod seed;
pub mod server;
pub mod sim;
pub mod small_delta;
pub mod timeline;
pub mod violation;
pub mod world;
