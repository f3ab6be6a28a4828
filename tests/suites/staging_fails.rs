//! A staging area or a disk that fails: what is due waits for its next start, and no good slot is given up for a bundle
//! that is damaged.

use everboot_agent::flow::{self, Error};
use everboot_agent::machine::{Disk, Survey};
use everboot_core::lifecycle::Refusal;
use everboot_core::manifest::Manifest;
use everboot_core::slot::Uuid;
use everboot_kit::sim::power::{DIRECTORY, DiskFault};
use everboot_kit::sim::{SLOT_B, SimRoot};
use everboot_kit::world::{World, bundle, due, good, image, manifest, upgraded};
use everboot_storage::apply;
use everboot_storage::medium::{Medium, Op, Staging};

/// Changes bytes in the middle of the staged bundle, and not its length.
fn damage_staged(world: &World) {
    let file = world.machine.staging.open(flow::STAGED).unwrap();
    file.write_at(file.len() / 2, &[0xee; 64]).unwrap();
    file.sync().unwrap();
}

#[test]
fn early_boot_gives_up_no_good_slot_for_a_damaged_bundle() {
    let mut world = upgraded();
    due(&mut world, good(3));
    damage_staged(&world);
    let before = world.slots();
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("given up")), "{:?}", outcome.notes);
    assert_eq!(world.picture(), "slot-a:good slot-b:good*?");
    assert!(world.slots() == before);
    flow::confirm(world.site()).unwrap();
    due(&mut world, good(3));
    assert_eq!(world.boot_version(), Some(3));
}

#[test]
fn prepare_gives_up_no_good_slot_for_a_damaged_bundle() {
    let mut world = upgraded();
    world.stage(good(3)).unwrap();
    damage_staged(&world);
    let before = world.slots();
    assert!(matches!(flow::prepare(world.site()), Err(Error::Bundle(_) | Error::Apply(_))));
    assert_eq!(world.picture(), "slot-a:good slot-b:good*! staged");
    assert!(world.slots() == before);
}

#[test]
fn a_copy_that_its_medium_changes_is_not_staged_and_the_older_one_stays() {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    // Which operation writes the copy.
    let mut other = world.fork();
    let before = other.machine.power.calls().len();
    other.stage(good(3)).unwrap();
    let calls = other.machine.power.calls();
    let is_write = |(op, medium): &(Op, usize)| *op == Op::Write && *medium > DIRECTORY;
    let write = calls[before..].iter().position(is_write).unwrap();
    let now = world.machine.power.calls().len();
    world.machine.power.fail(now + write, DiskFault::Forgotten);
    assert!(matches!(world.stage(good(3)), Err(Error::Staging(_))));
    assert_eq!(world.machine.staging.names(), [flow::STAGED]);
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn a_staging_area_that_comes_late_delays_the_update_by_a_boot() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.machine.has_staging = false;
    assert_eq!(world.boot_version(), Some(1));
    world.machine.has_staging = true;
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn a_staging_area_that_never_comes_ends_the_update_after_its_starts() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.machine.has_staging = false;
    for left in (1..5).rev() {
        assert_eq!(world.boot_version(), Some(1));
        assert_eq!(world.picture(), format!("slot-a:good*? slot-b:empty due(slot-b,{left},{})", 45 + left));
    }
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("abandoned")), "{:?}", outcome.notes);
    assert_eq!(world.picture(), "slot-a:good*? slot-b:empty");
}

#[test]
fn an_update_goes_on_after_a_boot_in_which_the_disk_failed() {
    let mut world = World::running();
    due(&mut world, good(2));
    let slot = world.machine.parts[SLOT_B].clone();
    slot.fail_writes(true);
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("waits")), "{:?}", outcome.notes);
    assert_eq!(world.picture(), "slot-a:good*? slot-b:writing due(slot-b,4,49)");
    slot.fail_writes(false);
    assert_eq!(world.boot_version(), Some(2));
}

