//! What must hold after every crash and every boot: each promise of the design once, for the search in memory, for the
//! images of a real disk, and for the tests that run again with power cuts.
//!
//! They look at [`Facts`] alone. What only one of the three can see (its events, its pages, its programs) is given as a
//! plain value, or is an invariant of its own beside it.

use super::facts::Facts;
use super::violation::{Check, Violation, hold};
use everboot_core::decide::{Decision, Target};
use everboot_core::manifest::{Manifest, compare_versions};
use everboot_core::record::{Record, Slot, Staged, Update};
use everboot_core::slot::{ImageId, SlotId, SlotState};

/// What was entered at the end of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// The slot; none where it is the recovery slot, or a partition that is no slot's.
    pub slot: Option<SlotId>,
    /// Whether the boot had waited in recovery and then tried the last good slot, which has nothing to lose.
    pub after_recovery: bool,
}

/// Promise 2. Image and tree of the last good slot never change; its trailer may get a mark. `is_same` says whether a
/// slot has its bytes still.
pub fn invariant_known_good_untouched(was: &Facts, is_same: impl FnOnce(SlotId) -> bool) -> Check {
    let Some(id) = was.known_good() else { return Ok(()) };
    hold(is_same(id), "known_good_untouched", || {
        format!("slot {} was the last good one, and was written", id.0)
    })
}

/// Promise 3. What the record calls proven, on trial or good has every block of its image. A good slot that was filled
/// by other means has no root hash, and nothing to be held against.
pub fn invariant_eligible_slots_are_whole(is: &Facts) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids() {
        let claims = slot.state == SlotState::Proven || slot.state.is_eligible();
        let Some(root) = slot.image.as_ref().and_then(|image| image.id) else {
            hold(!claims || slot.state == SlotState::Good, "eligible_slots_are_whole", || {
                format!("{} is {}, and its image has no root hash", slot.name, slot.state)
            })?;
            continue;
        };
        let found = is.whole[id.index()];
        hold(!claims || found == Some(root), "eligible_slots_are_whole", || {
            format!("{} is {} with image {root}, and holds {found:?}", slot.name, slot.state)
        })?;
    }
    Ok(())
}

/// Promise 3, for the day on which the record is lost: a slot with a trailer has every block.
pub fn invariant_trailers_tell_the_truth(is: &Facts) -> Check {
    for (slot, trailer) in is.trailers.iter().enumerate() {
        let lies = trailer.is_some() && is.whole[slot].is_none();
        hold(!lies, "trailers_tell_the_truth", || format!("slot {slot} has a trailer, and not its blocks"))?;
    }
    Ok(())
}

/// A good slot says so itself, should the record be lost; one that was never confirmed does not.
pub fn invariant_good_slots_are_marked(is: &Facts) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids() {
        let Some(trailer) = &is.trailers[id.index()] else { continue };
        let unmarked = slot.state == SlotState::Good && trailer.mark.is_none();
        hold(!unmarked, "good_slots_are_marked", || format!("{} is good, and has no mark", slot.name))?;
    }
    Ok(())
}

/// No version lower than the floor of an image that was confirmed comes onto the machine, from that instant on.
pub fn invariant_good_slots_raise_the_floor(is: &Facts) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids().filter(|(id, _)| record.is_good(*id)) {
        let is_insecure = slot.image.as_ref().is_some_and(|image| image.insecure);
        let Some(trailer) = is.trailers[id.index()].as_ref().filter(|_| !is_insecure) else { continue };
        let manifest = Manifest::parse(&trailer.signed.manifest).ok();
        let asked = manifest.map_or(String::new(), |manifest| manifest.floor);
        hold(!is_lower(&record.floor, &asked), "good_slots_raise_the_floor", || {
            format!("{} is good, its floor is {asked:?}, and the machine's {:?}", slot.name, record.floor)
        })?;
    }
    Ok(())
}

fn is_lower(floor: &str, other: &str) -> bool {
    compare_versions(floor, other).is_lt()
}

