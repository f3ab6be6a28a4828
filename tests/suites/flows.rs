//! Whole flows on a simulated machine, without faults: what a user does, and what comes of it.

use everboot_agent::flow::{self, Destination, Error};
use everboot_core::lifecycle::{Refusal, Unfit};
use everboot_core::slot::SlotId;
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SimDisk, SimRoot};
use everboot_kit::world::{World, bundle, due, good, image, manifest, upgraded};
use everboot_storage::apply;
use everboot_storage::bundle::{Bundle, Sources};
use everboot_storage::medium::{Medium, Staging};
use everboot_storage::worker_pool::Threads;

#[test]
fn an_upgrade_in_early_boot_is_tried_and_confirmed() {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    assert!(world.machine.staging.names().is_empty());
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(world.picture(), "slot-a:good slot-b:good*?");
}

#[test]
fn an_upgrade_prepared_in_the_running_system_never_touches_the_running_slot() {
    let mut world = World::running();
    let before = world.slots()[0].clone();
    world.stage(good(2)).unwrap();
    let (name, progress) = flow::prepare(world.site()).unwrap();
    assert_eq!((name.as_str(), progress.written, progress.blocks), ("slot-b", 12, 12));
    assert_eq!(world.boot_version(), Some(1), "prepared is not activated");
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    assert!(world.slots()[0] == before);
}

#[test]
fn a_trial_that_is_never_confirmed_is_rolled_back_after_three_attempts() {
    let mut world = World::running();
    due(&mut world, good(2));
    let versions = [(); 5].map(|()| world.boot_version().unwrap());
    assert_eq!(versions, [2, 2, 2, 1, 1]);
    flow::confirm(world.site()).unwrap();
    let refused = world.stage(good(2)).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::RememberedBad)), "{refused}");
}

#[test]
fn a_broken_image_is_found_out_in_the_same_boot() {
    for root in [SimRoot::Broken, SimRoot::NoInit] {
        let mut world = World::running();
        due(&mut world, bundle(manifest(2), &image(2, root)));
        let outcome = world.boot();
        assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
        assert!(outcome.reason.contains("rolled back"), "{}", outcome.reason);
        assert_eq!(world.boot_version(), Some(1));
    }
}

#[test]
fn a_refusal_leaves_every_byte_as_it_was() {
    type Change = fn(&mut everboot_core::manifest::Manifest);
    let rows: [(&str, Change); 4] = [
        ("for machine type \"other\", and this machine is \"sim\"", |m| m.compatible = "other".into()),
        ("0.9", |m| m.version = "0.9".into()),
        ("no modules for the kernel", |m| m.modules = Some(vec!["6.0".into()])),
        ("1.0", |m| {
            m.upgrade_from = everboot_core::manifest::VersionRange::parse("3.0").map(|range| vec![range])
        }),
    ];
    for (expected, change) in rows {
        let mut world = World::running();
        world.machine.kernel = Some("6.1".into());
        let mut manifest = manifest(2);
        change(&mut manifest);
        let before: Vec<_> = world.machine.parts.iter().map(|part| part.content()).collect();
        let refused = world.stage(bundle(manifest, &image(2, SimRoot::Boots))).unwrap_err();
        assert!(matches!(refused, Error::Unfit(_)), "{refused:?}");
        assert!(refused.to_string().contains(expected), "{refused}");
        let after: Vec<_> = world.machine.parts.iter().map(|part| part.content()).collect();
        assert!(before == after && world.machine.staging.names().is_empty(), "{expected}");
    }
}

#[test]
fn an_image_larger_than_the_slot_is_refused() {
    let mut world = World::running();
    let mut manifest = manifest(2);
    manifest.parts[0].size = 60 * 4096;
    let refused = world.stage(bundle(manifest, &vec![7; 60 * 4096])).unwrap_err();
    assert!(refused.to_string().contains("do not fit"), "{refused}");
    assert!(world.machine.staging.names().is_empty());
}

#[test]
fn a_staging_area_without_room_is_refused_and_left_empty() {
    let mut world = World::running();
    world.machine.staging.set_free_space(1000);
    assert!(matches!(world.stage(good(2)).unwrap_err(), Error::NoSpace { found: 1000, .. }));
    assert!(world.machine.staging.names().is_empty());
    assert_eq!(world.picture(), "slot-a:good*! slot-b:empty");
}

#[test]
fn a_download_that_broke_off_makes_room_where_that_is_enough() {
    let len = good(2).len() as u64;
    let part = "fetched.everboot.part";
    for (free_space, is_staged) in [(len - 1, false), (len + 100, true)] {
        let mut world = World::running();
        Staging::create(&world.machine.staging, part).unwrap().write_at(0, &[1; 200]).unwrap();
        world.machine.staging.set_free_space(free_space);
        assert_eq!(world.stage(good(2)).is_ok(), is_staged, "{free_space} of {len}");
        let left = if is_staged { flow::STAGED } else { part };
        assert_eq!(world.machine.staging.names(), [left]);
    }
}

