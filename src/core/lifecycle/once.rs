//! The choice of the next boot, and of no other.

use super::{Refusal, not_below};
use crate::record::Record;
use crate::slot::{SlotId, SlotState};

/// The next boot goes to the slot, whatever else is due; the one after it as if nothing had been said. With
/// `force` also to a bad one, whose bytes were proven once, and to one below the floor.
pub fn boot_once(record: &Record, id: SlotId, force: bool) -> Result<Record, Refusal> {
    let slot = record.slot(id);
    if record.update.target() == Some(id) {
        return Err(Refusal::AboutToBeWritten(id));
    }
    match slot.state {
        state if !state.was_proven() || slot.image.is_none() => return Err(Refusal::NothingIn(id)),
        _ if force => {}
        SlotState::Bad { reason } => return Err(Refusal::Bad(reason)),
        _ => not_below(record, id)?,
    }
    Ok(Record { once: Some(id), ..record.clone() })
}

/// Withdraws it.
pub fn not_once(record: &Record) -> Record {
    Record { once: None, ..record.clone() }
}