/// The floor never sinks, by none of the saves of a run.
pub fn invariant_floor_never_sinks(was: &Facts, saves: &[Option<Record>]) -> Check {
    let Some((_, before)) = &was.record else { return Ok(()) };
    let mut was = &before.floor;
    for is in saves.iter().flatten() {
        hold(!is_lower(&is.floor, was), "floor_never_sinks", || {
            format!("the floor was {was:?}, and is {:?}", is.floor)
        })?;
        was = &is.floor;
    }
    Ok(())
}

/// Promise 2 where two slots are good: one that can boot is given up only while the default is good, and was confirmed
/// in its latest boot.
pub fn invariant_another_is_good(began: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&began.record, &is.record) else { return Ok(()) };
    for (id, slot) in was.ids().filter(|(id, _)| was.is_good(*id)) {
        let given_up =
            began.can_boot(id) && !matches!(is.slot(id).state, SlotState::Good | SlotState::Bad { .. });
        let other = was.default.filter(|default| *default != id && was.is_good(*default));
        let sure =
            other.is_some_and(|slot| was.last_boot.is_some_and(|boot| boot.slot == slot && boot.confirmed));
        hold(!given_up || sure, "another_is_good", || format!("{} was good, and is written", slot.name))?;
    }
    Ok(())
}

/// The bundle that the record names is in the staging area, every byte of it, as `is_whole` finds.
pub fn invariant_named_bundle_is_there(is: &Facts, is_whole: impl FnOnce(&Staged) -> bool) -> Check {
    let Some(bundle) = is.record.as_ref().and_then(|(_, record)| record.update.bundle()) else {
        return Ok(());
    };
    hold(is_whole(bundle), "named_bundle_is_there", || {
        format!("version {} is staged, and is not there", bundle.image.version)
    })
}

/// One copy of the record can always be read, where one could be after the last barrier.
pub fn invariant_record_survives(durable: &Facts, is: &Facts) -> Check {
    let (least, found) = (durable.generation(), is.generation());
    hold(least == 0 || found > 0, "record_survives", || {
        format!("expected a record of generation {least} or higher, found none")
    })
}

/// The record is one that was saved, and never older than what a completed save had made durable.
pub fn invariant_no_regress(durable: &Facts, live: &Facts, is: &Facts) -> Check {
    let (least, most, found) = (durable.generation(), live.generation(), is.generation());
    hold((least..=most).contains(&found), "no_regress", || {
        format!("expected a record of generation {least} to {most}, found {found}")
    })?;
    let same = |other: &Facts| other.generation() != found || other.record == is.record;
    hold(same(durable) && same(live), "no_regress", || {
        format!("the record of generation {found} is not the one that was saved")
    })
}

/// Promise 1. Where a slot is good, a root is entered.
pub fn invariant_no_strand(was: &Facts, entered: Option<Entered>, said: impl FnOnce() -> String) -> Check {
    hold(entered.is_some() || !was.has_good(), "no_strand", || {
        format!("a slot is good, and the boot ends so: {}", said())
    })
}

/// Nobody waits in recovery while a slot is good and can be entered.
pub fn invariant_good_slot_needs_no_recovery(was: &Facts, entered: Option<Entered>) -> Check {
    let waited = entered.is_some_and(|entered| entered.after_recovery);
    let can_boot = [SlotId(0), SlotId(1)].into_iter().any(|id| was.can_boot(id));
    hold(!waited || !can_boot, "good_slot_needs_no_recovery", || {
        "a slot is good, and the boot waited in recovery".to_owned()
    })
}

/// What is entered holds an image, every block of it.
pub fn invariant_atomic_choice(entered: Option<Entered>, is: &Facts) -> Check {
    let Some(Entered { slot: Some(slot), .. }) = entered else { return Ok(()) };
    hold(is.whole[slot.index()].is_some(), "atomic_choice", || {
        format!("slot {} is entered, and is not whole", slot.0)
    })
}

/// The hand-offs that a trial has left.
pub fn handoffs_left(record: &Record, id: SlotId) -> Option<u8> {
    match record.slot(id).state {
        SlotState::Trial { handoffs_left, .. } => Some(handoffs_left),
        _ => None,
    }
}

