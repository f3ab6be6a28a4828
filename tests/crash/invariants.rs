//! What every crash and every boot in memory is held against: the promises that the test kit has, with what this search
//! sees of its disks and of its runs.

use super::act::{Ending, Run};
use super::known::{FILLED, boots, known};
use everboot_agent::flow::STAGED;
use everboot_core::slot::SlotId;
use everboot_kit::facts::Facts;
use everboot_kit::invariants::*;
use everboot_kit::sim::power::Event;
use everboot_kit::sim::{DurableState, RECORD, SLOT_A, UNREADABLE};
use everboot_kit::violation::{Check, hold};

/// The partition of a slot.
pub fn part_of(id: SlotId) -> usize {
    SLOT_A + id.index()
}

/// What a power cut left, seen before anything runs on it.
#[derive(Debug)]
pub struct Crash<'a> {
    /// The disk before the act, and what is on it.
    pub before: &'a DurableState,
    pub was: &'a Facts,
    /// What was durable at the cut at least, and what would be if the caches had survived.
    pub durable: &'a Facts,
    pub live: &'a Facts,
    /// The disk now, and what is on it.
    pub now: &'a DurableState,
    pub is: &'a Facts,
    /// Whether a device had failed on the way here.
    pub had_fault: bool,
}

/// Everything that a crash image has to satisfy by itself.
pub fn check_crash(crash: &Crash<'_>) -> Check {
    untouched(crash.was, crash.before, crash.now)?;
    invariant_eligible_slots_are_whole(crash.is)?;
    invariant_trailers_tell_the_truth(crash.is)?;
    invariant_good_slots_are_marked(crash.is)?;
    invariant_good_slots_raise_the_floor(crash.is)?;
    invariant_another_is_good(crash.was, crash.is)?;
    if !crash.had_fault {
        bundle_is_there(crash.is, crash.now)?;
    }
    invariant_record_survives(crash.durable, crash.is)?;
    invariant_no_regress(crash.durable, crash.live, crash.is)
}

/// [`invariant_known_good_untouched`], by the pages of image and tree.
pub fn untouched(was: &Facts, before: &DurableState, now: &DurableState) -> Check {
    let is_same = |id| before.parts[part_of(id)].equal_in(&now.parts[part_of(id)], 0..FILLED);
    invariant_known_good_untouched(was, is_same)
}

/// [`invariant_named_bundle_is_there`], by the bytes of the bundles that a campaign has.
pub fn bundle_is_there(is: &Facts, now: &DurableState) -> Check {
    invariant_named_bundle_is_there(is, |bundle| {
        let file = now.files.get(STAGED);
        known().iter().any(|known| {
            let same = file.is_some_and(|file| file.hash() == known.file.hash());
            same && bundle.image.id == Some(known.id)
        })
    })
}

/// A boot without faults: from what it began to where it went.
#[derive(Debug)]
pub struct Boot<'a> {
    pub before: &'a DurableState,
    pub was: &'a Facts,
    pub run: &'a Run,
    /// What a reader sees at the hand-off, and what is durable even if the caches are lost.
    pub is: &'a Facts,
    pub durable: &'a Facts,
}

/// All of it.
pub fn check_boot(boot: &Boot<'_>) -> Check {
    let (was, is, entered, saves) = (boot.was, boot.is, boot.run.entered(), boot.run.saves());
    let is_unreadable = has_unreadable(boot.before);
    invariant_orderly(boot.run)?;
    no_strand(was, boot.run)?;
    invariant_good_slot_needs_no_recovery(was, entered)?;
    invariant_atomic_choice(entered, is)?;
    untouched(was, boot.before, &boot.run.end)?;
    invariant_eligible_slots_are_whole(is)?;
    invariant_proof_before_entry(entered, is)?;
    invariant_another_is_good(was, is)?;
    // Where no slot is good and nothing can be saved, any slot is better than none.
    if !is_unreadable || was.has_good() {
        invariant_attempts_are_durable(was, entered, boot.durable)?;
    }
    invariant_counters_never_rise(was, &saves)?;
    invariant_starts_are_counted(was, &saves)?;
    invariant_floor_never_sinks(was, &saves)?;
    invariant_good_slots_raise_the_floor(is)?;
    invariant_good_stays_good(was, is)?;
    invariant_bad_for_a_cause(was, is, boots)?;
    // A copy that cannot be read is left to the system that runs, and no other one is written without it.
    invariant_redundancy_restored(is, if is_unreadable { was.copies } else { [true, true] })?;
    let elsewhere =
        |event: &&Event| !matches!(event, Event::Write { medium: RECORD, .. } | Event::Sync(RECORD));
    invariant_quiescent(was, boot.run.events.iter().find(elsewhere))
}

/// No panic, no endless loop, no write outside a medium: what only a run in memory can see.
pub fn invariant_orderly(run: &Run) -> Check {
    let panicked = matches!(run.ending, Ending::Panicked(_));
    hold(!panicked, "orderly", || format!("{:?}", run.ending))?;
    hold(run.strays == 0, "orderly", || format!("{} writes past the end of a medium", run.strays))
}

/// [`invariant_no_strand`], with how the run ended.
pub fn no_strand(was: &Facts, run: &Run) -> Check {
    invariant_no_strand(was, run.entered(), || format!("{:?}", run.ending))
}

/// Whether the medium does not give a copy of the record, so that nothing is saved.
pub fn has_unreadable(durable: &DurableState) -> bool {
    let record = &durable.parts[RECORD];
    [0, record.count() - 1].iter().any(|page| record.page(*page) == &UNREADABLE)
}
