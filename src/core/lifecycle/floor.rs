//! The floor: no lower version comes onto the machine any more. A confirmation raises it; only
//! `record init --force` lowers it.
//!
//! A good slot below it stays good, and is booted when no other can be: a floor never keeps a machine down. To choose
//! such a slot takes --force.

use crate::mutant::{self, Mutant};
use crate::record::{Record, is_below};
use crate::slot::SlotId;
use alloc::borrow::ToOwned;

/// Whether the version in a slot is lower than the floor. One that nobody knows is not.
pub fn below_floor(record: &Record, id: SlotId) -> bool {
    record.slot(id).version().is_some_and(|version| is_below(&record.floor, version))
}

/// Whether somebody may choose the slot without force: the default, and what is not below the floor.
pub fn may_choose(record: &Record, id: SlotId) -> bool {
    record.default == Some(id) || !below_floor(record, id)
}

/// Raises the floor to this version, if it is lower.
pub fn raise_floor(record: &mut Record, to: &str) {
    let is_higher = record.floor.is_empty() || is_below(to, &record.floor) || mutant::is(Mutant::FloorSinks);
    if is_higher && !mutant::is(Mutant::FloorForgotten) {
        to.clone_into(&mut record.floor);
    }
}