/// Promise 4. Whatever the caches lose now, the attempt stays counted: `durable` is what would be left of the disk that
/// the boot left.
pub fn invariant_attempts_are_durable(was: &Facts, entered: Option<Entered>, durable: &Facts) -> Check {
    let (Some(Entered { slot: Some(id), after_recovery }), Some((_, durable))) = (entered, &durable.record)
    else {
        return Ok(());
    };
    let before = was.record.as_ref().and_then(|(_, record)| handoffs_left(record, id));
    let after = handoffs_left(durable, id);
    let counted = match (before, after) {
        _ if durable.is_good(id) => true,
        (Some(before), Some(after)) => after < before,
        (None, after) => after.is_some(),
        (Some(_), None) => true,
    };
    hold(counted || after_recovery, "attempts_are_durable", || {
        format!("slot {} is entered; its attempt is not durable: {before:?} before, {after:?} now", id.0)
    })
}

/// Promise 4 on a disk one block of which forgets: `left` is what the boot left, less one copy of the record, which is
/// lost or is what it was before.
pub fn invariant_attempts_outlive_a_copy(was: &Facts, entered: Option<Entered>, left: &Facts) -> Check {
    let counted = invariant_attempts_are_durable(was, entered, left);
    counted.map_err(|violation| Violation { invariant: "attempts_outlive_a_copy", ..violation })
}

/// A root is entered only when its trailer names the image that the record names; recovery has nothing to lose, and a
/// slot that was filled by other means has no root hash.
pub fn invariant_proof_before_entry(entered: Option<Entered>, is: &Facts) -> Check {
    let (Some(Entered { slot: Some(id), after_recovery }), Some((_, record))) = (entered, &is.record) else {
        return Ok(());
    };
    let expected = record.slot(id).image.as_ref().and_then(|image| image.id);
    let trailer = is.trailers[id.index()].as_ref();
    let named = trailer.and_then(|trailer| Manifest::parse(&trailer.signed.manifest).ok());
    let named = named.map(|manifest| manifest.image_id());
    hold(expected.is_none() || named == expected || after_recovery, "proof_before_entry", || {
        format!("slot {} is entered; the record names {expected:?}, the trailer {named:?}", id.0)
    })
}

/// Promise 4: an apply that is started over and over has an end. A start is counted before the slot is written; between
/// the saves, `None` stands for a write to a slot.
pub fn invariant_starts_are_counted(was: &Facts, saves: &[Option<Record>]) -> Check {
    let starts = |record: &Record| match record.update {
        Update::Due { starts_left, starts_left_in_all, .. } => Some((starts_left, starts_left_in_all)),
        _ => None,
    };
    let Some(before) = was.record.as_ref().and_then(|(_, record)| starts(record)) else { return Ok(()) };
    let mut latest = Some(before);
    for saved in saves {
        match saved {
            Some(record) => latest = starts(record),
            None => {
                let counted = latest.is_none_or(|left| left.0 < before.0 && left.1 < before.1);
                return hold(counted, "starts_are_counted", || {
                    format!("{before:?} starts left, and in all, and {latest:?} then")
                });
            }
        }
    }
    Ok(())
}

/// The starts in all that are left to the bundle whose apply is due.
fn starts_left_in_all(record: &Record) -> Option<(&Staged, u8)> {
    match &record.update {
        Update::Due { bundle, starts_left_in_all, .. } => Some((bundle, *starts_left_in_all)),
        _ => None,
    }
}

/// Promise 4: attempts are never given back, by none of the saves of a run; nor are the starts of an apply in all.
pub fn invariant_counters_never_rise(was: &Facts, saves: &[Option<Record>]) -> Check {
    let Some((_, before)) = &was.record else { return Ok(()) };
    let mut was = &**before;
    for is in saves.iter().flatten() {
        for (id, slot) in is.ids() {
            let same = was.slot(id).image == slot.image;
            let (before, after) = (handoffs_left(was, id), handoffs_left(is, id));
            let rose = matches!((before, after), (Some(before), Some(after)) if same && after > before);
            hold(!rose, "counters_never_rise", || {
                format!("{}: {before:?} hand-offs before, {after:?} after", slot.name)
            })?;
        }
        let rose = match (starts_left_in_all(was), starts_left_in_all(is)) {
            (Some((one, before)), Some((other, after))) => one == other && after > before,
            _ => false,
        };
        hold(!rose, "counters_never_rise", || "an apply got starts back that nothing gives back".to_owned())?;
        was = is;
    }
    Ok(())
}

