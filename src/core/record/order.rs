//! The slots that may be booted without counting, best first. Every copy carries their partitions in a place that is
//! the same in all format versions, for agents that cannot read the rest.

use super::{Record, Slot};
use crate::manifest::compare_versions;
use crate::slot::{SlotId, SlotState, Uuid};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Whether a version is lower than the floor. An empty floor is none.
pub(crate) fn is_below(floor: &str, version: &str) -> bool {
    !floor.is_empty() && compare_versions(version, floor).is_lt()
}

impl Record {
    /// Their partitions: the default, the other good slots (those below the floor last, else the one that was confirmed
    /// last first), then what is proven.
    pub(super) fn order(&self) -> Vec<Uuid> {
        let is_below =
            |id: SlotId| self.slot(id).version().is_some_and(|version| is_below(&self.floor, version));
        let ready = self.ids().filter(|(_, slot)| matches!(slot.state, SlotState::Good | SlotState::Proven));
        let mut ready: Vec<_> = ready.collect();
        let rank = |(id, slot): &(SlotId, &Slot)| {
            let is_good = slot.state == SlotState::Good;
            let is_default = is_good && self.default == Some(*id);
            // Of equals the last good one and the first proven one, as the decision has it.
            let place = if is_good { u8::MAX - id.0 } else { id.0 };
            (!is_default, !is_good, is_good && is_below(*id), Reverse(slot.confirmed), place)
        };
        let mut order = Vec::new();
        // The library's sort is 10 kB, for at most eight slots.
        while let Some(best) = (0..ready.len()).min_by_key(|at| rank(&ready[*at])) {
            order.extend(ready.remove(best).1.partition());
        }
        order
    }
}
