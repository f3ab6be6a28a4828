//! What must hold after every crash and every boot. Each is a promise of the design.

use super::act::{Ending, Run};
use super::facts::{FILLED, Facts, boots, known, saves};
use everboot_agent::flow::STAGED;
use everboot_core::decide::Reason;
use everboot_core::manifest::Manifest;
use everboot_core::record::{LastBoot, Record, Update};
use everboot_core::slot::{SlotId, SlotState};
use everboot_kit::sim::power::Event;
use everboot_kit::sim::{RECORD, SLOT_A, Still, UNREADABLE};
pub use everboot_kit::violation::{Check, Violation, hold};

/// The partition of a slot.
pub fn part_of(id: SlotId) -> usize {
    SLOT_A + id.index()
}

/// The slot on a partition, if it is one's.
pub fn slot_on(part: usize) -> Option<usize> {
    part.checked_sub(SLOT_A).filter(|slot| *slot < 2)
}

/// What a power cut left, seen before anything runs on it.
#[derive(Debug)]
pub struct Crash<'a> {
    /// The disk before the act, and what is on it.
    pub before: &'a Still,
    pub was: &'a Facts,
    /// What was durable at the cut at least, and what would be if the caches had survived.
    pub durable: &'a Facts,
    pub live: &'a Facts,
    /// The disk now, and what is on it.
    pub now: &'a Still,
    pub is: &'a Facts,
    /// Whether a device had failed on the way here.
    pub had_fault: bool,
}

/// Everything that a crash image has to satisfy by itself.
pub fn check_crash(crash: &Crash<'_>) -> Check {
    invariant_known_good_untouched(crash.was, crash.before, crash.now)?;
    invariant_eligible_slots_are_whole(crash.is)?;
    invariant_trailers_tell_the_truth(crash.is)?;
    invariant_good_slots_are_marked(crash.is)?;
    invariant_good_slots_raise_the_floor(crash.is)?;
    invariant_another_is_good(crash.was, crash.is)?;
    if !crash.had_fault {
        invariant_named_bundle_is_there(crash.is, crash.now)?;
    }
    invariant_no_regress(crash)
}

/// Promise 2. Image and tree of the last good slot never change; its trailer may get a mark.
pub fn invariant_known_good_untouched(was: &Facts, before: &Still, now: &Still) -> Check {
    let Some(id) = was.known_good() else { return Ok(()) };
    let (old, new) = (&before.parts[part_of(id)], &now.parts[part_of(id)]);
    let same = old.equal_in(new, 0..FILLED);
    hold(same, "known_good_untouched", || format!("slot {} was the last good one, and was written", id.0))
}

/// Promise 3. What the record calls proven, on trial or good has every block.
pub fn invariant_eligible_slots_are_whole(is: &Facts) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids() {
        let claims = slot.state == SlotState::Proven || slot.state.is_eligible();
        let root = slot.image.as_ref().and_then(|image| image.root_hash);
        let whole = is.whole[id.index()].is_some_and(|known| Some(known.root) == root);
        hold(!claims || whole, "eligible_slots_are_whole", || {
            format!("{} is {}, and its blocks are not its image's", slot.name, slot.state)
        })?;
    }
    Ok(())
}

/// Promise 3, for the day on which the record is lost: a slot with a trailer has every block.
fn invariant_trailers_tell_the_truth(is: &Facts) -> Check {
    for (slot, trailer) in is.trailers.iter().enumerate() {
        let lies = trailer.is_some() && is.whole[slot].is_none();
        hold(!lies, "trailers_tell_the_truth", || format!("slot {slot} has a trailer, and not its blocks"))?;
    }
    Ok(())
}

/// A good slot says so itself, should the record be lost; one that was never confirmed does not.
fn invariant_good_slots_are_marked(is: &Facts) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids() {
        let Some(trailer) = &is.trailers[id.index()] else { continue };
        let unmarked = slot.state == SlotState::Good && trailer.mark.is_none();
        hold(!unmarked, "good_slots_are_marked", || format!("{} is good, and has no mark", slot.name))?;
    }
    Ok(())
}

