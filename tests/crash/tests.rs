//! The campaign in the normal test run: short, with stated numbers.

use super::act::{Act, Actor, Ending};
use super::campaign::{Campaign, Limit};
use super::damage::CopyDamage;
use super::explore::Explorer;
use super::known::known;
use super::oracle::{MachineState, Oracle};
use super::reader::Reader;
use super::replay::{Path, replay};
use super::scenario::{NOT_YET, SCENARIOS, Scenario};
use super::show::disk;
use everboot_kit::sim::pages::PAGE;
use everboot_kit::sim::power::DiskFault;
use everboot_kit::sim::{DurableState, RECORD};
use everboot_kit::timeline::{hash, without_history};
use std::time::Duration;

/// Some nodes of each of these scenarios, on two threads.
fn campaign(names: &[&str], nodes: u64) -> Campaign {
    let scenarios: Vec<_> = names.iter().map(|name| Scenario::named(name).unwrap()).collect();
    let limit = Limit { nodes, states: u64::MAX, time: Duration::MAX };
    Campaign::run(Campaign::begin(&scenarios, 1), limit, 2, &|_| (), &|_| ())
}

fn failures(campaign: &Campaign) -> Vec<String> {
    let failed =
        campaign.explorers.iter().filter_map(|explorer| Some((explorer, explorer.failure.as_ref()?)));
    let tell = failed.map(|(explorer, failure)| {
        let steps = failure.steps.clone();
        let path = Path { scenario: explorer.scenario.name.to_owned(), seed: explorer.seed, steps };
        format!("invariant_{}: {}: {path}", failure.violation.invariant, failure.violation.what)
    });
    tell.collect()
}

#[test]
fn every_scenario_keeps_every_promise_where_it_begins() {
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    let done = campaign(&names, 1);
    assert_eq!(failures(&done), Vec::<String>::new());
    assert_eq!(done.emptiness(), None);
    let counts = done.progress().counts;
    assert!(counts.states > 4_500, "{counts:?}");
    assert!(counts.faults > 5_000, "{counts:?}");
    assert!(counts.damaged_bundles > 20, "{counts:?}");
}

/// Any number of power cuts: every state that they can bring is known, and none breaks a promise.
#[test]
fn a_search_comes_to_its_end() {
    let done = campaign(&["recovery-slot", "no-record-two-good"], u64::MAX);
    assert_eq!(failures(&done), Vec::<String>::new());
    assert!(done.explorers.iter().all(|explorer| explorer.is_closed()));
    let counts = done.progress().counts;
    assert!(counts.states > 2_000 && counts.cuts >= 2, "{counts:?}");
}

#[test]
fn the_same_seed_does_the_same() {
    let one = campaign(&["half-prepared", "rollback"], 2).progress().counts;
    let two = campaign(&["half-prepared", "rollback"], 2).progress().counts;
    assert_eq!(one, two);
    assert!(one.states > 100, "{one:?}");
}

/// A search that was put aside ends where one ends that was not.
#[test]
fn a_search_is_taken_up_where_it_was_put_aside() {
    let whole = campaign(&["no-record-two-good"], u64::MAX);
    let mut parts = campaign(&["no-record-two-good"], 1);
    assert!(!parts.explorers[0].is_closed());
    while !parts.explorers[0].is_closed() {
        let bytes = postcard::to_allocvec(&parts.explorers[0].keep()).unwrap();
        let again = Explorer::take_up(postcard::from_bytes(&bytes).unwrap()).unwrap();
        let limit = Limit { nodes: again.counts.nodes + 7, states: u64::MAX, time: Duration::MAX };
        parts = Campaign::run(vec![again], limit, 1, &|_| (), &|_| ());
        assert_eq!(failures(&parts), Vec::<String>::new());
    }
    assert_eq!(parts.explorers[0].counts, whole.explorers[0].counts);
    assert_eq!(parts.explorers[0].strips, whole.explorers[0].strips);
}

