//! Whether a slot can boot: boot, verbs and what foretells them answer alike.

use everboot_agent::flow::{self, Error};
use everboot_core::config::Lock;
use everboot_core::decide::{Reason, Target};
use everboot_core::lifecycle::{Blocked, Refusal};
use everboot_core::slot::SlotId;
use everboot_kit::sim::{SLOT_A, SLOT_B, SimRoot};
use everboot_kit::world::{World, due, good, image, lose_record, manifest, upgraded};
use everboot_storage::medium::Medium;

/// One bit of the trailer of a slot becomes wrong.
fn damage_trailer(world: &World, slot: usize) {
    let (part, mut byte) = (&world.machine.parts[slot], [0]);
    let at = part.len() - 65536 + 4096 + 20;
    part.read_at(at, &mut byte).unwrap();
    part.write_at(at, &[byte[0] ^ 1]).unwrap();
    part.sync().unwrap();
}

#[test]
fn a_default_whose_trailer_is_damaged_counts_for_no_verb() {
    let mut world = upgraded();
    damage_trailer(&world, SLOT_B);
    let status = flow::status(world.site(), None).unwrap();
    assert_eq!(status.decision.target, Target::Boot(SlotId(0)));
    assert!(status.slots[1].seen.why.contains("trailer"), "{:?}", status.slots[1]);
    assert!(matches!(status.next_target, Err(Blocked::OnlyBootable(_))));
    let slots = world.slots();
    assert!(world.stage(good(3)).is_err());
    assert!(world.slots() == slots, "a refusal changes nothing");
}

/// It may answer again: it is not given up for one read that failed.
#[test]
fn a_slot_whose_trailer_cannot_be_read_is_neither_written_nor_given_up() {
    let mut world = upgraded();
    world.machine.dead = vec![SLOT_A];
    assert!(matches!(flow::status(world.site(), None).unwrap().next_target, Err(Blocked::SlotMissing(_))));
    world.machine.dead = vec![SLOT_B];
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.picture(), "slot-a:good! slot-b:good*", "the default stays");
    world.machine.dead.clear();
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn after_a_fallback_the_machine_takes_the_next_update() {
    let mut world = upgraded();
    damage_trailer(&world, SLOT_B);
    assert_eq!(world.boot_version(), Some(1));
    assert_eq!(flow::confirm(world.site()).unwrap().slot.as_str(), "slot-a");
    assert_eq!(world.picture(), "slot-a:good*! slot-b:good");
    due(&mut world, good(3));
    assert_eq!(world.boot_version(), Some(3));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.picture(), "slot-a:good slot-b:good*!");
}

#[test]
fn no_verb_returns_to_a_slot_that_the_boot_would_not_enter() {
    let mut world = upgraded();
    damage_trailer(&world, SLOT_A);
    let refused = [
        flow::rollback(world.site(), None, true).map(drop),
        flow::rollback(world.site(), Some("slot-a"), true).map(drop),
        flow::boot_once(world.site(), Some("slot-a"), true),
        flow::reject(world.site(), Some("slot-b")).map(drop),
    ];
    let expected = ["no other good slot", "would not enter", "would not enter", "no other good slot"];
    for (refused, words) in refused.into_iter().zip(expected) {
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::Refused(_)) && error.to_string().contains(words), "{error}");
    }
    assert_eq!(world.picture(), "slot-a:good slot-b:good*!");
}

#[test]
fn a_rollback_between_good_slots_outlives_the_record() {
    let mut world = upgraded();
    assert_eq!(flow::rollback(world.site(), None, false).unwrap().as_str(), "slot-a");
    lose_record(&world);
    assert_eq!(world.boot_version(), Some(1));
}

/// A machine whose only slot was filled by other means, and whose record is lost.
fn unknown() -> World {
    let mut world = World::blank();
    world.machine.parts[SLOT_A].write_at(0, &image(1, SimRoot::Boots)).unwrap();
    world.machine.parts[SLOT_A].sync().unwrap();
    flow::init(world.site(), Some(("slot-a", "1.0")), false).unwrap();
    lose_record(&world);
    world.operator.patience = 3;
    world
}

#[test]
fn a_slot_without_a_trailer_boots_when_the_record_is_lost() {
    let mut world = unknown();
    assert_eq!(world.boot_version(), Some(1));
    assert_eq!(world.operator.waits, [10]);
    assert!(flow::confirm(world.site()).is_err(), "nobody knows what it is");
    flow::init(world.site(), Some(("slot-a", "1.0")), false).unwrap();
    world.operator.waits.clear();
    assert_eq!(world.boot_version(), Some(1));
    assert!(world.operator.waits.is_empty());
}

#[test]
fn under_a_strict_lock_nothing_is_a_last_resort() {
    let mut world = unknown();
    world.config.lock = Lock::Strict;
    assert_eq!(world.boot_version(), None);
}

#[test]
fn under_a_lock_a_slot_boots_only_when_a_trusted_key_has_signed_it() {
    let mut world = upgraded();
    world.config.lock = Lock::Yes;
    assert_eq!(world.boot_version(), Some(2), "signed");
    world.keys = everboot_storage::bundle::Keys::default();
    world.operator.patience = 1;
    let status = flow::status(world.site(), None).unwrap();
    assert!(matches!(status.decision.target, Target::Recovery { .. }), "{:?}", status.decision);
    assert_eq!(world.boot_version(), Some(2), "nothing else is left");
    world.config.lock = Lock::Strict;
    assert_eq!(world.boot_version(), None);
}

#[test]
fn an_image_without_modules_for_the_kernel_boots_after_all_others() {
    let mut world = World::running();
    let mut other = manifest(2);
    other.modules = Some(vec!["6.1".into()]);
    world.machine.kernel = Some("6.1".into());
    due(&mut world, everboot_kit::world::bundle(other, &image(2, SimRoot::Boots)));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    world.machine.kernel = Some("6.2".into());
    let status = flow::status(world.site(), None).unwrap();
    assert_eq!(status.decision.target, Target::Boot(SlotId(0)));
    let outcome = world.boot();
    assert!(
        outcome.notes.iter().any(|note| note.contains("no modules for the running kernel 6.2")),
        "{:?}",
        outcome.notes
    );
    assert_eq!(outcome.reason, Reason::Fallback { skipped: SlotId(1) }.to_string());
}

#[test]
fn somebody_at_the_prompt_is_refused_a_slot_that_cannot_be_entered() {
    let mut world = upgraded();
    damage_trailer(&world, SLOT_A);
    let refused = flow::bootable(world.site(), "slot-a").unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::CannotBoot(_))), "{refused}");
    flow::bootable(world.site(), "slot-b").unwrap();
}
