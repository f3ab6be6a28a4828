//! The table of the module's documentation, in its order.

use super::{Observation, Reason, Request, Settled, SlotObservation, Target};
use crate::config::{Assess, Policy};
use crate::lifecycle;
use crate::mutant::{self, Mutant};
use crate::record::{LastBoot, Record, Update};
use crate::slot::{SlotId, SlotState};

/// Seconds of the first wait in recovery; each further round doubles it, up to [`LONGEST_WAIT`].
pub const FIRST_WAIT: u64 = 10;
/// The longest such wait, in seconds.
pub const LONGEST_WAIT: u64 = 600;
/// Seconds that recovery waits for a key when it was asked for.
const ASKED_WAIT: u64 = 60;

/// Chooses, and writes the consequences into `record`. A boot that falls back because the default is broken says
/// so, and its confirmation makes another slot the default. What is missing or does not answer may be well at the
/// next boot.
pub(super) fn choose(
    record: &mut Record,
    seen: &Observation,
    policy: &Policy,
    settled: &[Settled],
) -> (Target, Reason) {
    let (target, reason) = first_row(record, seen, policy, settled);
    let is_broken =
        |id: SlotId| !record.is_good(id) || seen.slots.get(id.index()).is_some_and(|slot| slot.is_broken());
    let is_other = matches!(reason, Reason::Fallback { .. } | Reason::RecoveryRetry);
    let fell_back = is_other && record.default.is_none_or(is_broken);
    let default = record.default;
    if let (Some(boot), Target::Boot(id)) = (&mut record.last_boot, target) {
        boot.fell_back = fell_back && default != Some(id) && boot.slot == id;
    }
    (target, reason)
}

fn first_row(
    record: &mut Record,
    seen: &Observation,
    policy: &Policy,
    settled: &[Settled],
) -> (Target, Reason) {
    let fits = |id: SlotId| seen.slots.get(id.index()) == Some(&SlotObservation::Present);
    let usable = |id: SlotId| seen.slots.get(id.index()).is_some_and(|slot| slot.can_enter());
    if let Some(Request::Hand { slot, keep }) = seen.request
        && usable(slot)
        && was_proven(record, slot)
    {
        return by_hand(record, policy, slot, keep);
    }
    if let (Some(Request::Recovery { shell }), false) = (seen.request, seen.recovery_waited) {
        return asked_recovery(record, seen, shell);
    }
    if !seen.can_persist {
        return match uncounted(record, &fits).or_else(|| uncounted(record, &usable)) {
            Some(id) => (Target::Boot(id), Reason::NoRecord),
            None => last(record, policy, seen),
        };
    }
    let eligible = |id: SlotId| usable(id) && record.slot(id).state.is_eligible();
    if let Some(Request::Slot(id)) = seen.request
        && eligible(id)
        && lifecycle::may_choose(record, id)
    {
        return boot(record, policy, id, Reason::Requested);
    }
    if let Some(id) = record.once.filter(|id| usable(*id) && was_proven(record, *id)) {
        return boot(record, policy, id, Reason::Once);
    }
    let is_writable = |id: SlotId| seen.slots.get(id.index()).is_some_and(|slot| slot.can_write());
    let target = record.update.target();
    let can_apply = target.is_some_and(|id| is_writable(id) && lifecycle::may_write(record, id, &usable));
    if let Update::Due { target, starts_left, starts_left_in_all, .. } = &mut record.update
        && can_apply
        && seen.apply.is_none()
    {
        let one = u8::from(!mutant::is(Mutant::StartsNeverEnd));
        *starts_left = starts_left.saturating_sub(one);
        *starts_left_in_all = starts_left_in_all.saturating_sub(one);
        let starts_left = *starts_left.min(starts_left_in_all);
        return (Target::Apply(*target), Reason::ApplyDue { starts_left });
    }
    if let Some(id) = record.trial().filter(|id| fits(*id) && record.slot(*id).state.is_eligible()) {
        return boot(record, policy, id, Reason::Trial { tries_left: 0 });
    }
    if let Some(id) = good(record, &fits).or_else(|| good(record, &usable)) {
        let is_default = record.default == Some(id);
        let skipped = record.default.filter(|_| !is_default).map(|skipped| Reason::Fallback { skipped });
        let reason = skipped.or_else(|| skipped_trial(record, settled)).unwrap_or(Reason::Default);
        return boot(record, policy, id, reason);
    }
    if let Some(id) = record.trial().filter(|id| usable(*id) && record.slot(*id).state.is_eligible()) {
        return boot(record, policy, id, Reason::Trial { tries_left: 0 });
    }
    if let Some(id) = first_proven(record, &usable)
        && record.trial().is_none()
    {
        lifecycle::make_trial(record, id, policy);
        return boot(record, policy, id, Reason::OnlyProven);
    }
    last(record, policy, seen)
}

fn was_proven(record: &Record, id: SlotId) -> bool {
    let slot = record.slot(id);
    slot.state.was_proven() && slot.image.is_some()
}

/// The slot that somebody at the console names; made the default when that is asked for and it is good. A trial
/// that is pending stays so: who looks around does not reject it.
fn by_hand(record: &mut Record, policy: &Policy, id: SlotId, keep: bool) -> (Target, Reason) {
    if let (true, None, Ok((next, _))) =
        (keep, record.trial(), lifecycle::rollback(record, Some(id), true, &|_| true))
    {
        *record = next;
    }
    boot(record, policy, id, Reason::ByHand)
}

