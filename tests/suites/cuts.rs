//! Power cuts in the acts of an upgrade, and what only they show. Every other story is cut, too, once it is over: the
//! worlds of the test kit do that.

use everboot_agent::flow::{self, Destination};
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SURVIVORS, SimRoot, Survives};
use everboot_kit::world::{World, bundle, image, manifest};
use everboot_storage::medium::{Medium, Staging};

/// What is done while the power fails.
type Act = fn(&mut World);

fn upgrade() -> Vec<u8> {
    bundle(manifest(2), &image(2, SimRoot::Boots))
}

/// The same machine, whose test does not run again with power cuts.
fn once(start: &World) -> World {
    World::unrecorded(start.machine.fork(), start.config.clone(), start.keys.clone())
}

/// Cuts one act everywhere. Returns the number of crashes.
fn campaign(start: &World, act: Act) -> u64 {
    let mut world = start.fork();
    act(&mut world);
    world.cut_everywhere()
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
        let _ = flow::stage(world.site(), None, flow::Overrides::default());
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
    let crashes = campaign(&after(before), act);
    assert!(crashes >= at_least, "{crashes} crashes");
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
    check(&[], stage_fetched, 20);
    check(&[stage, activate], stage_fetched, 25);
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
    assert!(campaign(&start, boot) > 80);
}

#[test]
fn an_early_apply_may_be_cut_again_in_its_recovery() {
    let start = after(&[stage, activate]);
    let mut clean = once(&start);
    boot(&mut clean);
    let mut crashes = 0;
    for cut in 0..clean.machine.power.used() {
        let mut world = once(&start);
        world.machine.power.cut_after(cut);
        boot(&mut world);
        world.machine.crash(Survives::TornLast);
        crashes += campaign(&world, boot);
    }
    assert!(crashes > 1000, "{crashes}");
}

#[test]
fn a_trial_boot_and_its_confirmation_may_be_cut_anywhere() {
    check(&[stage, prepare, activate], boot, 10);
    let start = after(&[stage, prepare, activate, boot]);
    let boot_and_confirm = |world: &mut World| {
        world.boot();
        confirm(world)
    };
    assert!(campaign(&start, boot_and_confirm) > 20);
}

/// The update ends well, or did not begin; then doing it again ends well.
#[test]
fn an_update_that_was_cut_may_be_done_again() {
    let rows: [(&[Act], Act); 3] = [(&[], stage), (&[stage], prepare), (&[stage, activate], boot)];
    for (before, act) in rows {
        let start = after(before);
        let mut clean = once(&start);
        act(&mut clean);
        for cut in 0..clean.machine.power.used() {
            for survives in SURVIVORS {
                let case = format!("cut {cut}, survives {survives:?}");
                let mut world = once(&start);
                world.machine.power.cut_after(cut);
                act(&mut world);
                world.machine.crash(*survives);
                let found = world.boot_version();
                flow::confirm(world.site()).unwrap_or_else(|error| panic!("{case}: {error}"));
                if found == Some(1) {
                    world.stage_forced(upgrade()).unwrap_or_else(|error| panic!("{case}: {error}"));
                    flow::activate(world.site()).unwrap_or_else(|error| panic!("{case}: {error}"));
                }
                assert_eq!(world.boot_version(), Some(2), "{case}");
            }
        }
    }
}

#[test]
fn rebuilding_a_lost_record_may_be_cut_anywhere() {
    let start = World::running();
    let record = start.machine.parts[RECORD].clone();
    everboot_storage::medium::Medium::write_zeroes(&record, 0, 1 << 20).unwrap();
    everboot_storage::medium::Medium::sync(&record).unwrap();
    assert!(campaign(&start, boot) >= 10);
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
    let mut clean = once(&start);
    boot(&mut clean);
    for cut in 0..clean.machine.power.used() {
        for survives in SURVIVORS {
            let mut world = once(&start);
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
    let mut world = once(&after(&[stage, activate]));
    for start in 1..=5 {
        world.machine.power.cut_after(7);
        boot(&mut world);
        assert!(world.machine.entered.is_none(), "start {start}");
        world.machine.crash(Survives::None);
    }
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("abandoned")), "{:?}", outcome.notes);
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
}