#[test]
fn each_moment_of_a_strip_has_its_crashes() {
    let done = campaign(&["due"], 1);
    let strip = done.explorers[0].strips.iter().find(|strip| strip.act == "boot").unwrap();
    assert_eq!(strip.outcomes.len(), strip.changes.len() + 1);
    assert!(strip.outcomes.iter().all(|counts| counts.iter().sum::<u32>() > 0), "{strip:?}");
    let sum = |at: usize| strip.outcomes.iter().map(|counts| counts[at]).sum::<u32>();
    assert!(sum(1) > 0 && sum(2) + sum(3) == 0, "{strip:?}");
    assert!("rws".chars().all(|letter| strip.changes.contains(letter)), "{}", strip.changes);
}

#[test]
fn a_campaign_that_did_nothing_proves_nothing() {
    let done = campaign(&["rollback"], 0);
    assert_eq!(done.emptiness(), Some("no crash state"));
    assert_eq!((done.seed, done.threads, done.progress().frontier), (1, 2, 1));
    assert!(done.seconds >= 0.0);
}

#[test]
fn a_disk_is_shown_as_a_small_picture() {
    let (_, durable) = begin("half-prepared");
    let picture = disk(&CopyDamage::First.of(&durable));
    let lines: Vec<_> = picture.lines().map(str::trim).collect();
    assert_eq!(lines[0], "first copy  no record");
    assert!(lines[1].ends_with("slot-a:good*! slot-b:writing preparing(slot-b)"), "{}", lines[1]);
    assert_eq!(lines[2], "slot-a      11111111111111  trailer, mark 1");
    assert!(lines[3].starts_with("slot-b      22") && lines[3].ends_with("..  no trailer"), "{}", lines[3]);
    assert!(lines[4].starts_with("staged.everboot: version 2, "), "{}", lines[4]);
}

/// The disk at the end of a scenario's prelude.
fn begin(name: &str) -> (Actor, DurableState) {
    let (actor, durable, _) = Scenario::named(name).unwrap().begin();
    (actor, durable)
}

/// The ring is dropped from every state: whatever stands in it, nothing is decided otherwise.
#[test]
fn nothing_is_decided_by_the_history() {
    for name in ["due", "rollback-of-a-trial", "no-record", "first-copy-bad"] {
        let (actor, plain) = begin(name);
        let run = actor.run(&plain, None, Act::Boot, None);
        for fill in [0x00, 0xff, 0xa5] {
            let mut filled = plain.clone();
            let ring = filled.parts[RECORD].len() / 2;
            filled.parts[RECORD].write(ring, &vec![fill; 64 * PAGE]);
            let other = actor.run(&filled, None, Act::Boot, None);
            assert_eq!(run.ending, other.ending, "{name}");
            let same = hash(&without_history(&run.end)) == hash(&without_history(&other.end));
            assert!(same, "{name}: the history of {fill:#x} changed what was written");
        }
    }
}

/// Generations that differ in number and not in order have the same normal form, and boot alike.
#[test]
fn only_the_order_of_generations_counts() {
    let (actor, durable) = begin("rollback");
    let mut oracle = Oracle::new(actor);
    let mut state = MachineState { durable: durable.clone(), entered: None };
    let mut seen = Vec::new();
    for _ in 0..6 {
        let was = Reader::default().facts(&state.durable);
        let run = oracle.clean(&state, &was, Act::Boot).unwrap();
        assert!(matches!(run.ending, Ending::Entered(..)));
        let booted = MachineState { durable: run.end, entered: run.entered };
        let confirmed =
            oracle.clean(&booted, &Reader::default().facts(&booted.durable), Act::Confirm).unwrap();
        state = MachineState { durable: confirmed.end, entered: None };
        seen.push((
            Reader::default().facts(&state.durable).generation(),
            oracle.normal(&state),
            hash(&state.durable),
        ));
    }
    let generations: Vec<_> = seen.iter().map(|(generation, ..)| *generation).collect();
    assert!(generations.windows(2).all(|pair| pair[0] < pair[1]), "{generations:?}");
    // Three saves in each round: every second one ends with the same copy.
    assert!(seen.windows(3).all(|rounds| rounds[0].1 == rounds[2].1 && rounds[0].2 != rounds[2].2));
}

