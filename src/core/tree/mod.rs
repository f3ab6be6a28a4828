//! dm-verity hash trees over images of 4096-byte blocks: made, checked and walked in bounded memory.
//!
//! The tree is the one that `veritysetup format` writes to a hash device: SHA-256, hash type 1 (the salt
//! comes before the block), 4096-byte data and hash blocks, a superblock in the first block, then the levels,
//! the top one first. Specification: the Linux kernel's `Documentation/admin-guide/device-mapper/verity.rst`
//! and cryptsetup's `lib/verity/verity_hash.c`.
//!
//! Invariants:
//! - no level is ever held whole: [`Builder`] and [`Reader`] keep one block for each level (at most 8);
//! - [`Reader`] hands out nothing of a tree block that was not checked against its parent, up to the root
//!   hash, in the read that brought it.
//!
//! Deliberately absent: other hash algorithms, other block sizes, forward error correction.

mod builder;
mod geometry;
mod hasher;
mod reader;
mod superblock;

pub use builder::{Builder, BuilderError, Emit};
pub use geometry::{Geometry, Level, MAX_LEVELS};
pub use hasher::Hasher;
pub use reader::{Fetch, Reader, TreeError};
pub use superblock::{SALT_MAX, Superblock, SuperblockError};

use crate::slot::{BLOCK, Digest};

/// Digests in one tree block.
pub const FANOUT: u64 = (BLOCK / size_of::<Digest>()) as u64;

/// One block of a tree.
pub type TreeBlock = [u8; BLOCK];
