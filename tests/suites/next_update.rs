//! The next good update goes through: proven to a fixed point over the pure functions, record by record.
//!
//! The search begins with every record that slots may imply, and goes on with every boot (each slot there, missing, or
//! failing in each way; the record saved or not; an apply that is refused, breaks off, or ends; each request) and every
//! verb, cut after each save. In each state it asks whether the machine, left alone from there on, takes a new version:
//! it boots, confirms itself, and installs. Nobody is there to do anything else.

mod advice;
mod boots;
mod search;
mod state;
mod update;
mod verbs;

use advice::invariant_advice_changes_the_answer;
use everboot_core::record::Record;
use everboot_kit::seed::Seed;
use search::Reached;
use state::{Space, State};
use std::collections::BTreeMap;
use update::{Lasting, Outcome, takes_the_next};

/// Each state in which power is off, with its place in the list and its record.
fn off(reached: &Reached) -> impl Iterator<Item = (usize, Record)> + '_ {
    let records = reached.states.iter().enumerate().map(|(at, state)| (at, state.read(reached.space.slots)));
    records.filter(|(_, (_, running))| running.is_none()).map(|(at, (record, _))| (at, record))
}

/// In every state the next good version comes onto a machine on which everything works and something boots.
#[expect(clippy::print_stdout, reason = "the number of states is for whoever asks for the output")]
fn invariant_next_update_goes_through(reached: &Reached) {
    let (mut taken, mut empty) = (0, 0);
    for (at, record) in off(reached) {
        match takes_the_next(&record, None) {
            Outcome::Taken => taken += 1,
            Outcome::NothingBoots => {
                let holds_none = record.slots.iter().all(|slot| slot.image.is_none());
                assert!(holds_none, "a slot holds an image, and nothing boots:\n{}", reached.way_to(at));
                empty += 1;
            }
            Outcome::Stuck(answers) => {
                panic!("{}\nthe next update does not go through: {answers:#?}", reached.way_to(at))
            }
        }
    }
    println!(
        "{} slots: {} states{}; {taken} records take the next update, {empty} hold no image at all",
        reached.space.slots,
        reached.states.len(),
        if reached.is_all { "" } else { ", and there are more" },
    );
    assert!(taken > 1_000);
}

#[test]
fn the_next_good_update_goes_through_from_every_state_of_two_slots() {
    let reached = Reached::all(Space { slots: 2, images: 2 });
    assert!(reached.is_all);
    invariant_next_update_goes_through(&reached);
}

/// Three slots have too many states for a test: those that come first.
#[test]
fn the_next_good_update_goes_through_from_the_first_states_of_three_slots() {
    invariant_next_update_goes_through(&Reached::first(Space { slots: 3, images: 1 }, 60_000));
}

/// One slot cannot be entered until it is written: its trailer or its file system is damaged.
#[test]
fn the_next_good_update_goes_through_beside_a_damaged_slot() {
    let reached = Reached::all(Space { slots: 2, images: 1 });
    let (mut stuck, mut taken) = (BTreeMap::new(), 0);
    for (at, record) in off(&reached) {
        for (id, what) in
            record.ids().map(|(id, _)| id).flat_map(|id| [(id, Lasting::Trailer), (id, Lasting::FileSystem)])
        {
            match takes_the_next(&record, Some((id, what))) {
                Outcome::Stuck(answers) => drop(stuck.entry(answers).or_insert_with(|| reached.way_to(at))),
                Outcome::Taken => taken += 1,
                Outcome::NothingBoots => {}
            }
        }
    }
    assert!(stuck.is_empty(), "{stuck:#?}");
    assert!(taken > 1_000, "{taken}");
}

#[test]
fn a_command_that_a_refusal_names_changes_the_answer() {
    let reached = Reached::all(Space { slots: 2, images: 1 });
    let (mut idle, mut asked) = (BTreeMap::new(), 0);
    for (at, state) in reached.states.iter().enumerate() {
        let (record, Some(running)) = state.read(2) else { continue };
        for verb in verbs::all(reached.space) {
            let Err(why) = verbs::run(&record, verb) else { continue };
            asked += 1;
            for advice in invariant_advice_changes_the_answer(&record, running, verb, &why) {
                idle.entry(format!("{why} | {advice:?}")).or_insert_with(|| (verb, reached.way_to(at)));
            }
        }
    }
    assert!(idle.is_empty(), "{idle:#?}");
    assert!(asked > 10_000, "{asked}");
}

/// Along a long way of chance, a record is as its normal form says: whatever else stands in it decides nothing.
#[test]
fn a_record_behaves_as_its_normal_form() {
    let space = Space { slots: 2, images: 2 };
    let mut seed = Seed::new(1);
    let mut record = Reached::first(space, 1).states[0].read(2).0;
    for _ in 0..3_000 {
        let Some(running) = update::boot_well(&mut record) else { break };
        record.recovery_rounds = (seed.next() % 3) as u8;
        let verbs = verbs::all(space);
        for _ in 0..4 {
            let verb = verbs[seed.next() as usize % verbs.len()];
            let plain = State::new(&record, None).read(2).0;
            let (one, other) = (verbs::run(&record, verb), verbs::run(&plain, verb));
            let forms = |saved: &Result<Vec<Record>, _>| {
                saved.as_ref().ok().map(|all| all.iter().map(|one| State::new(one, None)).collect::<Vec<_>>())
            };
            assert_eq!(forms(&one), forms(&other), "{verb:?} on {record:?}");
            record = one.ok().and_then(|saved| saved.last().cloned()).unwrap_or(record);
        }
        let mut plain = State::new(&record, Some(running)).read(2).0;
        let mut booted = record.clone();
        assert_eq!(update::boot_well(&mut booted), update::boot_well(&mut plain));
        assert_eq!(State::new(&booted, None), State::new(&plain, None));
    }
    assert!(record.slots.iter().any(|slot| slot.confirmed > 2), "{record:?}");
}