#[test]
fn a_bundle_that_goes_bad_after_staging_is_given_up_and_not_retried() {
    let mut world = World::running();
    due(&mut world, good(2));
    let file = Staging::open(&world.machine.staging, flow::STAGED).unwrap();
    let at = file.len() / 2;
    file.write_at(at, &[0xee; 64]).unwrap();
    file.sync().unwrap();
    let outcome = world.boot();
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
    assert!(outcome.notes.iter().any(|note| note.contains("given up")), "{:?}", outcome.notes);
    assert_eq!(world.picture(), "slot-a:good*? slot-b:writing");
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    assert!(world.machine.staging.names().is_empty(), "the bundle is removed");
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2), "a staging fault does not make an image bad");
}

#[test]
fn another_bundle_under_the_staged_name_is_not_applied() {
    let mut world = World::running();
    due(&mut world, good(2));
    let file = Staging::create(&world.machine.staging, flow::STAGED).unwrap();
    file.write_at(0, &good(3)).unwrap();
    file.sync().unwrap();
    assert_eq!(world.boot_version(), Some(1));
    assert_eq!(world.version_in(SLOT_B), None);
}

#[test]
fn a_staging_area_that_cannot_be_mounted_boots_the_old_system() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.machine.has_staging = false;
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("staging area")), "{:?}", outcome.notes);
    assert_eq!(world.picture(), "slot-a:good*? slot-b:empty due(slot-b,4,49)");
}

#[test]
fn a_lost_record_is_rebuilt_from_the_slots() {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    let record = world.machine.parts[RECORD].clone();
    record.write_zeroes(0, record.len()).unwrap();
    assert_eq!(world.boot_version(), Some(2), "the slot that was confirmed last");
    assert_eq!(world.picture(), "slot-a:good slot-b:good*?");
}

#[test]
fn a_lost_record_makes_an_unconfirmed_slot_no_default() {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    let record = world.machine.parts[RECORD].clone();
    record.write_zeroes(0, record.len()).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    assert_eq!(world.picture(), "slot-a:good*? slot-b:proven");
}

#[test]
fn without_a_writable_record_nothing_is_tried() {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    flow::prepare(world.site()).unwrap();
    flow::activate(world.site()).unwrap();
    world.machine.parts[RECORD].fail_writes(true);
    let outcome = world.boot();
    assert!(outcome.reason.contains("record cannot be written"), "{}", outcome.reason);
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
    world.machine.parts[RECORD].fail_writes(false);
    assert_eq!(world.boot_version(), Some(2), "the trial has lost nothing");
}

#[test]
fn two_disks_with_the_same_identity_boot_without_a_write() {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    flow::prepare(world.site()).unwrap();
    flow::activate(world.site()).unwrap();
    let twin = world.machine.survey.disks[0].clone();
    world.machine.survey.disks.push(twin);
    let before: Vec<_> = world.machine.parts.iter().map(|part| part.content()).collect();
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("is on sim and sim")), "{:?}", outcome.notes);
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
    let after: Vec<_> = world.machine.parts.iter().map(|part| part.content()).collect();
    assert!(before == after);
}

#[test]
fn everything_broken_waits_longer_and_longer_and_tries_the_last_good_slot() {
    let mut world = World::running();
    let slot = world.machine.parts[SLOT_A].clone();
    slot.write_at(0, b"rotten!!").unwrap();
    world.operator.patience = 4;
    assert_eq!(world.boot().destination, Destination::Recovery);
    assert_eq!(world.operator.waits, [10, 20, 40, 80, 160]);
    slot.write_at(0, SimRoot::Boots.magic()).unwrap();
    world.operator.waits.clear();
    let outcome = world.boot();
    assert!(matches!(outcome.destination, Destination::Root(..)), "the cause is gone");
}

#[test]
fn a_slot_that_the_record_calls_good_is_not_booted_without_its_trailer() {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    let slot = world.machine.parts[SLOT_B].clone();
    slot.write_zeroes(slot.len() - 65536, 65536).unwrap();
    let outcome = world.boot();
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
    assert!(outcome.notes.iter().any(|note| note.contains("trailer")), "{:?}", outcome.notes);
}

#[test]
fn confirm_speaks_of_the_root_that_runs_whatever_was_recorded() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.boot();
    // The next boot could not be recorded: slot-a runs, and the record still names slot-b.
    world.machine.entered.as_mut().unwrap().at.part = SLOT_A;
    assert_eq!(flow::confirm(world.site()).unwrap().slot.as_str(), "slot-a");
    assert_eq!(world.picture(), "slot-a:good*! slot-b:trial(2,9) kept");
    world.machine.entered.as_mut().unwrap().at.part = 3;
    assert!(matches!(flow::confirm(world.site()), Err(Error::WrongRoot(_))));
}

