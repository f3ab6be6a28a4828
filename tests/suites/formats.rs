//! Old and new agents share one record (promise 11): whatever the older one does, nothing is lost that only the newer
//! one knows.

use everboot_agent::flow::{self, BlockSource, Destination, Error};
use everboot_core::lifecycle::{Blocked, Refusal};
use everboot_core::record::{Copy, Extension, Formats, Owner, Record, Side, Update, encode};
use everboot_core::slot::{BadReason, SlotId, SlotState, Tagged};
use everboot_kit::facts::NEXT;
use everboot_kit::picture::show;
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SimDisk};
use everboot_kit::world::{World, due, good, lose_copy, upgraded};
use everboot_storage::medium::Medium;
use everboot_storage::store;

/// The critical extension that [`NEXT`] understands.
const CRITICAL: u16 = NEXT.extensions[0];

fn extension(kind: u16, owner: Owner) -> Extension {
    Extension { kind, is_critical: kind == CRITICAL, owner, body: vec![1, 2, 3] }
}

/// The agent of the next version changes the record.
fn change(world: &mut World, how: impl FnOnce(&mut Record)) {
    let formats = std::mem::replace(&mut world.formats, NEXT);
    let mut view = world.site().look();
    let mut record = view.record.clone();
    how(&mut record);
    view.save(record).unwrap();
    world.formats = formats;
}

/// Writes a copy.
fn put(world: &World, side: Side, block: &[u8; 4096]) {
    let record = &world.machine.parts[RECORD];
    let at = if side == Side::First { 0 } else { record.len() - 4096 };
    record.write_at(at, block).unwrap();
    record.sync().unwrap();
}

/// A copy of format version 2, whose body nobody can read who does not know that version.
fn second_version(record: &Record, generation: u64) -> [u8; 4096] {
    let mut block = *encode(record, generation, 2).unwrap();
    block[148..4092].fill(0xa5);
    let checksum = crc32fast::hash(&block[..4092]);
    block[4092..].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// Both copies become ones of version 2.
pub fn only_second_version(world: &mut World, record: &Record) {
    put(world, Side::First, &second_version(record, 1000));
    put(world, Side::Last, &second_version(record, 1001));
}

fn bytes(world: &World) -> Vec<Vec<u8>> {
    [RECORD, SLOT_A, SLOT_B].map(|part| world.machine.parts[part].content()).to_vec()
}

fn extensions(world: &mut World) -> Vec<u16> {
    world.record().extensions.iter().map(|extension| extension.kind).collect()
}

#[test]
fn an_older_agent_boots_a_newer_format_in_the_order_that_it_names() {
    for (default, first, then) in [("slot-a", 1, 2), ("slot-b", 2, 1)] {
        let mut world = upgraded();
        let mut record = world.record();
        record.default = record.find(default);
        only_second_version(&mut world, &record);
        let before = bytes(&world);
        assert_eq!(world.boot_version(), Some(first));
        let first_slot = [SLOT_A, SLOT_B][usize::from(first) - 1];
        world.machine.unbootable = vec![first_slot];
        assert_eq!(world.boot_version(), Some(then), "where the first cannot be entered");
        assert!(bytes(&world) == before);
    }
}

/// The copy that can be read is older: the slot that it calls the default was rejected since.
#[test]
fn the_order_of_a_newer_format_counts_more_than_an_older_copy() {
    let mut world = upgraded();
    let record = world.record();
    put(&world, Side::First, &encode(&record, 1000, 1).unwrap());
    let mut next = record.clone();
    next.slots[1].state = SlotState::Bad { reason: BadReason::Rejected };
    next.default = next.find("slot-a");
    put(&world, Side::Last, &second_version(&next, 1001));
    assert_eq!(world.boot_version(), Some(1));
    world.machine.unbootable = vec![SLOT_A];
    assert_eq!(world.boot_version(), Some(2), "before nothing is booted");
}

#[test]
fn a_partition_of_the_order_is_booted_though_no_slot_is_configured_on_it() {
    let mut world = upgraded();
    let record = world.record();
    only_second_version(&mut world, &record);
    world.config.slots.retain(|slot| slot.name.as_str() == "slot-a");
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn no_verb_of_an_older_agent_changes_a_newer_format() {
    let mut world = upgraded();
    let record = world.record();
    only_second_version(&mut world, &record);
    let before = bytes(&world);
    let results = [
        flow::confirm(world.site()).map(drop),
        flow::reject(world.site(), Some("slot-a")).map(drop),
        flow::rollback(world.site(), None, true).map(drop),
        flow::activate(world.site()).map(drop),
        flow::prepare(world.site()).map(drop),
        flow::cancel(world.site()),
        flow::boot_once(world.site(), Some("slot-a"), true),
        flow::repair(world.site(), false).map(drop),
        world.stage(good(3)).map(drop),
    ];
    for (at, result) in results.into_iter().enumerate() {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("format version 2, and this everboot knows up to 1"), "{at}: {error}");
    }
    assert!(bytes(&world) == before);
}

/// Floor, bad images and rejection were gone after one boot.
#[test]
fn a_reason_that_is_not_known_costs_nothing_else() {
    let mut world = upgraded();
    flow::rollback(world.site(), None, false).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    change(&mut world, |record| {
        let reason = BadReason::Other(Tagged::new(9, &[1]).unwrap());
        record.slots[1].state = SlotState::Bad { reason };
        record.remember_bad(record.slots[1].image_id());
        record.floor = "0.5".into();
    });
    let bad = world.record().bad_images;
    for _ in 0..3 {
        assert_eq!(world.boot_version(), Some(1));
        flow::confirm(world.site()).unwrap();
        assert_eq!(world.picture(), "slot-a:good*! slot-b:bad(other-9,1) floor(0.5)");
        assert_eq!(world.record().bad_images, bad);
    }
    let refused = world.stage(good(2)).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::RememberedBad)), "{refused}");
    // What is bad, for whatever reason, may be written.
    due(&mut world, good(3));
    assert_eq!(world.boot_version(), Some(3));
}

