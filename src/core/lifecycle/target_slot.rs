//! Where a new image goes, or why the machine takes none: `status`, `stage`, `prepare`, `doctor` and the download ask
//! here, so that they agree. [`Blocked`] says in which order it answers.

use super::{Blocked, RecordFault, choose_target};
use crate::record::Record;
use crate::slot::{SlotId, SlotObservation};

/// What has to be known of a machine beside its record.
#[derive(Debug, Clone, Copy)]
pub struct MachineFacts<'a> {
    /// Whether the machine type is known.
    pub is_configured: bool,
    /// What is wrong with the record.
    pub trouble: Option<&'a RecordFault>,
    /// What was seen of each slot of the record.
    pub seen: &'a [SlotObservation],
}

/// The slot that a new image goes to, or why the machine takes none.
pub fn place(record: &Record, facts: MachineFacts<'_>) -> Result<SlotId, Blocked> {
    if !facts.is_configured {
        return Err(Blocked::NotConfigured);
    }
    if let Some(trouble) = facts.trouble {
        return Err(Blocked::Record(trouble.clone()));
    }
    if let Some(id) = record.trial() {
        return Err(Blocked::trial(record, id));
    }
    let seen = |id: SlotId| facts.seen.get(id.index());
    let id = choose_target(record, &|id| seen(id).is_some_and(|seen| seen.can_enter()))?;
    match seen(id) {
        Some(seen) if seen.can_write() => Ok(id),
        _ => Err(Blocked::SlotMissing(record.slot(id).name.clone())),
    }
}
