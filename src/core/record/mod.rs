//! The boot record: the few facts that the boot decision reads.
//!
//! Bytes are specified in `FORMAT.md`. This module is pure: [`Copy`] reads one block, [`Selection`]
//! compares the two copies, [`Record`] is what was chosen; three types, so that bytes which were not
//! chosen cannot be used. `store` does the I/O.

mod block;
mod bytes;
mod extension;
mod formats;
pub mod history;
mod order;
mod selection;
mod wire;

use alloc::string::String;
use alloc::vec::Vec;
pub use block::{BadCopy, Copy, EncodeError, encode};
pub use extension::{Extension, Owner};
pub use formats::{Formats, Unread};
pub(crate) use order::is_below;
pub use selection::{Selection, Side};

use crate::slot::{
    Digest, Image, ImageId, MAX_COUNT, MAX_PARTS, MAX_SLOTS, Part, SlotId, SlotName, SlotState, Tagged, Uuid,
};
use core::fmt;

/// Most bad images that are remembered; the oldest is forgotten first.
pub const MAX_BAD_IMAGES: usize = 16;
/// Longest version text in bytes.
pub const MAX_VERSION: usize = 64;

/// The decision fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// GUID of the disk that the slots are on.
    pub disk: Uuid,
    /// The slots, in the order of the configuration.
    pub slots: Vec<Slot>,
    /// The good slot that boots when no trial is due; when none is good any more, the one that was last.
    pub default: Option<SlotId>,
    /// The hand-off that was last persisted.
    pub last_boot: Option<LastBoot>,
    /// What happens with the staged bundle.
    pub update: Update,
    /// Images that failed their trial or were rejected, oldest first.
    pub bad_images: Vec<ImageId>,
    /// Times that recovery waited and tried again since the last confirmation.
    pub recovery_rounds: u8,
    /// The slot that the next boot goes to, and only the next.
    pub once: Option<SlotId>,
    /// The lowest version that may come onto the machine; empty where there is none. Never lowered.
    pub floor: String,
    /// What newer agents say beside all this.
    pub extensions: Vec<Extension>,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Its name.
    pub name: SlotName,
    /// What it is made of, in the order of the configuration: at most four parts, one of them `root`.
    pub parts: Vec<Part>,
    /// Where it stands.
    pub state: SlotState,
    /// What is in it, once that is known.
    pub image: Option<Image>,
    /// Generation of its confirmed mark: higher is later, 0 is never.
    pub confirmed: u64,
}

/// The latest hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LastBoot {
    /// To this slot.
    pub slot: SlotId,
    /// Whether the system that runs there said that it is good, in this very boot.
    pub confirmed: bool,
    /// Whether the boot went there because the default could not be entered: a confirmation then makes it the default.
    pub fell_back: bool,
}

/// A bundle in the staging area.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Staged {
    /// SHA-256 of its `manifest.json`: what was staged and nothing else is applied.
    pub manifest: Digest,
    /// The image that it carries.
    pub image: Image,
}

/// The way of a staged bundle into a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Update {
    /// Nothing is staged.
    None,
    /// A bundle is staged and nothing is due.
    Staged(Staged),
    /// The running system is writing it to a slot.
    Preparing {
        /// The bundle.
        bundle: Staged,
        /// The slot that is being written.
        target: SlotId,
    },
    /// The next early boot applies it.
    Due {
        /// The bundle.
        bundle: Staged,
        /// The slot that will be written.
        target: SlotId,
        /// Starts left; set back to the full number whenever a start proved a new block.
        starts_left: u8,
        /// Starts left whatever they prove. Never given back: a medium may lose again what a start has proven.
        starts_left_in_all: u8,
    },
    /// It is in a slot. The bundle stays as the source for repair until the next confirmation.
    Kept(Staged),
    /// It stands where only a newer everboot knows. Nothing is done with it here; `cancel` withdraws it.
    Other {
        /// Where it stands.
        step: Tagged,
        /// The bundle, if there is one.
        bundle: Option<Staged>,
        /// The slot that is being, or will be, written, if there is one.
        target: Option<SlotId>,
    },
}

impl Update {
    /// The staged bundle, wherever it stands.
    pub fn bundle(&self) -> Option<&Staged> {
        match self {
            Self::None => None,
            Self::Staged(bundle) | Self::Kept(bundle) => Some(bundle),
            Self::Preparing { bundle, .. } | Self::Due { bundle, .. } => Some(bundle),
            Self::Other { bundle, .. } => bundle.as_ref(),
        }
    }

    /// The slot that is being, or will be, written.
    pub fn target(&self) -> Option<SlotId> {
        match self {
            Self::Preparing { target, .. } | Self::Due { target, .. } => Some(*target),
            Self::Other { target, .. } => *target,
            Self::None | Self::Staged(_) | Self::Kept(_) => None,
        }
    }
}

/// A value is outside its range, or contradicts another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfRange(pub &'static str);

