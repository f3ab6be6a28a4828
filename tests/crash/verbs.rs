//! What must hold of every verb of the running system, and of every act in which a device failed.

use super::act::{Act, Ending, Run, slot_on};
use super::invariants::{bundle_is_there, invariant_orderly, part_of, untouched};
use super::known::{FILLED, boots};
use everboot_core::record::Record;
use everboot_core::slot::SlotId;
use everboot_kit::facts::Facts;
use everboot_kit::invariants::{
    handoffs_left, invariant_atomic_choice, invariant_bad_for_a_cause, invariant_counters_never_rise,
    invariant_floor_never_sinks, invariant_good_stays_good, invariant_proof_before_entry,
};
use everboot_kit::sim::{DurableState, RECORD};
use everboot_kit::violation::{Check, hold};

/// A verb of the running system, without faults.
pub fn check_verb(
    act: Act,
    run: &Run,
    was: &Facts,
    is: &Facts,
    before: &DurableState,
    durable_is_live: bool,
) -> Check {
    invariant_orderly(run)?;
    invariant_refusal_changes_nothing(run)?;
    invariant_floor_never_sinks(was, &run.saves())?;
    invariant_running_untouched(run, before)?;
    if act != Act::Reject && act != Act::Rollback {
        untouched(was, before, &run.end)?;
    }
    if matches!(act, Act::Confirm | Act::Reject | Act::Rollback) {
        invariant_verdict_in_both_copies(run, is)?;
    }
    invariant_done_is_durable(run, durable_is_live)
}

/// What was said of a slot is not lost with a copy of the record: a confirmed slot does not become a trial again, a
/// rejected one does not come back.
fn invariant_verdict_in_both_copies(run: &Run, is: &Facts) -> Check {
    let states = |record: &Record| {
        (
            record.slots.iter().map(|slot| slot.state).collect::<Vec<_>>(),
            record.default,
            record.bad_images.clone(),
        )
    };
    let newer = is.record.as_ref().map(|(_, record)| states(record));
    let older = is.older.as_deref().map(states);
    hold(run.ending != Ending::Done || newer == older, "verdict_in_both_copies", || {
        format!("the verb is done; one copy says {newer:?}, the other one {older:?}")
    })
}

/// Promise 7.
fn invariant_refusal_changes_nothing(run: &Run) -> Check {
    let Ending::Refused(why) = &run.ending else { return Ok(()) };
    hold(run.events.is_empty(), "refusal_changes_nothing", || format!("{why}, and yet: {:?}", run.events))
}

/// The system that runs keeps its bytes; its trailer may get a mark, or lose it.
fn invariant_running_untouched(run: &Run, before: &DurableState) -> Check {
    let Some(part) = run.entered.map(|root| root.at.part) else { return Ok(()) };
    let same = slot_on(part).is_none() || before.parts[part].equal_in(&run.end.parts[part], 0..FILLED);
    hold(same, "running_untouched", || format!("partition {part} runs, and was written"))
}

/// A verb that says it is done has nothing in any cache.
fn invariant_done_is_durable(run: &Run, durable_is_live: bool) -> Check {
    let done = run.ending == Ending::Done;
    hold(!done || durable_is_live, "done_is_durable", || {
        "the verb is done, and a power cut may undo it".to_owned()
    })
}

/// A run in which a device failed. What is durable is given thrice: as it is, and without either copy of the record.
pub fn check_faulty(
    was: &Facts,
    before: &DurableState,
    run: &Run,
    is: &Facts,
    durable: &[&Facts; 3],
) -> Check {
    invariant_orderly(run)?;
    untouched(was, before, &run.end)?;
    invariant_atomic_choice(run.entered(), is)?;
    invariant_proof_before_entry(run.entered(), is)?;
    if run.ending == Ending::Done {
        bundle_is_there(is, &run.end)?;
    }
    invariant_no_record_no_trial(was, run, durable)?;
    invariant_counters_never_rise(was, &run.saves())
}

/// Promises 6 and 9 where a boot met a failing device.
pub fn check_faulty_boot(was: &Facts, is: &Facts) -> Check {
    invariant_good_stays_good(was, is)?;
    invariant_bad_for_a_cause(was, is, boots)
}

/// Promise 5. What could not be counted, in both copies, is not tried while a slot is good.
fn invariant_no_record_no_trial(was: &Facts, run: &Run, durable: &[&Facts; 3]) -> Check {
    let Ending::Entered(root, why) = &run.ending else { return Ok(()) };
    let (Some(slot), Some((_, record))) = (slot_on(root.at.part), &was.record) else { return Ok(()) };
    let id = SlotId(slot as u8);
    let Some(known_good) = was.known_good() else { return Ok(()) };
    // Of a record that cannot be read, the other copy decides; it is older by one save.
    let by_older = |older: &Record| older.is_good(id) || older.default.is_none();
    let is_older = run.failed == Some(RECORD) && was.older.as_deref().is_some_and(by_older);
    if record.is_good(id) || is_older || run.failed == Some(part_of(known_good)) {
        return Ok(());
    }
    let left = |facts: &Facts| facts.record.as_ref().and_then(|(_, record)| handoffs_left(record, id));
    let counted = durable.iter().all(|durable| match (left(was), left(durable)) {
        (Some(before), Some(after)) => after < before,
        (None, after) => after.is_some(),
        (Some(_), None) => false,
    });
    hold(counted, "no_record_no_trial", || format!("slot {slot} is tried ({why}), and nothing counts it"))
}