#[test]
fn a_slot_in_an_unknown_state_is_neither_booted_nor_written_until_it_is_rejected() {
    let mut world = upgraded();
    flow::rollback(world.site(), None, false).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    change(&mut world, |record| record.slots[1].state = SlotState::Other(Tagged::new(9, &[1, 2]).unwrap()));
    let slot = world.machine.parts[SLOT_B].content();
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    let refused = world.stage(good(3)).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Blocked(Blocked::NoSlot))), "{refused}");
    assert!(flow::boot_once(world.site(), Some("slot-b"), true).is_err());
    assert!(flow::rollback(world.site(), Some("slot-b"), true).is_err());
    assert!(flow::repair_blocks(world.site(), "slot-b", BlockSource::<SimDisk>::Any).is_err());
    world.machine.unbootable = vec![SLOT_A];
    assert_eq!(world.boot().destination, Destination::Recovery);
    world.machine.unbootable.clear();
    assert_eq!(world.boot_version(), Some(1));
    assert!(world.picture().contains("slot-b:other(9,1,2)"), "{}", world.picture());
    assert!(world.machine.parts[SLOT_B].content() == slot);
    flow::reject(world.site(), Some("slot-b")).unwrap();
    due(&mut world, good(3));
    assert_eq!(world.boot_version(), Some(3));
}

/// The newer agent in the initramfs booted it; the older one in the slot leaves the verdict to it.
#[test]
fn a_running_slot_in_an_unknown_state_is_not_confirmed() {
    let mut world = upgraded();
    change(&mut world, |record| record.slots[1].state = SlotState::Other(Tagged::new(9, &[]).unwrap()));
    let before = bytes(&world);
    let refused = flow::confirm(world.site()).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::NewerState)), "{refused}");
    assert!(bytes(&world) == before);
}

#[test]
fn an_update_of_a_newer_agent_waits_for_it_or_is_cancelled() {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    change(&mut world, |record| {
        let bundle = record.update.bundle().cloned();
        let step = Tagged::new(77, &[4]).unwrap();
        record.update = Update::Other { step, bundle, target: record.find("slot-b") };
    });
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    for result in [
        flow::prepare(world.site()).map(drop),
        flow::activate(world.site()).map(drop),
        world.stage(good(3)).map(drop),
    ] {
        let refused = result.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::NewerUpdate)), "{refused}");
    }
    assert_eq!(world.picture(), "slot-a:good*! slot-b:empty other(77,slot-b)");
    flow::cancel(world.site()).unwrap();
    due(&mut world, good(3));
    assert_eq!(world.boot_version(), Some(3));
}