/// No version lower than the floor of an image that was confirmed comes onto the machine, from that instant on.
fn invariant_good_slots_raise_the_floor(is: &Facts) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids().filter(|(id, _)| record.is_good(*id)) {
        let Some(trailer) = &is.trailers[id.index()] else { continue };
        let manifest = Manifest::parse(&trailer.signed.manifest).ok();
        let asked = manifest.map_or(String::new(), |manifest| manifest.floor);
        hold(!is_lower(&record.floor, &asked), "good_slots_raise_the_floor", || {
            format!("{} is good, its floor is {asked:?}, and the machine's {:?}", slot.name, record.floor)
        })?;
    }
    Ok(())
}

/// The order of the versions that a campaign has: one digit each.
fn is_lower(floor: &str, other: &str) -> bool {
    floor < other
}

/// The floor never sinks, by none of the saves of a run.
pub fn invariant_floor_never_sinks(was: &Facts, run: &Run) -> Check {
    let Some((_, before)) = &was.record else { return Ok(()) };
    let mut was = before.floor.clone();
    for is in saves(&run.events).into_iter().flatten() {
        hold(!is_lower(&is.floor, &was), "floor_never_sinks", || {
            format!("the floor was {was:?}, and is {:?}", is.floor)
        })?;
        was = is.floor;
    }
    Ok(())
}

/// Promise 2 where two slots are good: one is given up only while the default is good, and was confirmed in its
/// latest boot.
fn invariant_another_is_good(was: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for (id, slot) in was.ids().filter(|(id, _)| was.is_good(*id)) {
        let given_up = !matches!(is.slot(id).state, SlotState::Good | SlotState::Bad { .. });
        let other = was.default.filter(|default| *default != id && was.is_good(*default));
        let sure = other.is_some_and(|slot| was.last_boot == Some(LastBoot { slot, confirmed: true }));
        hold(!given_up || sure, "another_is_good", || format!("{} was good, and is written", slot.name))?;
    }
    Ok(())
}

/// The bundle that the record names is in the staging area, every byte of it.
fn invariant_named_bundle_is_there(is: &Facts, now: &Still) -> Check {
    let Some(bundle) = is.record.as_ref().and_then(|(_, record)| record.update.bundle()) else {
        return Ok(());
    };
    let file = now.files.get(STAGED);
    let is_whole = known().iter().any(|known| {
        let same = file.is_some_and(|file| file.hash() == known.file.hash());
        same && bundle.image.root_hash == Some(known.root)
    });
    hold(is_whole, "named_bundle_is_there", || {
        format!("version {} is staged, and is not there", bundle.image.version)
    })
}

/// The record is one that was saved, and never older than what a completed save had made durable.
fn invariant_no_regress(crash: &Crash<'_>) -> Check {
    let (least, most, found) = (crash.durable.generation(), crash.live.generation(), crash.is.generation());
    hold((least..=most).contains(&found), "no_regress", || {
        format!("expected a record of generation {least} to {most}, found {found}")
    })?;
    let same = |other: &Facts| other.generation() != found || other.record == crash.is.record;
    hold(same(crash.durable) && same(crash.live), "no_regress", || {
        format!("the record of generation {found} is not the one that was saved")
    })
}

/// A boot without faults: from what it began to where it went.
#[derive(Debug)]
pub struct Boot<'a> {
    pub before: &'a Still,
    pub was: &'a Facts,
    pub run: &'a Run,
    /// What a reader sees at the hand-off, and what is durable even if the caches are lost.
    pub is: &'a Facts,
    pub durable: &'a Facts,
}

/// All of it.
pub fn check_boot(boot: &Boot<'_>) -> Check {
    invariant_orderly(boot.run)?;
    invariant_no_strand(boot.was, boot.run)?;
    invariant_good_slot_needs_no_recovery(boot.was, boot.run)?;
    invariant_atomic_choice(boot.run, boot.is)?;
    invariant_known_good_untouched(boot.was, boot.before, &boot.run.end)?;
    invariant_eligible_slots_are_whole(boot.is)?;
    invariant_proof_before_entry(boot.run, boot.is)?;
    invariant_another_is_good(boot.was, boot.is)?;
    invariant_attempts_are_durable(boot)?;
    invariant_counters_never_rise(boot.was, boot.run)?;
    invariant_starts_are_counted(boot.was, boot.run)?;
    invariant_floor_never_sinks(boot.was, boot.run)?;
    invariant_good_slots_raise_the_floor(boot.is)?;
    invariant_good_stays_good(boot.was, boot.is)?;
    invariant_bad_for_a_cause(boot.was, boot.is)?;
    invariant_redundancy_restored(boot)?;
    invariant_quiescent(boot.was, boot.run)
}

