//! Which saves count an attempt.

use crate::record::{Record, Update};
use crate::slot::SlotState;

/// Whether a save counts what must never be given back: a try or a hand-off of a trial, a start of an apply, or the one
/// boot that somebody asked for.
pub fn counts_attempt(before: &Record, after: &Record) -> bool {
    let is_tried =
        before.slots.iter().zip(&after.slots).any(|(before, after)| {
            matches!(after.state, SlotState::Trial { .. }) && before.state != after.state
        });
    let starts = |record: &Record| match record.update {
        Update::Due { starts_left, starts_left_in_all, .. } => Some((starts_left, starts_left_in_all)),
        _ => None,
    };
    let is_started = starts(after).is_some() && starts(before) != starts(after);
    is_tried || is_started || (before.once.is_some() && after.once.is_none())
}
