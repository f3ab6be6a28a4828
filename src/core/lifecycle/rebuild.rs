//! A record made from what the slots say of themselves.

use super::raise_floor;
use crate::mutant::{self, Mutant};
use crate::record::{Record, Slot, Update};
use crate::slot::{Image, Part, SlotId, SlotName, SlotState, Uuid};
use alloc::string::String;
use alloc::vec::Vec;

/// What was found of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name in the configuration.
    pub name: SlotName,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// The image that its trailer names, when the trailer's signature is right. A trailer is written only
    /// after every block was proven.
    pub image: Option<Image>,
    /// The generation of its confirmed mark.
    pub mark: Option<u64>,
    /// The floor that the image sets, or nothing.
    pub floor: String,
}

/// The record that the slots imply: marked ones are good and the latest mark is the default; an unmarked
/// proven one is *proven*, which the decision reaches only when no good slot can be entered. The floor is the highest
/// of the marked ones.
pub fn rebuild(disk: Uuid, found: &[Found]) -> Record {
    let slots: Vec<Slot> = found.iter().map(slot).collect();
    let good = slots.iter().enumerate().filter(|(_, slot)| slot.state == SlotState::Good);
    let default = good.max_by_key(|(_, slot)| slot.confirmed).map(|(at, _)| SlotId(at as u8));
    let mut record = Record {
        disk,
        slots,
        default,
        last_boot: None,
        update: Update::None,
        bad_images: Vec::new(),
        recovery_rounds: 0,
        once: None,
        floor: String::new(),
        extensions: Vec::new(),
    };
    for found in found.iter().filter(|found| found.mark.is_some()) {
        raise_floor(&mut record, &found.floor);
    }
    record
}

fn slot(found: &Found) -> Slot {
    let state = match (&found.image, found.mark) {
        _ if mutant::is(Mutant::LostForgotten) => SlotState::Empty,
        (Some(_), Some(_)) => SlotState::Good,
        (Some(_), None) if mutant::is(Mutant::UnmarkedIsGood) => SlotState::Good,
        (Some(_), None) => SlotState::Proven,
        (None, _) => SlotState::Empty,
    };
    let confirmed = found.image.as_ref().and(found.mark).unwrap_or(0);
    let (name, parts, image) = (found.name.clone(), found.parts.clone(), found.image.clone());
    Slot { name, parts, state, image, confirmed }
}
