//! What a newer agent says in the record, and an older one carries through.
//!
//! An extension belongs to something, and is dropped with it, also by agents that do not know what it says: so it never
//! speaks of an image that is gone. One that is *critical* must be understood by whoever saves the record.

use super::Record;
use crate::slot::{Digest, ImageId, SlotId};
use alloc::vec::Vec;

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Extension {
    /// What it says; each number has one meaning for ever.
    pub kind: u16,
    /// Whether an agent that does not know the kind boots the default slot and saves nothing.
    pub is_critical: bool,
    /// What it is dropped with.
    pub owner: Owner,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// What an extension belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The record: it stays.
    Record,
    /// An image in a slot; no id for one that was filled by other means.
    Slot(SlotId, Option<ImageId>),
    /// The update with the bundle whose `manifest.json` has this SHA-256.
    Update(Digest),
    /// A newer everboot knows. It stays, as one of the record does: who wrote it sees whether it still holds.
    Other {
        /// What kind of owner.
        tag: u8,
        /// Which one.
        body: Vec<u8>,
    },
}

impl Record {
    /// Whether it has what keeps an agent from saving that does not understand it.
    pub fn has_critical(&self) -> bool {
        self.extensions.iter().any(|extension| extension.is_critical)
    }

    /// Drops the extensions whose owner is gone.
    pub fn drop_orphans(&mut self) {
        let (slots, update) = (&self.slots, &self.update);
        self.extensions.retain(|extension| match &extension.owner {
            Owner::Record | Owner::Other { .. } => true,
            Owner::Slot(id, expected) => {
                let image = slots.get(id.index()).and_then(|slot| slot.image.as_ref());
                image.is_some_and(|image| image.id == *expected)
            }
            Owner::Update(manifest) => update.bundle().is_some_and(|bundle| bundle.manifest == *manifest),
        });
    }
}
