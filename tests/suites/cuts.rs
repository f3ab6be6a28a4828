//! Power cuts: every flow is cut at every operation that changes something, with every kind of loss, and the
//! machine is then booted as its user would. The invariants are those that the design promises.

use everboot_agent::flow::{self, Destination};
use everboot_core::slot::SlotState;
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SURVIVORS, SimRoot, Survives};
use everboot_kit::world::{World, bundle, image, manifest};
use everboot_storage::medium::{Medium, Staging};

/// What is done while the power fails.
type Act = fn(&mut World);
/// What the new system does once it runs.
#[derive(Clone, Copy, PartialEq)]
enum NewSystem {
    Confirms,
    NeverConfirms,
}

fn upgrade() -> Vec<u8> {
    bundle(manifest(2), &image(2, SimRoot::Boots))
}

/// Cuts `act` everywhere, and checks what comes after. Returns the number of crashes.
fn campaign(start: &World, act: Act, system: NewSystem) -> u64 {
    let mut clean = start.fork();
    act(&mut clean);
    let operations = clean.machine.power.used();
    assert!(operations > 0, "nothing to cut");
    let mut crashes = 0;
    for cut in 0..operations {
        for survives in SURVIVORS {
            let mut world = start.fork();
            let known_good = good_slots(&mut world);
            world.machine.power.cut_after(cut);
            act(&mut world);
            world.machine.crash(*survives);
            let case = format!("cut {cut} of {operations}, survives {survives:?}");
            recover(&mut world, system, &known_good, &case);
            crashes += 1;
        }
    }
    crashes
}

/// The slots that are good before, with their bytes: image and tree of the default must not change.
fn good_slots(world: &mut World) -> Vec<(usize, Vec<u8>)> {
    let record = world.record();
    let default = record.default.expect("a default");
    let part = if default.0 == 0 { SLOT_A } else { SLOT_B };
    vec![(part, world.machine.parts[part].content())]
}

fn recover(world: &mut World, system: NewSystem, known_good: &[(usize, Vec<u8>)], case: &str) {
    let mut last = None;
    for boot in 0..9 {
        let outcome = world.boot();
        let Destination::Root(_, root) = outcome.destination else {
            panic!("{case}, boot {boot}: no way up: {:?}", outcome.notes);
        };
        let version = world.version_in(root.at.part);
        let version = version.unwrap_or_else(|| panic!("{case}, boot {boot}: neither old nor new bytes"));
        invariant_known_good_untouched(world, known_good, case);
        invariant_eligible_slots_are_whole(world, case);
        if version == 1 || system == NewSystem::Confirms {
            flow::confirm(world.site()).unwrap_or_else(|error| panic!("{case}, boot {boot}: {error}"));
        }
        last = Some(version);
    }
    invariant_progress(world, system, last, case);
    invariant_redundancy_restored(world, case);
}

/// Promise 2. The mark may be added to a trailer; image and tree never change.
fn invariant_known_good_untouched(world: &World, known_good: &[(usize, Vec<u8>)], case: &str) {
    for (part, bytes) in known_good {
        let content = world.machine.parts[*part].content();
        let end = bytes.len() - 4096;
        assert!(content[..end] == bytes[..end], "{case}: the last good slot was written");
    }
}

/// Promise 3.
fn invariant_eligible_slots_are_whole(world: &mut World, case: &str) {
    let record = world.record();
    for (id, slot) in record.ids() {
        let proven = slot.state == SlotState::Proven || slot.state.is_eligible();
        let part = if id.0 == 0 { SLOT_A } else { SLOT_B };
        assert!(!proven || world.version_in(part).is_some(), "{case}: {} is not whole", slot.name);
    }
}

/// The update ends well, or did not begin; then doing it again ends well. A system that is never confirmed
/// ends in the old one, and stays there.
fn invariant_progress(world: &mut World, system: NewSystem, last: Option<u8>, case: &str) {
    if system == NewSystem::NeverConfirms {
        assert_eq!(last, Some(1), "{case}: no rollback");
        return;
    }
    if last.is_some_and(|version| version > 1) {
        return;
    }
    let failed = |error: flow::Error| panic!("{case}, again: {error}");
    // An image that was rejected on purpose is asked for again with --force.
    world.stage_forced(upgrade()).unwrap_or_else(|error| panic!("{case}, again: {error}"));
    flow::activate(world.site()).unwrap_or_else(failed);
    assert_eq!(world.boot_version(), Some(2), "{case}, again");
    flow::confirm(world.site()).unwrap_or_else(|error| panic!("{case}, again: {error}"));
}

fn invariant_redundancy_restored(world: &mut World, case: &str) {
    let loaded = everboot_storage::store::load(&world.machine.parts[RECORD]);
    assert_eq!(loaded.faults, [None, None], "{case}: a copy of the record stays bad");
}

fn stage(world: &mut World) {
    let _ = world.stage(upgrade());
}

/// Another bundle than the one that is staged.
fn stage_other(world: &mut World) {
    let _ = world.stage(bundle(manifest(3), &image(3, SimRoot::Boots)));
}

/// A bundle that was fetched, durably, and is staged where it is.
fn stage_fetched(world: &mut World) {
    let area = &world.machine.staging;
    let fetched = area.create(flow::FETCHED).and_then(|file| {
        file.write_at(0, &bundle(manifest(3), &image(3, SimRoot::Boots)))?;
        file.sync()?;
        area.sync_dir()
    });
    if fetched.is_ok() {
        let _ = flow::stage(world.site(), None, flow::Insist::default());
    }
}

