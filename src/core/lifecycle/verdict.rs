//! What the running system, or its operator, says of a slot.

use super::{CanBoot, Refusal, below_floor, make_bad, not_below};
use crate::record::{LastBoot, Record, Slot, Update};
use crate::slot::{BadReason, SlotId, SlotState};

/// A confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The record that says so.
    pub record: Record,
    /// The slot.
    pub slot: SlotId,
    /// The generation of the mark that has to be in the slot's trailer before the record is saved; absent
    /// when the slot was confirmed before.
    pub mark: Option<u64>,
}

/// The running system is good: a trial becomes the default, and so does a good slot that the boot fell back to, because
/// the default could not be entered; it becomes good if it was not. A good slot that somebody named does not.
pub fn confirm(record: &Record) -> Result<Confirmation, Refusal> {
    let LastBoot { slot, fell_back, .. } = record.last_boot.ok_or(Refusal::NotBooted)?;
    if record.slot(slot).image.is_none() {
        return Err(Refusal::NothingIn(slot));
    }
    let was_rejected = matches!(
        record.slot(slot).state,
        SlotState::Bad { reason: BadReason::Rejected | BadReason::RolledBack }
    );
    // Of an earlier boot, when the boot fell back to the slot: nothing else boots.
    if was_rejected && !fell_back {
        return Err(Refusal::Rejected(slot));
    }
    if matches!(record.slot(slot).state, SlotState::Other(_)) {
        return Err(Refusal::NewerState);
    }
    let mut next = record.clone();
    let has_good_default = record.default.is_some_and(|default| record.is_good(default));
    // A slot that was booted by name, once, is no candidate: whoever wants it to be one activates it.
    let is_booted_once = has_good_default
        && !fell_back
        && matches!(record.slot(slot).state, SlotState::Proven | SlotState::Bad { .. });
    let was_good = record.is_good(slot) || is_booted_once;
    let highest = record.slots.iter().map(|slot| slot.confirmed).max().unwrap_or(0);
    let takes_over = was_good && fell_back && record.default != Some(slot);
    let mark = (!was_good || takes_over).then_some(highest.saturating_add(1));
    if let Some(generation) = mark {
        let entry = next.slot_mut(slot);
        entry.state = SlotState::Good;
        entry.confirmed = generation;
        let image = entry.image_id();
        next.bad_images.retain(|bad| Some(*bad) != image);
        next.default = Some(slot);
    } else if !has_good_default {
        next.default = Some(slot);
    }
    let mut done = matches!(record.update, Update::Kept(_));
    // An update that was about to write the new default is void.
    done |= record.update.target() == next.default;
    if done && record.trial().is_none_or(|trial| trial == slot) {
        next.update = Update::None;
    }
    next.last_boot = Some(LastBoot { slot, confirmed: true, fell_back: false });
    next.recovery_rounds = 0;
    Ok(Confirmation { record: next, slot, mark })
}

/// Makes a slot unbootable from now on, and remembers its image as bad.
pub fn reject(record: &Record, id: SlotId, can_boot: CanBoot<'_>) -> Result<Record, Refusal> {
    let mut next = record.clone();
    match record.slot(id).state {
        SlotState::Bad { .. } => return Ok(next),
        SlotState::Empty | SlotState::Writing => return Err(Refusal::NothingIn(id)),
        SlotState::Good => {
            let other = other_good(record, id, can_boot).ok_or(Refusal::OnlyGood(id))?;
            if record.default == Some(id) {
                next.default = Some(other);
            }
        }
        SlotState::Trial { .. } | SlotState::Proven | SlotState::Other(_) => {}
    }
    make_bad(&mut next, id, BadReason::Rejected);
    // Somebody has said so in the boot that runs.
    next.last_boot =
        record.last_boot.map(|boot| LastBoot { fell_back: boot.fell_back && boot.slot != id, ..boot });
    drop_update(&mut next, id);
    Ok(next)
}

/// Returns to a good slot: to the one that is named; else from a trial to the default, and from the default to
/// the good slot that was confirmed before it. A default that is left stays good, so doing it again undoes it;
/// a trial that is left is bad. With `force` also to a slot below the floor. The slot counts as confirmed last from
/// then on: its mark, which the caller renews, says so where the record is lost.
pub fn rollback(
    record: &Record,
    to: Option<SlotId>,
    force: bool,
    can_boot: CanBoot<'_>,
) -> Result<(Record, SlotId), Refusal> {
    let mut next = record.clone();
    let trial = record.trial();
    let target = match to {
        Some(id) if record.is_good(id) => id,
        Some(id) => return Err(Refusal::NotGood(record.slot(id).state)),
        None => previous(record, trial, can_boot).ok_or(Refusal::NoOtherGood)?,
    };
    if !force {
        not_below(record, target)?;
    }
    if let Some(trial) = trial {
        make_bad(&mut next, trial, BadReason::RolledBack);
        drop_update(&mut next, trial);
    }
    next.default = Some(target);
    let highest = record.slots.iter().map(|slot| slot.confirmed).max().unwrap_or(0);
    let entry = next.slot_mut(target);
    if entry.confirmed < highest {
        entry.confirmed = highest.saturating_add(1);
    }
    next.once = None;
    drop_update(&mut next, target);
    Ok((next, target))
}

/// The good slot to return to when none is named.
fn previous(record: &Record, trial: Option<SlotId>, can_boot: CanBoot<'_>) -> Option<SlotId> {
    let default = record.default.filter(|id| record.is_good(*id) && can_boot(*id));
    match trial {
        Some(trial) => default.or_else(|| other_good(record, trial, can_boot)),
        None => other_good(record, record.default?, can_boot),
    }
}

/// The good slot other than `id` that can boot and was confirmed last; one below the floor only where there is no
/// better one.
fn other_good(record: &Record, id: SlotId, can_boot: CanBoot<'_>) -> Option<SlotId> {
    let is_good = |other, slot: &Slot| other != id && slot.state == SlotState::Good && can_boot(other);
    let good = record.ids().filter(|(other, slot)| is_good(*other, slot));
    good.max_by_key(|(id, slot)| (!below_floor(record, *id), slot.confirmed)).map(|(other, _)| other)
}

/// Forgets an update that brought the image into slot `id`, or was about to write it.
fn drop_update(next: &mut Record, id: SlotId) {
    let image = next.slot(id).image_id();
    let same = |bundle: &crate::record::Staged| image.is_some() && bundle.image.id == image;
    let concerns = next.update.target() == Some(id)
        || next.update.target().is_some() && next.update.target() == next.default
        || next.update.bundle().is_some_and(same);
    if concerns {
        next.update = Update::None;
    }
}
