//! The floor: a version below which nothing comes onto a machine.

use crate::trust::{
    KEYS, bundle, bytes, endorsed, insecure, install, lose_record, refused_without_a_change, went_to,
};
use everboot_agent::flow::{self, Error, Overrides};
use everboot_core::config::BootRequest;
use everboot_core::lifecycle::{Refusal, Unfit};
use everboot_core::manifest::Manifest;
use everboot_core::slot::SlotName;
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SimRoot};
use everboot_kit::world::{World, image, manifest};
use everboot_storage::bundle::sign::UNSIGNED;
use everboot_storage::bundle::write::assemble;
use everboot_storage::medium::Medium;

fn with_floor(version: u8, floor: &str) -> Vec<u8> {
    let manifest = Manifest { floor: floor.into(), ..manifest(version) };
    bundle(manifest, &|bytes| KEYS[0].sign(bytes, &[]))
}

/// A machine on which version 2 with floor 2.0 is confirmed in slot-b; version 1 is good in slot-a.
fn floored() -> World {
    let mut world = World::running();
    install(&mut world, with_floor(2, "2.0"));
    assert_eq!(world.picture(), "slot-a:good slot-b:good*! floor(2.0)");
    world
}

#[test]
fn the_floor_rises_when_an_image_is_confirmed_and_not_before() {
    let mut world = World::running();
    world.stage(with_floor(2, "1.5")).unwrap();
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(world.record().floor, "");
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.record().floor, "1.5");
    install(&mut world, endorsed(3));
    assert_eq!(world.record().floor, "1.5", "an image without one leaves it");
    let mut world = insecure();
    flow::confirm(world.site()).unwrap();
    let manifest = Manifest { floor: "3.0".into(), ..manifest(3) };
    let insecure = bundle(manifest, &|_| UNSIGNED.to_vec());
    world.stage_insisting(insecure, Overrides { force: false, insecure: true }).unwrap();
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(3));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.record().floor, "", "nobody stands behind it");
}

#[test]
fn no_image_below_the_floor_is_staged_prepared_or_applied() {
    let mut world = floored();
    flow::rollback(world.site(), None, true).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    let old = Manifest { version: "1.9".into(), ..manifest(3) };
    let old = assemble(old, &image(3, SimRoot::Boots), &|bytes| KEYS[0].sign(bytes, &[])).unwrap();
    world.keys.allow_insecure();
    let insist = Overrides { force: true, insecure: true };
    let error = refused_without_a_change(&mut world, old.clone(), insist);
    assert_eq!(error.to_string(), "refused: version 1.9 is lower than 2.0 (the floor)");
    assert!(matches!(error, Error::Unfit(Unfit::Version(_))));
    // It was staged before the floor rose.
    for by_boot in [false, true] {
        let mut world = World::running();
        world.stage(old.clone()).unwrap();
        flow::activate(world.site()).unwrap();
        let mut view = world.site().look();
        let record = everboot_core::record::Record { floor: "2.0".into(), ..view.record.clone() };
        view.save(record).unwrap();
        if by_boot {
            let outcome = world.boot();
            assert!(outcome.notes.iter().any(|note| note.contains("(the floor)")), "{:?}", outcome.notes);
            assert_eq!(world.picture(), "slot-a:good*? slot-b:empty floor(2.0)");
        } else {
            let before = bytes(&world);
            assert!(matches!(flow::prepare(world.site()), Err(Error::Unfit(_))));
            assert!(bytes(&world) == before);
        }
    }
}

#[test]
fn a_slot_below_the_floor_is_chosen_by_nobody_unless_forced_and_is_still_the_way_back() {
    let mut world = floored();
    let before = bytes(&world);
    for error in [
        flow::rollback(world.site(), None, false).unwrap_err(),
        flow::rollback(world.site(), Some("slot-a"), false).unwrap_err(),
        flow::boot_once(world.site(), Some("slot-a"), false).unwrap_err(),
        flow::bootable(world.site(), "slot-a").unwrap_err(),
    ] {
        assert!(matches!(error, Error::Refused(Refusal::BelowFloor)), "{error}");
    }
    assert!(bytes(&world) == before);
    flow::bootable(world.site(), "slot-b").unwrap();
    let asked = BootRequest::Slot(SlotName::new("slot-a").unwrap());
    let outcome = world.boot_asked(Some(&asked));
    assert_eq!(went_to(&outcome), Some(SLOT_B));
    let ignored = "everboot.slot=slot-a is ignored: version 1.0 is below the floor 2.0";
    assert!(outcome.notes.iter().any(|note| note == ignored), "{:?}", outcome.notes);
    // Nothing else boots.
    world.machine.parts[SLOT_B].write_at(0, b"BROKEN!!").unwrap();
    let outcome = world.boot();
    assert_eq!(went_to(&outcome), Some(SLOT_A));
    let is_noted = outcome.notes.iter().any(|note| note == "slot-a: good, version 1.0, below the floor");
    assert!(is_noted, "{:?}", outcome.notes);
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.record().floor, "2.0", "it does not sink");
}

#[test]
fn the_floor_outlives_a_copy_of_the_record_and_the_record() {
    for (at, lost) in [(0, false), ((1 << 20) - 4096, false), (0, true)] {
        let mut world = floored();
        if lost {
            lose_record(&world);
        }
        world.machine.parts[RECORD].write_zeroes(at, 4096).unwrap();
        assert_eq!(world.boot_version(), Some(2));
        assert_eq!(world.record().floor, "2.0");
    }
    // One that knows of no floor has saved the record.
    let mut world = floored();
    let mut view = world.site().look();
    let record = everboot_core::record::Record { floor: String::new(), ..view.record.clone() };
    view.save(record).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.record().floor, "2.0");
}
