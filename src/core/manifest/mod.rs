//! The signed description of an image: what it is, for which machine, what may be upgraded to it.
//!
//! Invariant: a [`Manifest`] comes out of [`Manifest::parse`] only, and all its values are within their
//! limits, so nobody behind it checks them again. The JSON is specified in `bundle/FORMAT.md`.
//!
//! Deliberately absent: signatures (the bundle checks them before it parses), and whether a manifest fits
//! this machine (the verbs do).

mod json;
mod upgrade;
mod value;
mod version;

use alloc::string::String;
use alloc::vec::Vec;
pub use json::{MANIFEST_MAX, ManifestError};
pub use upgrade::{Refusal, VersionRange};
pub use version::{compare_versions, is_version};

use crate::slot::{BLOCK, ImageId, PartName, RootHash};

/// A manifest whose values were checked. The agent has one only through [`Manifest::parse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The machine type that it is for.
    pub compatible: String,
    /// Its version; 1 to 64 characters of those that the UAPI version format allows.
    pub version: String,
    /// Versions that may be upgraded to it; absent: any.
    pub upgrade_from: Option<Vec<VersionRange>>,
    /// The lowest version that may come onto a machine once this one was confirmed there;
    /// empty: it leaves that as it is.
    pub floor: String,
    /// Attempts that a trial of it has, when it says so; 1 to 100.
    pub tries: Option<u8>,
    /// Kernel releases for which the image has modules under `/usr/lib/modules`; absent: it needs none.
    pub modules: Option<Vec<String>>,
    /// The format versions of the everboot in the image, a line each as [`crate::format_versions`] has them; empty: no
    /// everboot is in it; absent: nothing says which they are.
    pub formats: Option<Vec<String>>,
    /// Whether it is used although no trusted key has signed it: not in the JSON.
    pub insecure: bool,
    /// What the image is made of, in the order of the names: in this format version one part, `root`.
    pub parts: Vec<PartImage>,
}

/// What a part of a slot is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartImage {
    /// The part; its members in the archive are `NAME.tree` and `NAME.zst`, or `NAME.delta`.
    pub name: PartName,
    /// Its size in bytes: a multiple of 4096, at least two blocks.
    pub size: u64,
    /// Root hash of its tree.
    pub root_hash: RootHash,
    /// Salt of its tree: up to 256 bytes, as dm-verity allows.
    pub salt: Vec<u8>,
    /// Whether the root is mounted writable.
    pub open: bool,
    /// Blocks in each zstd frame but the last; 1 to 1024.
    pub frame_blocks: u32,
    /// Bytes of the smallest unit in which its file system reads: a disk with larger sectors cannot mount it.
    pub fs_block: Option<u32>,
}

impl Manifest {
    /// The place of the part `root` among the parts. [`Manifest::parse`] makes sure that there is one.
    pub fn root_at(&self) -> usize {
        self.parts.iter().position(|part| part.name.is_root()).unwrap_or_default()
    }

    /// The part that holds the root file system.
    pub fn root(&self) -> &PartImage {
        &self.parts[self.root_at()]
    }

    /// What names the image wherever it is spoken of.
    pub fn image_id(&self) -> ImageId {
        ImageId::of(self.parts.iter().map(|part| (&part.name, part.root_hash)))
    }

    /// Blocks of all parts.
    pub fn blocks(&self) -> u64 {
        self.parts.iter().map(PartImage::blocks).sum()
    }
}

impl PartImage {
    /// Its blocks.
    pub fn blocks(&self) -> u64 {
        self.size / BLOCK as u64
    }

    /// zstd frames that carry it.
    pub fn frames(&self) -> u64 {
        self.blocks().div_ceil(self.frame_blocks.into())
    }
}
