//! The way of an image into a slot.

use super::{Blocked, CanBoot, Refusal, choose_target, make_trial, make_writing, may_write, not_below};
use crate::config::Policy;
use crate::mutant::{self, Mutant};
use crate::record::{Record, Staged, Update};
use crate::slot::{MAX_COUNT, SlotId, SlotState};

/// What `activate` made due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activated {
    /// The next early boot applies the staged bundle to this slot.
    Apply(SlotId),
    /// The next boot tries this slot.
    Trial(SlotId),
}

/// Notes a bundle that is durable in the staging area. An older one that was only staged, or due, is
/// replaced; a slot that was half written for it is chosen again later. An image is installed when the default has it
/// and can boot.
pub fn stage(record: &Record, bundle: Staged, force: bool, can_boot: CanBoot<'_>) -> Result<Record, Refusal> {
    let id = bundle.image.id;
    if !force && id.is_some_and(|id| record.bad_images.contains(&id)) {
        return Err(Refusal::RememberedBad);
    }
    let installed = record.default.filter(|id| can_boot(*id)).and_then(|id| record.slot(id).image_id());
    if !force && id.is_some() && installed == id {
        return Err(Refusal::AlreadyInstalled);
    }
    if record.update.bundle() == Some(&bundle) && (record.trial().is_some() || !is_given_up(record)) {
        return Ok(record.clone());
    }
    not_newer(record)?;
    let mut next = record.clone();
    if force {
        next.bad_images.retain(|bad| Some(*bad) != id);
    }
    next.update = Update::Staged(bundle);
    Ok(next)
}

/// Refuses to go on with an update that stands where only a newer everboot knows.
fn not_newer(record: &Record) -> Result<(), Refusal> {
    if matches!(record.update, Update::Other { .. }) { Err(Refusal::NewerUpdate) } else { Ok(()) }
}

/// Whether the kept bundle is in no slot any more from which it could be tried.
fn is_given_up(record: &Record) -> bool {
    let Update::Kept(bundle) = &record.update else { return false };
    let holds = |slot: &crate::record::Slot| {
        !matches!(slot.state, SlotState::Bad { .. }) && slot.image.as_ref() == Some(&bundle.image)
    };
    !record.slots.iter().any(holds)
}

/// Chooses the slot for the staged bundle, or the one that an earlier prepare had begun with.
pub fn begin_prepare(record: &Record, can_boot: CanBoot<'_>) -> Result<(Record, SlotId), Refusal> {
    if let Some(id) = record.trial() {
        return Err(Blocked::trial(record, id).into());
    }
    let (bundle, target) = match &record.update {
        Update::Preparing { bundle, target } if may_write(record, *target, can_boot) => {
            (bundle.clone(), *target)
        }
        Update::Preparing { bundle, .. } | Update::Staged(bundle) | Update::Due { bundle, .. } => {
            (bundle.clone(), choose_target(record, can_boot)?)
        }
        Update::Other { .. } => return Err(Refusal::NewerUpdate),
        Update::None | Update::Kept(_) => return Err(Refusal::NothingStaged),
    };
    let mut next = record.clone();
    make_writing(&mut next, target);
    next.update = Update::Preparing { bundle, target };
    Ok((next, target))
}

/// The slot was written, read back and found right.
pub fn prepared(record: &Record) -> Record {
    let mut next = record.clone();
    if let Update::Preparing { bundle, target } = &record.update {
        hold(&mut next, bundle, *target);
    }
    next
}

/// An early apply is about to write: nothing is known of its slot from now on.
pub fn begin_apply(record: &Record) -> Record {
    let mut next = record.clone();
    if let Update::Due { target, .. } = record.update {
        make_writing(&mut next, target);
    }
    next
}

/// A trial that could not be entered because its device failed has not used up a try. The hand-off stays
/// counted, so that this has an end.
pub fn untried(record: &Record, id: SlotId) -> Record {
    let mut next = record.clone();
    if let SlotState::Trial { tries_left, handoffs_left } = &mut next.slot_mut(id).state {
        *tries_left = tries_left.saturating_add(1).min(MAX_COUNT);
        *handoffs_left += u8::from(mutant::is(Mutant::HandoffsGivenBack));
    }
    next
}

/// [`prepared`] in early boot, where the slot is tried at once.
pub fn applied(record: &Record, policy: &Policy) -> Record {
    let mut next = record.clone();
    if let Update::Due { bundle, target, .. } = &record.update {
        hold(&mut next, bundle, *target);
        make_trial(&mut next, *target, policy);
    }
    next
}

fn hold(next: &mut Record, bundle: &Staged, target: SlotId) {
    let slot = next.slot_mut(target);
    slot.state = SlotState::Proven;
    slot.image = Some(bundle.image.clone());
    slot.confirmed = 0;
    next.update = Update::Kept(bundle.clone());
}

/// An early apply has proven a block that was not proven before: it has all its starts again, but for those that
/// nothing gives back.
pub fn progressed(record: &Record, policy: &Policy) -> Record {
    let mut next = record.clone();
    if let Update::Due { starts_left, starts_left_in_all, .. } = &mut next.update {
        *starts_left = policy.apply_starts;
        if mutant::is(Mutant::StartsInAllGivenBack) {
            *starts_left_in_all = policy.apply_starts_in_all;
        }
    }
    next
}

/// Makes due what is staged, or puts on trial what is prepared.
pub fn activate(
    record: &Record,
    policy: &Policy,
    can_boot: CanBoot<'_>,
) -> Result<(Record, Activated), Refusal> {
    not_newer(record)?;
    let mut next = record.clone();
    if let Update::Due { target, .. } = record.update {
        return Ok((next, Activated::Apply(target)));
    }
    if let Update::Staged(bundle) | Update::Preparing { bundle, .. } = &record.update {
        if let Some(id) = record.trial() {
            return Err(Blocked::trial(record, id).into());
        }
        // A prepare that was cut goes on in early boot, in the slot in which it began.
        let begun = record.update.target().filter(|target| may_write(record, *target, can_boot));
        let target = begun.map_or_else(|| choose_target(record, can_boot), Ok)?;
        let (starts_left, starts_left_in_all) = (policy.apply_starts, policy.apply_starts_in_all);
        next.update = Update::Due { bundle: bundle.clone(), target, starts_left, starts_left_in_all };
        return Ok((next, Activated::Apply(target)));
    }
    if let Some(id) = record.trial() {
        return Ok((next, Activated::Trial(id)));
    }
    let proven = record.ids().filter(|(_, slot)| slot.state == SlotState::Proven);
    let kept = record.update.bundle().and_then(|bundle| bundle.image.id);
    let chosen = proven.max_by_key(|(_, slot)| slot.image_id() == kept).map(|(id, _)| id);
    let id = chosen.ok_or(Refusal::NothingStaged)?;
    not_below(record, id)?;
    make_trial(&mut next, id, policy);
    Ok((next, Activated::Trial(id)))
}

/// Withdraws an update that was not booted yet. What is in a slot stays there, unbootable until activated.
pub fn cancel(record: &Record) -> Result<Record, Refusal> {
    let mut next = end_trial(record)?;
    next.update = Update::None;
    Ok(next)
}

/// Ends a trial that does not run, without a verdict: its slot stays as it is, unbootable until activated.
pub fn end_trial(record: &Record) -> Result<Record, Refusal> {
    let mut next = record.clone();
    if let Some(id) = record.trial() {
        if record.last_boot.is_some_and(|boot| boot.slot == id) {
            return Err(Refusal::TrialRunning(id));
        }
        next.slot_mut(id).state = SlotState::Proven;
    }
    Ok(next)
}