/// Upgrade, confirmation, rollback, rejection, floor, repair by the older agent.
#[test]
fn extensions_outlive_every_verb_of_an_older_agent() {
    let mut world = World::running();
    change(&mut world, |record| {
        let image = record.slots[0].image_id();
        record.extensions.push(extension(300, Owner::Record));
        record.extensions.push(extension(301, Owner::Slot(SlotId(0), image)));
        record.floor = "0.5".into();
    });
    let keeps = |world: &mut World, what: &str| {
        assert_eq!(extensions(world), [300, 301], "{what}");
        assert_eq!(world.record().floor, "0.5", "{what}");
    };
    keeps(&mut world, "change");
    world.stage(good(2)).unwrap();
    keeps(&mut world, "stage");
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    keeps(&mut world, "boot");
    flow::confirm(world.site()).unwrap();
    keeps(&mut world, "confirm");
    flow::rollback(world.site(), None, false).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    keeps(&mut world, "rollback");
    flow::reject(world.site(), Some("slot-b")).unwrap();
    keeps(&mut world, "reject");
    lose_copy(&world, false);
    flow::repair(world.site(), false).unwrap();
    keeps(&mut world, "repair");
}

#[test]
fn an_extension_goes_with_what_it_belongs_to() {
    let mut world = upgraded();
    flow::rollback(world.site(), None, false).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    world.stage(good(3)).unwrap();
    change(&mut world, |record| {
        let (image, bundle) = (record.slots[1].image_id(), record.update.bundle().unwrap().manifest);
        record.extensions.push(extension(300, Owner::Record));
        record.extensions.push(extension(301, Owner::Slot(SlotId(1), image)));
        record.extensions.push(extension(302, Owner::Update(bundle)));
        record.extensions.push(extension(303, Owner::Other { tag: 9, body: vec![1; 40] }));
    });
    assert_eq!(extensions(&mut world), [300, 301, 302, 303]);
    // The slot is being written: its image is gone.
    flow::prepare(world.site()).unwrap();
    assert_eq!(extensions(&mut world), [300, 302, 303]);
    flow::cancel(world.site()).unwrap();
    // Of an owner that is not known, only who knows it can tell whether it is gone.
    assert_eq!(extensions(&mut world), [300, 303]);
}

#[test]
fn who_does_not_know_a_critical_extension_boots_the_default_and_saves_nothing() {
    let mut world = World::running();
    due(&mut world, good(2));
    let bundle = world.record().update.bundle().unwrap().manifest;
    change(&mut world, |record| record.extensions.push(extension(CRITICAL, Owner::Update(bundle))));
    let before = bytes(&world);
    assert_eq!(world.boot_version(), Some(1));
    let error = flow::confirm(world.site()).unwrap_err().to_string();
    assert!(error.contains("critical extension 900"), "{error}");
    assert!(matches!(flow::cancel(world.site()), Err(Error::Record(_))));
    assert!(bytes(&world) == before);
    // Who knows it goes on; once the update is confirmed and gone, everybody does.
    world.formats = NEXT;
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    world.formats = Formats::CURRENT;
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.picture(), "slot-a:good slot-b:good*!");
}

#[test]
fn forced_repair_makes_a_record_that_an_older_agent_can_save() {
    let mut world = upgraded();
    change(&mut world, |record| record.extensions.push(extension(CRITICAL, Owner::Record)));
    flow::repair(world.site(), true).unwrap();
    assert_eq!(world.picture(), "slot-a:good slot-b:good*!");
    let record = world.record();
    put(&world, Side::First, &encode(&record, 1000, 2).unwrap());
    put(&world, Side::Last, &encode(&record, 1001, 2).unwrap());
    assert!(flow::repair(world.site(), false).is_err());
    flow::repair(world.site(), true).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
}

/// Nobody raises the version by the way: an older agent goes on with what a newer one has saved.
#[test]
fn a_newer_agent_keeps_the_version_that_it_finds() {
    let version = |world: &World| {
        let record = &world.machine.parts[RECORD];
        let mut block = [0; 4096];
        [0, record.len() - 4096].map(|at| {
            record.read_at(at, &mut block).unwrap();
            match Copy::decode_with(&block, &NEXT) {
                Copy::Valid { version, .. } => version,
                other => panic!("{other:?}"),
            }
        })
    };
    let mut world = World::running();
    world.formats = NEXT;
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    assert_eq!(version(&world), [1, 1]);
    let record = world.record();
    put(&world, Side::First, &encode(&record, 1000, 2).unwrap());
    put(&world, Side::Last, &encode(&record, 1001, 2).unwrap());
    flow::rollback(world.site(), None, false).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    assert_eq!(version(&world), [2, 2]);
}