/// Promise 6. Neither a power cycle nor a device makes a good slot less than good, nor another one the default; only an
/// update that is due may take a slot.
pub fn invariant_good_stays_good(was: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for (id, slot) in was.ids().filter(|(id, _)| was.is_good(*id)) {
        let taken = was.update.target() == Some(id);
        hold(taken || is.is_good(id), "good_stays_good", || {
            format!("{} was good, and is {}", slot.name, is.slot(id).state)
        })?;
    }
    let lost = was.default.is_some_and(|id| was.is_good(id)) && is.default != was.default;
    hold(!lost, "good_stays_good", || format!("the default was {:?}, and is {:?}", was.default, is.default))
}

/// Promise 7. Where the staged bundle is not what was staged, every good slot stays good: the boot finds out before it
/// writes.
pub fn invariant_damaged_bundle_costs_no_good_slot(was: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for (id, slot) in was.ids().filter(|(id, _)| was.is_good(*id)) {
        hold(is.is_good(id), "damaged_bundle_costs_no_good_slot", || {
            format!(
                "{} was good, the staged bundle is damaged, and now it is {}",
                slot.name,
                is.slot(id).state
            )
        })?;
    }
    Ok(())
}

/// Promise 9. Only a trial that is used up or cannot be entered makes its image bad; `boots` says whether an image can
/// be entered.
pub fn invariant_bad_for_a_cause(was: &Facts, is: &Facts, boots: impl Fn(ImageId) -> bool) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for hash in is.bad_images.iter().filter(|hash| !was.bad_images.contains(hash)) {
        let used_up = was.ids().any(|(_, slot)| {
            let used = matches!(
                slot.state,
                SlotState::Trial { tries_left: 0, .. } | SlotState::Trial { handoffs_left: 0, .. }
            );
            used && slot.image.as_ref().and_then(|image| image.id) == Some(*hash)
        });
        hold(used_up || !boots(*hash), "bad_for_a_cause", || {
            format!("{hash} became bad, and its trial had not failed")
        })?;
    }
    Ok(())
}

/// After one boot without faults both copies of the record are good again; `expected` differs from that only where a
/// copy cannot be read.
pub fn invariant_redundancy_restored(is: &Facts, expected: [bool; 2]) -> Check {
    hold(is.record.is_none() || is.copies == expected, "redundancy_restored", || {
        format!("copies of the record that can be used: {:?}, expected {expected:?}", is.copies)
    })
}

/// A boot with nothing due writes nothing but the record; `other` is something else that was written. A mark is due
/// that a good slot lacks: nobody could write it when the record was saved.
pub fn invariant_quiescent(was: &Facts, other: Option<impl std::fmt::Debug>) -> Check {
    let lacks_mark = |(id, slot): (SlotId, &Slot)| {
        let marked = was.trailers[id.index()].as_ref().map(|trailer| trailer.mark.map_or(0, |mark| mark.0));
        slot.state == SlotState::Good && marked.is_some_and(|generation| generation < slot.confirmed)
    };
    let due = was.record.as_ref().is_some_and(|(_, record)| {
        matches!(record.update, Update::Due { .. }) || record.ids().any(lacks_mark)
    });
    hold(due || other.is_none(), "quiescent", || format!("nothing is due, and the boot writes: {other:?}"))
}