#[test]
fn a_confirmation_does_not_undo_a_rejection() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.boot();
    flow::reject(world.site(), None).unwrap();
    assert!(matches!(flow::confirm(world.site()), Err(Error::Refused(Refusal::Rejected(_)))));
    assert_eq!(world.boot_version(), Some(1));
}

/// Two good slots, and an update that comes to nothing before a byte is written: the rollback copy stays.
#[test]
fn an_early_apply_that_is_refused_leaves_the_other_slot_good() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.boot();
    flow::confirm(world.site()).unwrap();
    due(&mut world, good(3));
    world.machine.has_staging = false;
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(world.picture(), "slot-a:good slot-b:good*? due(slot-a,4,49)");
    assert_eq!(flow::rollback(world.site(), None, false).unwrap().as_str(), "slot-a");
}

#[test]
fn the_only_good_slot_boots_after_a_wait_when_its_trailer_is_damaged() {
    let mut world = World::running();
    let slot = world.machine.parts[SLOT_A].clone();
    slot.write_at(slot.len() - 65536, &[0xff; 4096]).unwrap();
    world.operator.patience = 1;
    assert_eq!(world.boot_version(), Some(1));
    assert_eq!(world.operator.waits, [10]);
}

#[test]
fn a_record_is_not_rebuilt_from_slots_that_cannot_be_read() {
    let mut world = World::running();
    let record = world.machine.parts[RECORD].clone();
    record.write_zeroes(0, record.len()).unwrap();
    world.machine.dead = vec![SLOT_A, SLOT_B];
    assert_eq!(world.boot().destination, Destination::Recovery);
    world.machine.dead.clear();
    world.operator.waits.clear();
    assert_eq!(world.boot_version(), Some(1), "the slots answer again");
    assert_eq!(world.picture(), "slot-a:good*? slot-b:empty");
}

#[test]
fn a_record_is_not_rebuilt_by_an_initramfs_without_keys() {
    let mut world = World::running();
    let record = world.machine.parts[RECORD].clone();
    record.write_zeroes(0, record.len()).unwrap();
    let keys = std::mem::take(&mut world.keys);
    assert_eq!(world.boot().destination, Destination::Recovery);
    world.keys = keys;
    world.operator.waits.clear();
    assert_eq!(world.boot_version(), Some(1));
}

#[test]
fn a_disk_with_new_guids_boots_and_keeps_its_record() {
    let mut world = World::running();
    let before = world.machine.parts[RECORD].content();
    world.machine.survey.disks[0].guid = everboot_core::slot::Uuid([0xee; 16]);
    assert_eq!(world.boot_version(), Some(1));
    assert!(world.machine.parts[RECORD].content() == before);
    flow::repair(world.site(), false).unwrap();
    assert_eq!(world.picture(), "slot-a:good*? slot-b:empty");
}

/// A device that does not answer is no evidence against an image: the tries stay, the hand-offs go.
#[test]
fn a_trial_whose_device_fails_keeps_its_tries() {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    flow::prepare(world.site()).unwrap();
    flow::activate(world.site()).unwrap();
    world.machine.dead = vec![SLOT_B];
    for boot in 1..=4 {
        assert_eq!(world.boot_version(), Some(1), "boot {boot}");
    }
    assert_eq!(world.picture(), "slot-a:good*? slot-b:trial(3,6) kept");
    world.machine.dead.clear();
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn every_verb_may_be_repeated() {
    let mut world = World::running();
    for _ in 0..2 {
        world.stage(good(2)).unwrap();
    }
    for _ in 0..2 {
        flow::activate(world.site()).unwrap();
    }
    assert_eq!(world.boot_version(), Some(2));
    for _ in 0..2 {
        flow::confirm(world.site()).unwrap();
    }
    for slot in [Some("slot-a"), Some("slot-a")] {
        flow::reject(world.site(), slot).unwrap();
    }
    for _ in 0..2 {
        flow::cancel(world.site()).unwrap();
    }
    assert_eq!(world.picture(), "slot-a:bad(rejected) slot-b:good*!");
    assert_eq!(world.record().bad_images.len(), 1);
}

#[test]
fn verify_names_the_block_that_differs() {
    let mut world = World::running();
    let (_, whole) = flow::slot_difference(world.site(), "slot-a").unwrap();
    assert!(matches!(&whole[..], [(_, whole)] if whole.is_none()));
    world.machine.parts[SLOT_A].write_at(5 * 4096 + 17, b"x").unwrap();
    let (_, found) = flow::slot_difference(world.site(), "slot-a").unwrap();
    let (part, found) = &found[0];
    assert_eq!((part.as_str(), found.differing, &found.listed[..], found.blocks), ("root", 1, &[5][..], 12));
    let refused = flow::slot_difference(world.site(), "slot-b").unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::NothingIn(_))));
}