impl Record {
    /// The slot at `id`.
    ///
    /// # Panics
    /// When `id` is not of this record; [`Record::check`] makes sure that all stored ones are.
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.index()]
    }

    /// The slot at `id`, to be changed.
    pub fn slot_mut(&mut self, id: SlotId) -> &mut Slot {
        &mut self.slots[id.index()]
    }

    /// All slots with their positions.
    pub fn ids(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        self.slots.iter().enumerate().map(|(at, slot)| (SlotId(at as u8), slot))
    }

    /// The slot of that name.
    pub fn find(&self, name: &str) -> Option<SlotId> {
        self.ids().find(|(_, slot)| slot.name.as_str() == name).map(|(id, _)| id)
    }

    /// The slot that is on trial, if one is.
    pub fn trial(&self) -> Option<SlotId> {
        self.ids().find(|(_, slot)| matches!(slot.state, SlotState::Trial { .. })).map(|(id, _)| id)
    }

    /// Whether the slot at `id` is good.
    pub fn is_good(&self, id: SlotId) -> bool {
        self.slot(id).state == SlotState::Good
    }

    /// Adds an image to those that are not tried again.
    pub fn remember_bad(&mut self, image: Option<ImageId>) {
        let Some(id) = image else { return };
        self.bad_images.retain(|known| *known != id);
        self.bad_images.push(id);
        if self.bad_images.len() > MAX_BAD_IMAGES {
            self.bad_images.remove(0);
        }
    }

    /// Checks every value that a checksum cannot: a record that passes can be decided on without a panic.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let rule = |holds: bool, what| if holds { Ok(()) } else { Err(OutOfRange(what)) };
        let known = |id: SlotId| id.index() < self.slots.len();
        rule((1..=MAX_SLOTS).contains(&self.slots.len()), "number of slots")?;
        for (at, slot) in self.slots.iter().enumerate() {
            let earlier = &self.slots[..at];
            rule(earlier.iter().all(|other| other.name != slot.name), "slot names that differ")?;
            let is_taken = |part: &Part| earlier.iter().any(|other| other.is_at(part));
            rule(!slot.parts.iter().any(is_taken), "places of slots that differ")?;
            slot.check()?;
        }
        let trials = self.slots.iter().filter(|slot| matches!(slot.state, SlotState::Trial { .. }));
        rule(trials.count() <= 1, "at most one trial")?;
        rule(self.default.is_none_or(known), "default slot")?;
        let holds_image = |id: SlotId| known(id) && self.slot(id).image.is_some();
        rule(self.once.is_none_or(holds_image), "slot to be booted once")?;
        rule(self.last_boot.is_none_or(|boot| known(boot.slot)), "last booted slot")?;
        rule(self.update.target().is_none_or(known), "slot to be written")?;
        rule(self.update.target().is_none_or(|id| Some(id) != self.default), "slot to be written")?;
        if let Update::Due { starts_left, starts_left_in_all, .. } = self.update {
            rule(starts_left <= MAX_COUNT && starts_left_in_all <= MAX_COUNT, "starts left")?;
        }
        if let Some(bundle) = self.update.bundle() {
            check_image(&bundle.image)?;
        }
        rule(is_version(&self.floor), "floor")?;
        rule(self.bad_images.len() <= MAX_BAD_IMAGES, "number of bad images")
    }
}

impl Slot {
    /// The version of its image, where one is known.
    pub fn version(&self) -> Option<&str> {
        self.image.as_ref().map(|image| image.version.as_str()).filter(|version| !version.is_empty())
    }

    /// The id of its image, where one is known: not of one that was filled by other means.
    pub fn image_id(&self) -> Option<ImageId> {
        self.image.as_ref()?.id
    }

    /// The unique GUID of the partition of its root part, if that is on one.
    pub fn partition(&self) -> Option<Uuid> {
        self.parts.iter().find(|part| part.name.is_root())?.location.partition()
    }

    fn is_at(&self, part: &Part) -> bool {
        self.parts.iter().any(|own| own.location == part.location)
    }

    fn check_parts(&self) -> Result<(), OutOfRange> {
        let is_known = self.parts.iter().any(|part| part.name.is_root());
        if !is_known || self.parts.len() > MAX_PARTS {
            return Err(OutOfRange("at most four parts of a slot, one of them root"));
        }
        for (at, part) in self.parts.iter().enumerate() {
            let is_alike = |other: &Part| other.name == part.name || other.location == part.location;
            if self.parts[..at].iter().any(is_alike) {
                return Err(OutOfRange("parts of a slot that differ"));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), OutOfRange> {
        self.check_parts()?;
        match (self.state, &self.image) {
            (SlotState::Trial { tries_left, handoffs_left }, _)
                if tries_left > MAX_COUNT || handoffs_left > MAX_COUNT =>
            {
                return Err(OutOfRange("attempts left"));
            }
            (SlotState::Trial { .. } | SlotState::Good | SlotState::Proven, None) => {
                return Err(OutOfRange("an image in each bootable slot"));
            }
            _ => {}
        }
        self.image.as_ref().map_or(Ok(()), check_image)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.state)?;
        let label = self.image.as_ref().map_or(String::new(), Image::label);
        if label.is_empty() { Ok(()) } else { write!(f, ", version {label}") }
    }
}

fn is_version(text: &str) -> bool {
    text.len() <= MAX_VERSION && !text.chars().any(char::is_control)
}

fn check_image(image: &Image) -> Result<(), OutOfRange> {
    if !is_version(&image.version) {
        return Err(OutOfRange("version"));
    }
    if image.tries > MAX_COUNT {
        return Err(OutOfRange("tries"));
    }
    Ok(())
}
