//! Which slot is written.

use super::Blocked;
use crate::mutant::{self, Mutant};
use crate::record::{LastBoot, Record};
use crate::slot::{SlotId, SlotState};

/// Whether the boot would enter a slot, were its state one that boots: its partitions are there, and its trailer is
/// right. Whoever looked at the machine knows it, and the boot goes by the same
/// ([`SlotObservation`](crate::slot::SlotObservation)).
pub type CanBoot<'a> = &'a dyn Fn(SlotId) -> bool;

/// The slot that the next image goes to: neither booted nor default; empty, writing, bad or good without a right
/// trailer, proven, then the good one that was confirmed longest ago. A good slot that can boot is written only while
/// the default can boot, is good, and was confirmed in its latest boot, so that there is always another one to return
/// to.
pub fn choose_target(record: &Record, can_boot: CanBoot<'_>) -> Result<SlotId, Blocked> {
    let booted = record.last_boot.map(|boot| boot.slot);
    let free = record.ids().filter(|(id, _)| Some(*id) != booted || mutant::is(Mutant::RunningWritten));
    let rank = |id| rank(record, id, can_boot);
    let best = free.filter_map(|(id, slot)| Some((rank(id)?, slot.confirmed, id))).min();
    let Some((_, _, id)) = best else { return Err(Blocked::NoSlot) };
    if may_write(record, id, can_boot) {
        return Ok(id);
    }
    let is_default_lost = record.default.is_none_or(|default| !record.is_good(default) || !can_boot(default));
    Err(if is_default_lost {
        Blocked::OnlyBootable(record.slot(id).name.clone())
    } else {
        Blocked::DefaultUnconfirmed
    })
}

fn rank(record: &Record, id: SlotId, can_boot: CanBoot<'_>) -> Option<u8> {
    if record.default == Some(id) {
        return None;
    }
    match record.slot(id).state {
        SlotState::Empty => Some(0),
        SlotState::Writing => Some(1),
        SlotState::Bad { .. } => Some(2),
        SlotState::Good if !can_boot(id) => Some(2),
        SlotState::Proven => Some(3),
        SlotState::Good => Some(4),
        SlotState::Trial { .. } | SlotState::Other(_) => None,
    }
}

/// Whether writing the slot at `id` leaves a way back, whatever happens: promise 2. One that cannot boot
/// is no way back. A proven slot boots when no good one can; it is written only while a good one can boot as well.
pub fn may_write(record: &Record, id: SlotId, can_boot: CanBoot<'_>) -> bool {
    let can_return = |id: SlotId| record.is_good(id) && can_boot(id);
    match record.slot(id).state {
        _ if record.default == Some(id) => false,
        SlotState::Trial { .. } | SlotState::Other(_) => false,
        SlotState::Good if !can_boot(id) || mutant::is(Mutant::OtherGoodWritten) => true,
        SlotState::Good => record.default.is_some_and(|default| {
            let is_confirmed =
                record.last_boot.is_some_and(|LastBoot { slot, confirmed, .. }| slot == default && confirmed);
            can_return(default) && is_confirmed
        }),
        SlotState::Proven => !can_boot(id) || record.ids().any(|(other, _)| other != id && can_return(other)),
        SlotState::Empty | SlotState::Writing | SlotState::Bad { .. } => true,
    }
}