/// One agent in the initramfs and another one in the slots, changing places: as if there was one alone.
#[test]
fn agents_of_two_versions_take_turns() {
    let life = |turns: u32| {
        let mut world = World::running();
        let mut pictures = Vec::new();
        let acts: [fn(&mut World); 10] = [
            |world| drop(world.stage(good(2)).unwrap()),
            |world| drop(flow::activate(world.site()).unwrap()),
            |world| drop(world.boot()),
            |world| drop(flow::confirm(world.site()).unwrap()),
            |world| drop(flow::rollback(world.site(), None, false).unwrap()),
            |world| drop(world.boot()),
            |world| drop(flow::confirm(world.site()).unwrap()),
            |world| drop(flow::reject(world.site(), Some("slot-b")).unwrap()),
            |world| lose_copy(world, false),
            |world| drop(flow::repair(world.site(), false).unwrap()),
        ];
        for (at, act) in acts.iter().enumerate() {
            world.formats = if turns >> at & 1 == 1 { NEXT } else { Formats::CURRENT };
            act(&mut world);
            pictures.push(show(&world.record()));
        }
        pictures
    };
    let alone = life(0);
    for turns in [0b1111111111, 0b0101010101, 0b1010101010, 0b0011001100] {
        assert_eq!(life(turns), alone, "{turns:b}");
    }
}

#[test]
fn a_copy_that_is_not_understood_is_no_fault_of_it() {
    let mut world = upgraded();
    let record = world.record();
    only_second_version(&mut world, &record);
    let loaded = store::load(&world.machine.parts[RECORD]);
    assert_eq!(loaded.faults, [None, None]);
    assert_eq!(
        store::load_with(&world.machine.parts[RECORD], NEXT).faults.map(|fault| fault.is_some()),
        [true; 2]
    );
}

#[test]
fn one_copy_that_is_lost_lets_nobody_save_over_a_critical_extension() {
    for newer in [false, true] {
        let mut world = upgraded();
        change(&mut world, |record| record.extensions.push(extension(CRITICAL, Owner::Record)));
        let blank = [0; 4096];
        put(&world, if newer { Side::First } else { Side::Last }, &blank);
        assert!(matches!(flow::confirm(world.site()), Err(Error::Record(_))), "{newer}");
        world.formats = NEXT;
        assert_eq!(extensions(&mut world), [CRITICAL], "{newer}");
    }
}

#[test]
fn a_newer_record_of_another_disk_boots_what_the_slots_say() {
    let mut world = upgraded();
    change(&mut world, |record| record.extensions.push(extension(CRITICAL, Owner::Record)));
    let disk = &mut world.machine.survey.disks[0];
    disk.guid.0[0] ^= 1;
    disk.parts.iter_mut().for_each(|part| part.guid.0[0] ^= 1);
    assert_eq!(world.boot_version(), Some(2));
    world.formats = NEXT;
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn a_forced_repair_of_a_newer_version_gives_no_attempt_back() {
    for is_due in [false, true] {
        let mut world = World::running();
        due(&mut world, good(2));
        if !is_due {
            world.boot();
        }
        let record = world.record();
        assert_eq!(record.trial().is_none(), is_due);
        let side = match store::load(&world.machine.parts[RECORD]).selection {
            everboot_core::record::Selection::Current { side, .. } => side.other(),
            other => panic!("{other:?}"),
        };
        put(&world, side, &second_version(&record, 1000));
        // No cut of it leaves a record that this test's agents of the next version could read either.
        let mut world = World::unrecorded(world.machine.fork(), world.config.clone(), world.keys.clone());
        let repaired = flow::repair(world.site(), true).unwrap();
        assert_eq!((repaired.trial(), repaired.update), (None, Update::None));
    }
}

#[test]
fn a_prepare_does_not_go_on_in_a_slot_in_an_unknown_state() {
    let mut world = upgraded();
    world.stage(good(3)).unwrap();
    let (mut record, target) = everboot_core::lifecycle::begin_prepare(&world.record(), &|_| true).unwrap();
    assert_eq!(everboot_core::lifecycle::begin_prepare(&record, &|_| true).map(|(_, slot)| slot), Ok(target));
    record.slot_mut(target).state = SlotState::Other(Tagged::new(200, &[]).unwrap());
    assert!(everboot_core::lifecycle::begin_prepare(&record, &|_| true).is_err());
}