#[test]
fn an_unknown_installed_version_takes_only_bundles_without_a_from_rule() {
    let mut world = World::factory();
    flow::init(world.site(), Some(("slot-b", "")), true).unwrap();
    let mut strict = manifest(2);
    strict.upgrade_from = everboot_core::manifest::VersionRange::parse("1.0").map(|range| vec![range]);
    let refused = world.stage(bundle(strict, &image(2, SimRoot::Boots))).unwrap_err();
    assert!(matches!(refused, Error::Unfit(Unfit::Version(_))), "{refused}");
    // A good slot beside an unconfirmed default may not be written.
    flow::reject(world.site(), Some("slot-a")).unwrap();
    world.stage(good(2)).unwrap();
}

/// One block of the image differs, so one block is written; tree and blocks that are right are not.
#[test]
fn an_apply_writes_no_more_than_what_differs() {
    let mut world = World::running();
    world.fill(SLOT_B, manifest(2), &image(2, SimRoot::Boots));
    world.machine.parts[SLOT_B].write_at(3 * 4096, &[0; 4096]).unwrap();
    world.stage(good(2)).unwrap();
    let (_, progress) = flow::prepare(world.site()).unwrap();
    assert_eq!((progress.written, progress.bytes_written), (1, 4096));
}

/// As long as nothing was right, of a frame of 64 blocks 16 are looked at, from the quarter on whose turn it is.
#[test]
fn no_block_that_is_right_is_written_to_a_slot_on_which_another_was() {
    let mut manifest = manifest(2);
    (manifest.parts[0].size, manifest.parts[0].frame_blocks) = (6 * 64 * 4096, 64);
    let bytes: Vec<u8> = (0..6 * 64 * 4096).map(|at| (at / 4096) as u8 ^ (at % 251) as u8).collect();
    let file = |bytes: Vec<u8>| SimDisk::with_power(bytes, SimDisk::new(0).power());
    let (bytes, target) = (bundle(manifest, &bytes), SimDisk::new(512 * 4096));
    let apply = || {
        let mut bundle = Bundle::open(file(bytes.clone()), &World::blank().keys).unwrap();
        apply::apply(
            &mut bundle,
            &mut [Sources::none()],
            std::slice::from_ref(&target),
            Threads::NONE,
            &mut |_| (),
        )
        .unwrap()
    };
    apply();
    let whole = target.content();
    let spoil = |block: u64| target.write_at(block * 4096 + 9, b"rot").unwrap();
    (0..64).for_each(spoil);
    (64..128).filter(|block| *block != 64 + 5).for_each(spoil);
    spoil(128 + 5);
    (192..320).for_each(spoil);
    (320..384).filter(|block| *block != 320 + 60).for_each(spoil);
    assert_eq!(apply().written, 64 + 64 + 1 + 64 + 64 + 63);
    assert!(target.content() == whole);
}

#[test]
fn a_slot_is_booted_once_and_the_default_again_after_it() {
    let mut world = upgraded();
    flow::boot_once(world.site(), Some("slot-a"), false).unwrap();
    assert_eq!(world.picture(), "slot-a:good slot-b:good*! once(slot-a)");
    assert_eq!([(); 3].map(|()| world.boot_version().unwrap()), [1, 2, 2]);
    flow::boot_once(world.site(), Some("slot-a"), false).unwrap();
    flow::boot_once(world.site(), None, false).unwrap();
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn a_rollback_after_success_sticks_and_is_undone_by_another_one() {
    let mut world = upgraded();
    flow::rollback(world.site(), None, false).unwrap();
    assert_eq!([(); 4].map(|()| world.boot_version().unwrap()), [1, 1, 1, 1]);
    flow::rollback(world.site(), Some("slot-b"), false).unwrap();
    assert_eq!([(); 4].map(|()| world.boot_version().unwrap()), [2, 2, 2, 2]);
}

/// Such a record would boot nothing, and would never be made anew from slots that can be read again.
#[test]
fn repair_makes_no_record_of_slots_that_say_nothing() {
    let mut world = World::blank();
    for force in [false, true] {
        let error = flow::repair(world.site(), force).unwrap_err().to_string();
        assert!(error.contains("no slot says what it holds"), "{error}");
    }
    assert_eq!(flow::init(world.site(), Some(("slot-a", "1.0")), false).unwrap().default, Some(SlotId(0)));
    flow::repair(world.site(), false).unwrap();
}