/// A system that never confirms gets its attempts; then the machine is back on a good slot, and stays there, after at
/// most so many boots. `went` are the slots that were entered, boot by boot.
pub fn invariant_bounded_rollback(began: &Facts, is: &Facts, went: &[Option<usize>], most: usize) -> Check {
    if !began.has_good() {
        return Ok(());
    }
    let trial = is.record.as_ref().and_then(|(_, record)| record.trial());
    hold(trial.is_none(), "bounded_rollback", || {
        format!("after {} boots the trial has not ended", went.len())
    })?;
    let last = went.last().copied().flatten();
    let settled = last.is_some_and(|slot| is.is_good(slot));
    let stays = went.iter().skip(most).all(|slot| *slot == last);
    hold(settled && stays, "bounded_rollback", || {
        format!("after {} boots it is not settled in a good slot: {went:?}", went.len())
    })
}

/// A system that confirms itself is the default, every byte of it; what was due is done; the record is whole.
pub fn invariant_progress(began: &Facts, is: &Facts, running: Option<usize>) -> Check {
    let (Some((_, before)), Some((_, record))) = (&began.record, &is.record) else { return Ok(()) };
    let settled = running.map(|slot| SlotId(slot as u8)) == record.default && record.trial().is_none();
    hold(settled, "progress", || format!("a system that confirms itself is not the default: {running:?}"))?;
    let stuck = matches!(record.update, Update::Due { .. }) && !matches!(before.update, Update::None);
    hold(!stuck, "progress", || "an apply is still due after many boots".to_owned())?;
    invariant_redundancy_restored(is, [true, true])?;
    let is_whole = running.is_none_or(|slot| is.whole[slot].is_some());
    hold(is_whole, "progress", || format!("slot {running:?} is confirmed, and is not whole"))
}

/// Uninterrupted, an update that was staged is brought to its end: its image is the default.
pub fn invariant_update_finishes(is: &Facts, new: Option<ImageId>, said: &str) -> Check {
    let done = is.known_good().is_some_and(|id| is.whole[id.index()] == new);
    hold(done, "update_finishes", || format!("the new version is not the default after: {said}"))
}

/// Promise 8. What `explain` says of the next boot is what that boot does, where nothing fails: `said` is the decision
/// that it shows, `reason` why the boot went where it went. `can_enter` says whether the root in a slot is one that can
/// be entered, which `explain` does not try.
pub fn invariant_explain_foretells(
    said: &Decision,
    is: &Facts,
    entered: Option<Entered>,
    reason: &str,
    can_enter: impl FnOnce(SlotId) -> bool,
) -> Check {
    let slot = entered.and_then(|entered| entered.slot);
    let waited = entered.is_none_or(|entered| entered.after_recovery || slot.is_none());
    let is_due = |record: &Record| matches!(record.update, Update::Due { .. });
    let came_true = match said.target {
        Target::Boot(id) => (slot == Some(id) && reason == said.reason.to_string()) || !can_enter(id),
        // It is begun: it ends, or is given up.
        Target::Apply(_) => is.record.as_ref().is_none_or(|(_, record)| !is_due(record)),
        Target::RecoverySlot => entered.is_some() && slot.is_none(),
        Target::Recovery { .. } => waited,
    };
    hold(came_true, "explain_foretells", || {
        format!("explain says {:?} ({}), and the boot enters {slot:?} ({reason})", said.target, said.reason)
    })
}

/// Promise 2, asked at the moment at which a slot is first written: without it, a boot enters `other`. `was` is what
/// the act found that writes.
pub fn invariant_writer_leaves_a_way_back(was: &Facts, written: SlotId, other: Option<Entered>) -> Check {
    let is_way_back = other.is_some_and(|entered| entered.slot != Some(written) && !entered.after_recovery);
    hold(is_way_back || !was.can_boot(written), "writer_leaves_a_way_back", || {
        format!("slot {} is written; without it the boot enters {other:?}", written.0)
    })
}

/// A machine that boots, confirms itself and installs has taken the next good version: `is_next` says whether a slot
/// holds it. `answers` is what its verbs said.
pub fn invariant_next_update_goes_through(
    is: &Facts,
    is_next: impl FnOnce(SlotId) -> bool,
    answers: &[String],
) -> Check {
    let done = is.known_good().is_some_and(is_next);
    hold(done, "next_update_goes_through", || format!("the next version is not the default: {answers:?}"))
}
