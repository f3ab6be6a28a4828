//! Which slot is written.

use super::Blocked;
use crate::mutant::{self, Mutant};
use crate::record::{LastBoot, Record};
use crate::slot::{SlotId, SlotState};

/// The slot that the next image goes to: neither booted nor default; empty, writing, bad, proven, then the
/// good one that was confirmed longest ago. A good slot only while the default is good and was confirmed in
/// its latest boot, so that there is always another one to return to.
pub fn choose_target(record: &Record) -> Result<SlotId, Blocked> {
    let booted = record.last_boot.map(|boot| boot.slot);
    let free = record.ids().filter(|(id, _)| Some(*id) != booted || mutant::is(Mutant::RunningWritten));
    let best = free.filter_map(|(id, slot)| Some((rank(record, id)?, slot.confirmed, id))).min();
    match best {
        Some((_, _, id)) if may_write(record, id) => Ok(id),
        Some(_) => Err(Blocked::DefaultUnconfirmed),
        None => Err(Blocked::NoSlot),
    }
}

fn rank(record: &Record, id: SlotId) -> Option<u8> {
    if record.default == Some(id) {
        return None;
    }
    match record.slot(id).state {
        SlotState::Empty => Some(0),
        SlotState::Writing => Some(1),
        SlotState::Bad { .. } => Some(2),
        SlotState::Proven => Some(3),
        SlotState::Good => Some(4),
        SlotState::Trial { .. } | SlotState::Other(_) => None,
    }
}

/// Whether writing the slot at `id` leaves a way back, whatever happens: promise 2.
pub fn may_write(record: &Record, id: SlotId) -> bool {
    match record.slot(id).state {
        _ if record.default == Some(id) => false,
        SlotState::Trial { .. } | SlotState::Other(_) => false,
        SlotState::Good if mutant::is(Mutant::OtherGoodWritten) => true,
        SlotState::Good => record.default.is_some_and(|default| {
            record.is_good(default) && record.last_boot == Some(LastBoot { slot: default, confirmed: true })
        }),
        SlotState::Empty | SlotState::Writing | SlotState::Bad { .. } | SlotState::Proven => true,
    }
}