/// No panic, no endless loop, no write outside a medium.
pub fn invariant_orderly(run: &Run) -> Check {
    let panicked = matches!(run.ending, Ending::Panicked(_));
    hold(!panicked, "orderly", || format!("{:?}", run.ending))?;
    hold(run.strays == 0, "orderly", || format!("{} writes past the end of a medium", run.strays))
}

/// Promise 1. Where a slot is good, a root is entered.
pub fn invariant_no_strand(was: &Facts, run: &Run) -> Check {
    let up = matches!(run.ending, Ending::Entered(..));
    hold(up || !was.has_good(), "no_strand", || {
        format!("a slot is good, and the boot ends so: {:?}", run.ending)
    })
}

/// Nobody waits in recovery while a slot is good.
fn invariant_good_slot_needs_no_recovery(was: &Facts, run: &Run) -> Check {
    let waited = matches!(&run.ending, Ending::Entered(_, why) if *why == Reason::RecoveryRetry.to_string());
    hold(!waited || !was.has_good(), "good_slot_needs_no_recovery", || {
        "a slot is good, and the boot waited in recovery".to_owned()
    })
}

/// What is entered holds an image, every block of it.
pub fn invariant_atomic_choice(run: &Run, is: &Facts) -> Check {
    let Ending::Entered(root, why) = &run.ending else { return Ok(()) };
    let whole = slot_on(root.at.part).is_none_or(|slot| is.whole[slot].is_some());
    hold(whole, "atomic_choice", || {
        format!("partition {} is entered ({why}), and is not whole", root.at.part)
    })
}

/// Whether the medium does not give a copy of the record, so that nothing is saved.
fn has_unreadable(still: &Still) -> bool {
    let record = &still.parts[RECORD];
    [0, record.count() - 1].iter().any(|page| record.page(*page) == &UNREADABLE)
}

/// Promise 4. Whatever the caches lose now, the attempt stays counted. Where no slot is good and nothing can be saved,
/// any slot is better than none.
fn invariant_attempts_are_durable(boot: &Boot<'_>) -> Check {
    let Ending::Entered(root, _) = &boot.run.ending else { return Ok(()) };
    let (Some(slot), Some((_, durable))) = (slot_on(root.at.part), &boot.durable.record) else {
        return Ok(());
    };
    if has_unreadable(boot.before) && !boot.was.has_good() {
        return Ok(());
    }
    let id = SlotId(slot as u8);
    let before = boot.was.record.as_ref().and_then(|(_, record)| handoffs_left(record, id));
    let after = match durable.slot(id).state {
        SlotState::Trial { handoffs_left, .. } => Some(handoffs_left),
        SlotState::Good => return Ok(()),
        _ => None,
    };
    let counted = match (before, after) {
        (Some(before), Some(after)) => after < before,
        (None, after) => after.is_some(),
        (Some(_), None) => true,
    };
    let retried =
        matches!(&boot.run.ending, Ending::Entered(_, why) if *why == Reason::RecoveryRetry.to_string());
    hold(counted || retried, "attempts_are_durable", || {
        format!("slot {slot} is entered; its attempt is not durable: {before:?} before, {after:?} now")
    })
}

pub fn handoffs_left(record: &Record, id: SlotId) -> Option<u8> {
    match record.slot(id).state {
        SlotState::Trial { handoffs_left, .. } => Some(handoffs_left),
        _ => None,
    }
}

/// A root is entered only when its trailer names the image that the record names; recovery has nothing to lose.
pub fn invariant_proof_before_entry(run: &Run, is: &Facts) -> Check {
    let Ending::Entered(root, why) = &run.ending else { return Ok(()) };
    let (Some(slot), Some((_, record))) = (slot_on(root.at.part), &is.record) else { return Ok(()) };
    let expected = record.slots[slot].image.as_ref().and_then(|image| image.root_hash);
    let trailer = is.trailers[slot].as_ref();
    let named = trailer.and_then(|trailer| Manifest::parse(&trailer.signed.manifest).ok());
    let proven = expected.is_none() || named.map(|manifest| manifest.payload.root_hash) == expected;
    hold(proven || *why == Reason::RecoveryRetry.to_string(), "proof_before_entry", || {
        format!("slot {slot} is entered, and its trailer names another image or none")
    })
}