/// The staging area is on a disk of its own.
fn staging_elsewhere(world: &mut World) -> Disk {
    let survey = &mut world.machine.survey;
    let data = survey.disks[0].parts.pop().unwrap();
    assert_eq!(data.label, "everboot-data");
    let disk = Disk {
        name: "other".into(),
        guid: Uuid([0xd1; 16]),
        parts: vec![data],
        removable: false,
        faults: vec![],
    };
    survey.disks.push(disk.clone());
    disk
}

#[test]
fn the_staging_area_may_be_on_another_disk_and_come_late() {
    let mut world = World::running();
    let disk = staging_elsewhere(&mut world);
    due(&mut world, good(2));
    world.machine.survey.disks.pop();
    assert_eq!(world.boot_version(), Some(1));
    world.machine.survey.disks.push(disk);
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    assert!(world.machine.staging.names().is_empty());
}

#[test]
fn the_staging_area_of_the_disk_with_the_slots_comes_first_and_two_others_are_none() {
    let mut world = World::running();
    let other = staging_elsewhere(&mut world);
    let found = |world: &mut World| world.site().look().staging.map(|at| at.disk);
    assert_eq!(found(&mut world), Some(1));
    world.machine.survey.disks.push(Disk { guid: Uuid([0xd2; 16]), ..other.clone() });
    assert_eq!(found(&mut world), None);
    let Survey { disks } = &mut world.machine.survey;
    disks[0].parts.extend(other.parts);
    assert_eq!(found(&mut world), Some(0));
}

#[test]
fn a_bundle_that_early_boot_would_not_find_is_not_made_due() {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    world.machine.staging.remove(flow::STAGED).unwrap();
    assert!(matches!(flow::activate(world.site()), Err(Error::Exchanged)));
    assert_eq!(world.picture(), "slot-a:good*! slot-b:empty staged");
    world.stage(good(2)).unwrap();
    world.machine.has_usual_staging = false;
    let refused = flow::activate(world.site()).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::OtherStaging)), "{refused}");
    world.machine.has_usual_staging = true;
    // One that does not answer now may do so at the next boot.
    world.stage(good(2)).unwrap();
    world.machine.has_staging = false;
    flow::activate(world.site()).unwrap();
    world.machine.has_staging = true;
    assert_eq!(world.boot_version(), Some(2));
}

fn in_blocks_of(bytes: u32) -> Manifest {
    let mut manifest = manifest(2);
    manifest.parts[0].fs_block = Some(bytes);
    manifest
}

#[test]
fn an_image_whose_blocks_are_smaller_than_the_sectors_is_refused() {
    let small = || bundle(in_blocks_of(1024), &image(2, SimRoot::Boots));
    let is_refused =
        |error: &Error| matches!(error, Error::Apply(apply::Error::Sector { block: 1024, sector: 4096 }));
    let mut world = World::running();
    world.machine.parts[SLOT_B].set_sector_size(4096);
    let refused = world.stage(small()).unwrap_err();
    assert!(is_refused(&refused) && world.machine.staging.names().is_empty(), "{refused}");
    world.stage(bundle(in_blocks_of(4096), &image(2, SimRoot::Boots))).unwrap();
    // The disk with what was staged was copied to one of the other kind.
    for is_prepared in [true, false] {
        let mut world = World::running();
        world.stage(small()).unwrap();
        world.machine.parts[SLOT_B].set_sector_size(4096);
        let before = world.machine.parts[SLOT_B].content();
        if is_prepared {
            assert!(is_refused(&flow::prepare(world.site()).unwrap_err()));
        } else {
            flow::activate(world.site()).unwrap();
            assert_eq!(world.boot_version(), Some(1));
            assert_eq!(world.picture(), "slot-a:good*? slot-b:empty");
        }
        assert!(world.machine.parts[SLOT_B].content() == before);
    }
}