#[test]
fn a_normal_form_tells_apart_what_matters() {
    let (actor, durable) = begin("rollback-of-a-trial");
    let mut oracle = Oracle::new(actor);
    let mut normal =
        |durable: &DurableState| oracle.normal(&MachineState { durable: durable.clone(), entered: None });
    let mut all = vec![normal(&durable)];
    for (damage_copy, _) in CopyDamage::ALL {
        all.push(normal(&damage_copy.of(&durable)));
    }
    for (part, at) in [(1, 0), (1, 13 * PAGE + 9), (2, 5 * PAGE), (2, 48 * PAGE)] {
        let mut other = durable.clone();
        other.parts[part].write(at, &[0x77]);
        all.push(normal(&other));
    }
    let mut other = durable.clone();
    other.files.clear();
    all.push(normal(&other));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn each_kind_of_trouble_is_met_by_some_operation() {
    let (actor, durable) = begin("due");
    let clean = actor.run(&durable, None, Act::Boot, None);
    for how in
        [DiskFault::Once, DiskFault::ForEver, DiskFault::ShortRead, DiskFault::Gone, DiskFault::Forgotten]
    {
        let differs = (0..clean.calls.len()).filter(|call| how.concerns(clean.calls[*call].0)).any(|call| {
            let run = actor.run(&durable, None, Act::Boot, Some((call, how)));
            run.events != clean.events
        });
        assert!(differs, "{how:?}");
    }
}

#[test]
fn a_boot_that_never_ends_is_seen() {
    let (actor, durable) = begin("due");
    let run = actor.run(&durable, None, Act::Boot, None);
    assert!(!matches!(run.ending, Ending::Panicked(_)));
    let power = everboot_kit::sim::Power::default();
    power.set_budget(3);
    let disk = everboot_kit::sim::SimDisk::of(durable.parts[0].clone(), &power, 0);
    let endless = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        loop {
            let _ = everboot_storage::store::load(&disk);
        }
    }));
    assert!(endless.is_err());
}

#[test]
fn every_known_image_has_bytes_of_its_own() {
    let mut roots: Vec<_> = known().iter().map(|known| known.id).collect();
    roots.sort();
    roots.dedup();
    assert_eq!(roots.len(), known().len());
}

/// Paths that broke a promise once.
fn goes_well(path: &str) {
    let path = Path::parse(path).unwrap();
    if let Err(failure) = replay(&path, &|_| (), &mut |_, _| ()) {
        panic!("{path}: {:?}", failure.violation);
    }
}

/// A boot that decides what the record says already saved nothing, and so left a torn copy torn.
#[test]
fn a_torn_copy_is_made_good_by_the_next_boot() {
    goes_well("v1/factory/1/boot,stage2@6.7f.-,boot");
}

/// A record that was made from the slots stood in one copy only.
#[test]
fn a_record_made_anew_is_in_both_copies_after_one_boot() {
    goes_well("v1/no-record/1/boot");
}

/// The newer copy could not be read for a moment: the older one, which called a confirmed slot a trial, was
/// decided by, and saved over it.
#[test]
fn a_copy_that_cannot_be_read_for_once_demotes_no_good_slot() {
    for call in 0..12 {
        for how in ["eio", "eio-for-ever", "short-read", "gone"] {
            goes_well(&format!("v1/over-a-good-slot/1/boot!{call}.{how}.kept,boot"));
            goes_well(&format!("v1/rollback-of-a-trial/1/boot!{call}.{how}.kept,boot"));
        }
    }
}

/// The mark was not read back: a good slot without one would not come back as good, were the record lost.
#[test]
fn a_mark_that_the_device_forgot_is_no_confirmation() {
    goes_well("v1/rollback-of-a-trial/1/confirm!5.forgotten.lost,boot");
}

/// The first copy of a save that counts landed, the second failed: the attempt was not made, and the image is not to
/// blame.
#[test]
fn an_attempt_that_a_failed_save_counted_is_not_held_against_the_image() {
    goes_well("v1/no-record-unmarked/1/boot,boot,boot,boot!7.eio.kept");
}

/// A search takes it up by its name, and its beginning is a machine on which acts can be done.
#[test]
fn a_scenario_that_waits_for_a_correction_can_be_begun_by_name() {
    for scenario in NOT_YET {
        let (actor, durable, entered) = Scenario::named(scenario.name).unwrap().begin();
        let run = actor.run(&durable, entered, Act::Boot, None);
        assert!(!matches!(run.ending, Ending::Panicked(_)), "{}: {:?}", scenario.name, run.ending);
        assert!(SCENARIOS.iter().all(|other| other.name != scenario.name), "{}", scenario.name);
    }
}