/// Promise 4: an apply that is started over and over has an end. A start is counted before the slot is written.
fn invariant_starts_are_counted(was: &Facts, run: &Run) -> Check {
    let starts = |record: &Record| match record.update {
        Update::Due { starts_left, .. } => Some(starts_left),
        _ => None,
    };
    let Some(before) = was.record.as_ref().and_then(|(_, record)| starts(record)) else { return Ok(()) };
    let mut latest = Some(before);
    for saved in saves(&run.events) {
        match saved {
            Some(record) => latest = starts(&record),
            None => {
                let counted = latest.is_none_or(|left| left < before);
                return hold(counted, "starts_are_counted", || {
                    format!("{before} starts left, and {latest:?} then")
                });
            }
        }
    }
    Ok(())
}

/// Promise 4: attempts are never given back, by none of the saves of a run.
pub fn invariant_counters_never_rise(was: &Facts, run: &Run) -> Check {
    let Some((_, before)) = &was.record else { return Ok(()) };
    let mut was = Record::clone(before);
    for is in saves(&run.events).into_iter().flatten() {
        for (id, slot) in is.ids() {
            let same = was.slot(id).image == slot.image;
            let (before, after) = (handoffs_left(&was, id), handoffs_left(&is, id));
            let rose = matches!((before, after), (Some(before), Some(after)) if same && after > before);
            hold(!rose, "counters_never_rise", || {
                format!("{}: {before:?} hand-offs before, {after:?} after", slot.name)
            })?;
        }
        was = is;
    }
    Ok(())
}

/// Promise 6. Neither a power cycle nor a device makes a good slot less than good; only an update that is
/// due may take it.
pub fn invariant_good_stays_good(was: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for (id, slot) in was.ids().filter(|(_, slot)| slot.state == SlotState::Good) {
        let taken = was.update.target() == Some(id);
        let now = is.slot(id).state;
        hold(taken || now == SlotState::Good, "good_stays_good", || {
            format!("{} was good, and is {now}", slot.name)
        })?;
    }
    let lost = was.default.is_some_and(|id| was.is_good(id)) && is.default != was.default;
    hold(!lost, "good_stays_good", || format!("the default was {:?}, and is {:?}", was.default, is.default))
}

/// Promise 9. Only a trial that is used up or cannot be entered makes its image bad.
pub fn invariant_bad_for_a_cause(was: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for hash in is.bad_images.iter().filter(|hash| !was.bad_images.contains(hash)) {
        let used_up = was.ids().any(|(_, slot)| {
            let used = matches!(
                slot.state,
                SlotState::Trial { tries_left: 0, .. } | SlotState::Trial { handoffs_left: 0, .. }
            );
            used && slot.image.as_ref().and_then(|image| image.root_hash) == Some(*hash)
        });
        let broken = !boots(*hash);
        hold(used_up || broken, "bad_for_a_cause", || {
            format!("{hash} became bad, and its trial had not failed")
        })?;
    }
    Ok(())
}

/// After one boot without faults both copies of the record are good again; but a copy that cannot be read is left to
/// the system that runs, and no other one is written without it.
fn invariant_redundancy_restored(boot: &Boot<'_>) -> Check {
    let saved = boot.is.record.is_some();
    let expected = if has_unreadable(boot.before) { boot.was.copies } else { [true, true] };
    hold(!saved || boot.is.copies == expected, "redundancy_restored", || {
        format!("copies of the record that can be used: {:?}", boot.is.copies)
    })
}

/// A boot with nothing due writes nothing but the record.
fn invariant_quiescent(was: &Facts, run: &Run) -> Check {
    let due = was.record.as_ref().is_some_and(|(_, record)| matches!(record.update, Update::Due { .. }));
    let elsewhere =
        |event: &&Event| !matches!(event, Event::Write { medium: RECORD, .. } | Event::Sync(RECORD));
    let found = run.events.iter().find(elsewhere);
    hold(due || found.is_none(), "quiescent", || format!("nothing is due, and the boot writes: {found:?}"))
}