/// Recovery that the kernel command line asks for; no round of it is counted.
fn asked_recovery(record: &mut Record, seen: &Observation, shell: bool) -> (Target, Reason) {
    if !shell && seen.recovery == SlotObservation::Present {
        record.last_boot = None;
        return (Target::RecoverySlot, Reason::Requested);
    }
    (Target::Recovery { wait: ASKED_WAIT, shell: true }, Reason::Requested)
}

/// What is left when no slot is good, on trial, or proven.
fn last(record: &mut Record, policy: &Policy, seen: &Observation) -> (Target, Reason) {
    // A slot that is bad comes after the recovery slot: it may mount well, and hang every time.
    let has_recovery = seen.recovery == SlotObservation::Present;
    let candidate = last_resort(record, seen).filter(|_| seen.recovery_waited && !policy.strict);
    if let Some(id) = candidate.filter(|id| !has_recovery || record.is_good(*id)) {
        let is_known = record.slot(id).image.is_some();
        return boot(record, policy, id, if is_known { Reason::RecoveryRetry } else { Reason::LastResort });
    }
    if seen.recovery_waited && has_recovery {
        record.last_boot = None;
        return (Target::RecoverySlot, Reason::RecoverySlot);
    }
    recovery(record, seen)
}

/// Counts the attempt when it is a trial's, and notes where the hand-off goes.
fn boot(record: &mut Record, policy: &Policy, id: SlotId, reason: Reason) -> (Target, Reason) {
    let mut reason = reason;
    record.once = None;
    if let SlotState::Trial { tries_left, handoffs_left } = &mut record.slot_mut(id).state {
        *tries_left = tries_left.saturating_sub(1);
        *handoffs_left = handoffs_left.saturating_sub(1);
        if let Reason::Trial { tries_left: left } = &mut reason {
            *left = (*tries_left).min(*handoffs_left);
        }
    }
    // Under `upgrade` a good slot that boots again keeps its confirmation, and nothing is written.
    let again = record.last_boot.is_some_and(|boot| boot.slot == id && boot.confirmed);
    if !(policy.assess == Assess::Upgrade && again && record.is_good(id)) {
        record.last_boot = Some(LastBoot { slot: id, confirmed: false, fell_back: false });
    }
    (Target::Boot(id), reason)
}

/// Why the default boots although a trial was expected.
fn skipped_trial(record: &Record, settled: &[Settled]) -> Option<Reason> {
    let bad = settled.iter().find_map(|settled| match settled {
        Settled::TrialBad(from, why) => Some(Reason::RolledBack { from: *from, why: *why }),
        _ => None,
    });
    bad.or_else(|| record.trial().map(|skipped| Reason::Fallback { skipped }))
}

/// The default, or else the good slot that was confirmed last.
fn good(record: &Record, usable: &impl Fn(SlotId) -> bool) -> Option<SlotId> {
    let default = record.default.filter(|id| usable(*id) && record.is_good(*id));
    default.or_else(|| latest_good(record, usable))
}

/// The good slot that was confirmed last; one below the floor only where there is no better one.
fn latest_good(record: &Record, usable: &impl Fn(SlotId) -> bool) -> Option<SlotId> {
    let good = record.ids().filter(|(id, slot)| slot.state == SlotState::Good && usable(*id));
    good.max_by_key(|(id, slot)| (!lifecycle::below_floor(record, *id), slot.confirmed)).map(|(id, _)| id)
}

fn first_proven(record: &Record, usable: &impl Fn(SlotId) -> bool) -> Option<SlotId> {
    record.ids().find(|(id, slot)| slot.state == SlotState::Proven && usable(*id)).map(|(id, _)| id)
}

/// What may be booted without counting: good slots first, then what is proven, and what was on trial only
/// when nothing else is there.
fn uncounted(record: &Record, usable: &impl Fn(SlotId) -> bool) -> Option<SlotId> {
    let trial = || record.trial().filter(|id| usable(*id) && record.slot(*id).state.is_eligible());
    good(record, usable).or_else(|| first_proven(record, usable)).or_else(trial)
}

/// The slot that recovery tries once it has waited: the last good one, else the one that was confirmed last, else any
/// that holds an image. Also one whose trailer is damaged: there is nothing left to lose. At last one of which nothing
/// is known: it may have been filled by other means, and the record that said so may be lost.
fn last_resort(record: &Record, seen: &Observation) -> Option<SlotId> {
    let untried = |id: SlotId| seen.slots.get(id.index()).is_some_and(|slot| slot.is_untried());
    let is_known = |id: SlotId| !matches!(record.slot(id).state, SlotState::Other(_));
    let whole = |id: SlotId| untried(id) && record.slot(id).image.is_some() && is_known(id);
    let known = || record.ids().filter(|(id, _)| whole(*id)).max_by_key(|(_, slot)| slot.confirmed);
    let unknown = || record.ids().find(|(id, slot)| untried(*id) && slot.state == SlotState::Empty);
    let found = record.default.filter(|id| whole(*id)).or_else(|| known().map(|(id, _)| id));
    found.or_else(|| unknown().map(|(id, _)| id))
}

fn recovery(record: &mut Record, seen: &Observation) -> (Target, Reason) {
    // The recovery slot is not kept waiting by the rounds of earlier boots.
    let shell = seen.recovery != SlotObservation::Present;
    let doublings = if shell { u32::from(record.recovery_rounds).min(10) } else { 0 };
    let wait = (FIRST_WAIT << doublings).min(LONGEST_WAIT);
    record.recovery_rounds = record.recovery_rounds.saturating_add(1);
    (Target::Recovery { wait, shell }, Reason::NothingLeft)
}
