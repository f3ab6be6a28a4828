//! The signed description of an image: what it is, for which machine, what may be upgraded to it.

use crate::slot::RootHash;

/// A manifest whose values were checked. Bytes become one only through [`Manifest::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The machine type that it is for.
    pub compatible: String,
    /// Its version; 1 to 64 characters of those that the UAPI version format allows.
    pub version: String,
    /// Versions that may be upgraded to it; absent: any.
    pub upgrade_from: Option<Vec<VersionRange>>,
    /// Attempts that a trial of it has, when it says so; 1 to 100.
    pub tries: Option<u8>,
    /// Kernel releases for which the image has modules under `/usr/lib/modules`; absent: it needs none.
    pub modules: Option<Vec<String>>,
    /// What the bundle carries: in this format version exactly one, for the part `root`.
    pub payload: Payload,
}

/// Versions from `low` to `high`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version.
    pub low: String,
    /// The highest version.
    pub high: String,
}

/// One image of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Name of its members in the archive: `NAME.tree`, `NAME.zst`.
    pub name: String,
    /// Part of the slot that it fills.
    pub part: String,
    /// Size of the image in bytes: a multiple of 4096, at least two blocks.
    pub size: u64,
    /// Root hash of its tree.
    pub root_hash: RootHash,
    /// Salt of its tree: up to 256 bytes, as dm-verity allows.
    pub salt: Vec<u8>,
    /// Whether the root is mounted writable.
    pub open: bool,
    /// Blocks in each zstd frame but the last; 1 to 1024.
    pub frame_blocks: u32,
}
