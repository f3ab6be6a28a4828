//! Reading a bundle: one file that carries a signed manifest, a tree and a compressed image.
//!
//! The bytes are specified in `FORMAT.md`. Invariants:
//! - the manifest's bytes are read once, checked against the signature, and parsed from that same buffer;
//! - every number from the archive is bounded and added with overflow checks before it is used;
//! - a digest from the tree was checked up to the signed root hash, and nothing of a frame is given away that was
//!   not checked against its digest.
//!
//! Deliberately absent: Linux, paths, versions and machine types (whether a bundle fits is for the verbs).

mod archive;
#[cfg(feature = "delta")]
mod delta;
#[cfg(not(feature = "delta"))]
#[path = "no_delta.rs"]
mod delta;
// Its refusal is tested beside the deltas that other tests have.
mod error;
mod frames;
#[cfg(all(test, feature = "delta"))]
#[expect(dead_code, reason = "only the refusal is called here")]
mod no_delta;
mod reader;
#[cfg(feature = "delta")]
mod recipe;
#[cfg(feature = "sign")]
pub mod sign;
mod signed;
#[cfg(feature = "write")]
pub mod write;

#[cfg(feature = "delta")]
pub use delta::GROUPS_MAX;
#[cfg(not(feature = "delta"))]
pub use delta::Group;
pub use delta::{Delta, Patcher, SharedDelta, Sources, Trees};
pub use error::{Error, Fault};
pub use frames::{Decoder, FRAMES_MAX, Frames};
pub use reader::{Body, Bundle, Carried, Packed, Tree, Unpacker, Whole};
#[cfg(feature = "delta")]
pub use recipe::{GROUP_BLOCKS, GROUP_NEW, GROUP_PREFIX, Group, Piece, Run, SOURCES_MAX};
pub use signed::{
    Doubt, ENDORSEMENT, ENDORSEMENTS_MAX, Find, KEYS_MAX, KeyError, Keys, Memo, SIGNATURE_MAX, Signed,
    TrustError, Verdict,
};
