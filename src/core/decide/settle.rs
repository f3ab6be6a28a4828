//! Conclusions that hold whatever is chosen: a trial whose counters are used up or whose image is broken is
//! bad; an apply that brings nothing, or failed, is given up.

use super::{ApplyFault, Observation, Settled, SlotObservation};
use crate::lifecycle;
use crate::mutant::{self, Mutant};
use crate::record::{Record, Update};
use crate::slot::{BadReason, RootFault, SlotId, SlotState};
use alloc::vec::Vec;

/// Draws them in `record`, and says which.
pub(super) fn settle(record: &mut Record, seen: &Observation) -> Vec<Settled> {
    let mut settled = Vec::new();
    if let Some((id, why)) = record.trial().and_then(|id| Some((id, verdict(record, seen, id)?))) {
        lifecycle::make_bad(record, id, why);
        settled.push(Settled::TrialBad(id, why));
    }
    // A trial that has no modules for this kernel would wait for ever, and keep other updates away.
    let seen_at = |id: SlotId| seen.slots.get(id.index());
    if let Some(id) = record.trial().filter(|id| seen_at(*id) == Some(&SlotObservation::OtherKernel))
        && record
            .ids()
            .any(|(good, _)| record.is_good(good) && seen_at(good).is_some_and(|slot| slot.can_enter()))
    {
        record.slot_mut(id).state = SlotState::Proven;
    }
    let failed = |id: &SlotId| matches!(seen.slots.get(id.index()), Some(SlotObservation::Failed(_)));
    if let (true, Some(id)) = (mutant::is(Mutant::GoodMadeBad), record.default.filter(failed)) {
        lifecycle::make_bad(record, id, BadReason::NotMountable);
    }
    if let (true, Some(bundle)) =
        (seen.apply.is_some() && mutant::is(Mutant::ErrorMakesBad), record.update.bundle())
    {
        record.remember_bad(bundle.image.id);
    }
    if let Some(given_up) = apply_verdict(record, seen) {
        record.update = Update::None;
        settled.push(given_up);
    }
    settled
}

/// Why the trial at `id` is bad, if it is. A device that does not answer is no reason.
fn verdict(record: &Record, seen: &Observation, id: SlotId) -> Option<BadReason> {
    match (seen.slots.get(id.index()), record.slot(id).state) {
        (Some(SlotObservation::Failed(RootFault::Device)), _) if mutant::is(Mutant::DeviceMakesBad) => {
            Some(BadReason::NotMountable)
        }
        // Before the counters: the attempt of this very boot is already counted, and may still be under way. A
        // trial that was entered on its last try and failed by its device is passed over, and judged at the next
        // boot.
        (Some(SlotObservation::Failed(fault)), _) => BadReason::of(*fault),
        _ if mutant::is(Mutant::TriesNeverEnd) => None,
        (_, SlotState::Trial { tries_left: 0, .. }) => Some(BadReason::TriesExhausted),
        (_, SlotState::Trial { handoffs_left: 0, .. }) => Some(BadReason::HandoffsExhausted),
        _ => None,
    }
}

fn apply_verdict(record: &Record, seen: &Observation) -> Option<Settled> {
    let Update::Due { target, starts_left, starts_left_in_all, .. } = record.update else { return None };
    // While the other slots are missing or do not answer, the update waits.
    let may_come = |id: SlotId| {
        let slot = seen.slots.get(id.index());
        slot.is_some_and(|slot| if id == target { slot.can_enter() } else { slot.may_come() })
    };
    if seen.apply == Some(ApplyFault::Image) {
        Some(Settled::ApplyFailed(target))
    } else if starts_left == 0 || starts_left_in_all == 0 {
        Some(Settled::ApplyAbandoned(target))
    } else if !lifecycle::may_write(record, target, &may_come) {
        Some(Settled::ApplyRefused(target))
    } else {
        None
    }
}
