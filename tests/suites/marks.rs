//! The confirmed mark of a slot that nobody may write to while it is mounted, and what a confirmation does not touch.

use everboot_agent::flow;
use everboot_agent::machine::Access;
use everboot_core::config::BootRequest;
use everboot_kit::sim::{RECORD, SLOT_B, SimRoot};
use everboot_kit::world::{World, due, good, lose_copy, lose_record};
use everboot_storage::apply;
use everboot_storage::medium::Staging;

/// A machine that runs the trial of version 2, which nobody may write to.
fn protected() -> World {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    world.machine.protected = vec![SLOT_B];
    world
}

fn mark(world: &World) -> Option<u64> {
    apply::read_trailer(&world.machine.parts[SLOT_B]).unwrap().unwrap().mark.map(|(generation, _)| generation)
}

#[test]
fn a_slot_that_nobody_may_write_to_is_confirmed_by_the_record() {
    let mut world = protected();
    let confirmed = flow::confirm(world.site()).unwrap();
    assert!(confirmed.unmarked.is_some());
    assert_eq!(world.picture(), "slot-a:good slot-b:good*!");
    assert_eq!(mark(&world), None);
}

#[test]
fn the_next_boot_makes_up_for_a_mark_before_it_mounts_the_slot() {
    let mut world = protected();
    flow::confirm(world.site()).unwrap();
    world.machine.protected.clear();
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(mark(&world), Some(2));
    lose_record(&world);
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(world.picture(), "slot-a:good slot-b:good*?");
}

#[test]
fn a_mark_that_cannot_be_made_up_for_does_not_stop_the_boot() {
    let mut world = protected();
    flow::confirm(world.site()).unwrap();
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note.contains("its confirmed mark cannot be written")));
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn no_mark_is_made_up_for_by_a_record_that_cannot_be_saved() {
    let mut world = protected();
    flow::confirm(world.site()).unwrap();
    world.machine.protected = vec![RECORD];
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(mark(&world), None);
}

#[test]
fn a_slot_whose_device_fails_is_not_confirmed() {
    let mut world = protected();
    world.machine.protected.clear();
    world.machine.dead = vec![SLOT_B];
    assert!(flow::confirm(world.site()).is_err());
    assert_eq!(world.picture(), "slot-a:good* slot-b:trial(2,9)? kept");
}

#[test]
fn only_a_sealed_root_is_set_read_only() {
    let flow::Destination::Root(_, root, _) = World::running().boot().destination else { panic!("no root") };
    assert!(root.sealed && !root.open);
    let mut world = World::running();
    world.machine.add_recovery(SimRoot::Boots);
    let outcome = world.boot_asked(Some(&BootRequest::Recovery));
    let flow::Destination::RecoverySlot(root, _) = outcome.destination else { panic!("no recovery slot") };
    assert!(!root.sealed);
}

/// Power that fails while the staging area is mounted writable may tear its superblock.
#[test]
fn a_confirmation_with_nothing_staged_opens_nothing_writable() {
    let mut world = World::running();
    world.boot();
    world.machine.staging_opened.clear();
    flow::confirm(world.site()).unwrap();
    flow::status(world.site(), None).unwrap();
    flow::examine(world.site(), &mut flow::Findings::default());
    assert!(world.machine.staging_opened.iter().all(|access| *access == Access::Look));
}

#[test]
fn a_bundle_that_no_record_names_is_removed_by_a_confirmation() {
    let mut world = World::running();
    world.boot();
    world.machine.staging.create(flow::STAGED).unwrap();
    flow::confirm(world.site()).unwrap();
    assert!(!world.machine.staging.exists(flow::STAGED).unwrap());
}

/// Nothing else shows afterwards that there was something wrong.
#[test]
fn a_copy_of_the_record_that_a_verb_writes_anew_stands_in_the_history() {
    for newer in [false, true] {
        let mut world = World::running();
        world.boot();
        lose_copy(&world, newer);
        flow::confirm(world.site()).unwrap();
        let history = world.site().look().history();
        let text = &history.entries.last().unwrap().text;
        assert!(text.contains("confirmed\nrecord: the ") && text.contains("copy is bad"), "{text}");
    }
}
