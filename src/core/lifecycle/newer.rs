//! What to decide by where only a newer agent understands the record: the partitions that its writer would boot without
//! counting, which stand in every copy at the same place.

use crate::record::{Record, Slot, Update};
use crate::slot::{Image, MAX_SLOTS, Part, SlotId, SlotName, SlotState, Uuid};
use alloc::string::{String, ToString};
use alloc::vec;

/// A record that boots the partitions of `order` in their order, and other slots only after them. Saved by a forced
/// repair alone.
///
/// `known` has the names of the slots: an older copy, or else what the trailers say, which is `implied`.
/// Only the slot itself shows what is in it now: a copy that is older names an image that may be gone.
pub fn in_order(mut known: Record, order: &[Uuid], implied: &Record) -> Record {
    for slot in known.slots.iter_mut().filter(|slot| slot.state == SlotState::Good) {
        slot.state = SlotState::Proven;
    }
    // Of an older copy, and done since or not.
    (known.update, known.once, known.default) = (Update::None, None, None);
    let highest = known.slots.iter().chain(&implied.slots).map(|slot| slot.confirmed).max().unwrap_or(0);
    for (at, partition) in order.iter().enumerate() {
        let is_there = |slot: &&Slot| slot.partition() == Some(*partition);
        let said = implied.slots.iter().find(is_there).and_then(|slot| slot.image.clone());
        let Some(id) = position(&mut known, *partition) else { continue };
        let slot = known.slot_mut(id);
        slot.state = SlotState::Good;
        slot.confirmed = highest.saturating_add((order.len() - at) as u64);
        slot.image = said.or(slot.image.take()).or_else(|| Some(filled_by_other_means()));
        known.default = known.default.or(Some(id));
    }
    known
}

/// The slot on a partition; one that nobody named has the partition's GUID as its name.
fn position(known: &mut Record, partition: Uuid) -> Option<SlotId> {
    let found = known.ids().find(|(_, slot)| slot.partition() == Some(partition)).map(|(id, _)| id);
    if found.is_some() || known.slots.len() >= MAX_SLOTS {
        return found;
    }
    let name = SlotName::new(&partition.to_string()).ok()?;
    let parts = vec![Part::root(partition)];
    known.slots.push(Slot { name, parts, state: SlotState::Empty, image: None, confirmed: 0 });
    Some(SlotId(known.slots.len() as u8 - 1))
}

/// Sealed, so that nothing is changed in an image that nobody here can tell anything of.
fn filled_by_other_means() -> Image {
    Image { version: String::new(), id: None, open: false, tries: 0, insecure: false }
}
