//! What a slot is: its name, its state, the image that it holds.
//!
//! Invariant: a state is a sum type, so that a slot is never "good and being written" at once.

mod block;
mod checksum;
mod fault;
mod hash;
mod image_id;
mod name;
mod observation;
mod part;
mod state;
mod tagged;

use alloc::string::String;
pub use block::{is_zero, same};
pub use checksum::checksum;
pub use fault::RootFault;
pub use hash::{Digest, ParseHexError, RootHash, Uuid, from_hex, to_hex};
pub use image_id::ImageId;
pub use name::{NameError, SlotName};
pub use observation::SlotObservation;
pub use part::{Location, MAX_PARTS, Part, PartName};
pub use state::{BadReason, SlotState};
pub use tagged::Tagged;

/// Images are sequences of blocks of this many bytes; dm-verity's data and hash block size.
pub const BLOCK: usize = 4096;

/// Most slots of a machine.
pub const MAX_SLOTS: usize = 8;
/// Highest value of each counter: tries, hand-offs, starts of an apply.
pub const MAX_COUNT: u8 = 100;

/// Position of a slot in the record's list of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u8);

impl SlotId {
    /// The position as an index into the record's list.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What is known of the image in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Image {
    /// Its version, in the manifest's words; empty when nobody said.
    pub version: String,
    /// Its id; absent for a slot that was filled by other means.
    pub id: Option<ImageId>,
    /// Whether the root is mounted writable. The tree of an open slot describes the bytes as installed.
    pub open: bool,
    /// Attempts that the image asks for when it becomes a trial.
    pub tries: u8,
    /// Whether it came although no trusted key had signed it.
    pub insecure: bool,
}

impl Image {
    /// Its version, and what has to be known beside it, for a reader.
    pub fn label(&self) -> String {
        let insecure = if self.insecure { ", INSECURE" } else { "" };
        [&self.version, insecure].concat()
    }
}