fn activate(world: &mut World) {
    let _ = flow::activate(world.site());
}

fn prepare(world: &mut World) {
    let _ = flow::prepare(world.site());
}

fn boot(world: &mut World) {
    world.boot();
}

fn confirm(world: &mut World) {
    let _ = flow::confirm(world.site());
}

fn after(acts: &[Act]) -> World {
    let mut world = World::running();
    for act in acts {
        act(&mut world);
    }
    world
}

/// Each stage of an upgrade, cut everywhere.
fn check(before: &[Act], act: Act, at_least: u64) {
    for system in [NewSystem::Confirms, NewSystem::NeverConfirms] {
        let crashes = campaign(&after(before), act, system);
        assert!(crashes >= at_least, "{crashes} crashes");
    }
}

#[test]
fn stage_may_be_cut_anywhere() {
    check(&[], stage, 40);
}

#[test]
fn a_second_stage_over_a_due_one_may_be_cut_anywhere() {
    check(&[stage, activate], stage, 20);
    // The record first stops naming the old bundle: operations that a first stage does not have.
    check(&[stage, activate], stage_other, 55);
}

#[test]
fn the_stage_of_what_was_fetched_may_be_cut_anywhere() {
    check(&[], stage_fetched, 40);
    check(&[stage, activate], stage_fetched, 55);
}

#[test]
fn activate_may_be_cut_anywhere() {
    check(&[stage], activate, 10);
    check(&[stage, prepare], activate, 10);
}

#[test]
fn prepare_may_be_cut_anywhere() {
    check(&[stage], prepare, 60);
}

#[test]
fn an_early_apply_may_be_cut_anywhere() {
    check(&[stage, activate], boot, 80);
}

/// Over a good slot: the machine has two, and runs the other one.
#[test]
fn an_early_apply_over_the_previous_good_slot_may_be_cut_anywhere() {
    let start = after(&[stage, activate, boot, confirm, stage_other, activate]);
    assert!(campaign(&start, boot, NewSystem::Confirms) > 80);
}

#[test]
fn an_early_apply_may_be_cut_again_in_its_recovery() {
    let start = after(&[stage, activate]);
    let mut clean = start.fork();
    boot(&mut clean);
    let mut crashes = 0;
    for cut in 0..clean.machine.power.used() {
        let mut world = start.fork();
        world.machine.power.cut_after(cut);
        boot(&mut world);
        world.machine.crash(Survives::TornLast);
        crashes += campaign(&world, boot, NewSystem::Confirms);
    }
    assert!(crashes > 1000, "{crashes}");
}

#[test]
fn a_trial_boot_and_its_confirmation_may_be_cut_anywhere() {
    check(&[stage, prepare, activate], boot, 10);
    let start = after(&[stage, prepare, activate, boot]);
    assert!(
        campaign(
            &start,
            |world| {
                world.boot();
                confirm(world)
            },
            NewSystem::Confirms
        ) > 20
    );
}

#[test]
fn rebuilding_a_lost_record_may_be_cut_anywhere() {
    let mut start = World::running();
    let record = start.machine.parts[RECORD].clone();
    everboot_storage::medium::Medium::write_zeroes(&record, 0, 1 << 20).unwrap();
    everboot_storage::medium::Medium::sync(&record).unwrap();
    start = start.fork();
    assert!(campaign(&start, boot, NewSystem::Confirms) >= 10);
}

#[test]
fn rollback_boot_once_reject_and_cancel_may_be_cut_anywhere() {
    let acts: [Act; 4] = [
        |world| drop(flow::rollback(world.site(), None, false)),
        |world| drop(flow::boot_once(world.site(), Some("slot-b"), false)),
        |world| drop(flow::reject(world.site(), Some("slot-b"))),
        |world| drop(flow::cancel(world.site())),
    ];
    for act in acts {
        check(&[stage, prepare, activate], act, 10);
    }
}

/// No block that is right is ever written again, whenever the apply was cut.
#[test]
fn no_proven_block_is_written_twice() {
    let start = after(&[stage, activate]);
    let mut clean = start.fork();
    boot(&mut clean);
    for cut in 0..clean.machine.power.used() {
        for survives in SURVIVORS {
            let mut world = start.fork();
            world.machine.power.cut_after(cut);
            boot(&mut world);
            world.machine.crash(*survives);
            world.machine.parts[SLOT_B].take_rewritten();
            boot(&mut world);
            let again = world.machine.parts[SLOT_B].take_rewritten();
            let image_blocks = again.iter().filter(|block| **block < 12).count();
            assert_eq!(image_blocks, 0, "cut {cut}, survives {survives:?}: {again:?}");
        }
    }
}

/// A cut at the same place of every start brings nothing new: after five such starts the update is given up,
/// and the old system boots.
#[test]
fn an_apply_that_is_cut_again_and_again_is_given_up() {
    let mut world = after(&[stage, activate]);
    for start in 1..=5 {
        world.machine.power.cut_after(7);
        boot(&mut world);
        assert!(world.machine.entered.is_none(), "start {start}");
        world.machine.crash(Survives::None);
    }
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("abandoned")), "{:?}", outcome.notes);
    assert!(matches!(outcome.destination, Destination::Root(_, root) if root.at.part == SLOT_A));
}
