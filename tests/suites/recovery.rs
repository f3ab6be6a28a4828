//! What happens when nothing can be booted, or somebody asks for a prompt.

use everboot_agent::flow::{self, Destination, Error};
use everboot_agent::machine::OperatorChoice;
use everboot_core::config::{BootRequest, Breakpoint, Lock};
use everboot_core::lifecycle::Refusal;
use everboot_kit::sim::{SLOT_A, SLOT_B, SimRoot};
use everboot_kit::world::{World, due, good, upgraded};
use everboot_storage::medium::Medium;

/// A machine on which nothing can be booted: the root of slot-a is broken, slot-b never held an image.
fn stranded() -> World {
    let world = World::running();
    world.machine.parts[SLOT_A].write_at(0, b"BROKEN!!").unwrap();
    world
}

#[test]
fn recovery_shows_what_happened_and_does_what_whoever_sits_there_wishes() {
    let mut world = upgraded();
    for slot in [SLOT_A, SLOT_B] {
        world.machine.parts[slot].write_at(0, b"BROKEN!!").unwrap();
    }
    world.operator.patience = 2;
    world.operator.choices = vec![OperatorChoice::Boot { slot: "slot-a".into(), keep: false }];
    let outcome = world.boot();
    assert_eq!(outcome.destination, Destination::Recovery);
    let notice = world.operator.notice.clone().unwrap();
    assert_eq!(notice.slots, ["slot-a: good, version 1.0", "slot-b: good, version 2.0"]);
    assert!(notice.notes.iter().any(|note| note.contains("slot-a: its root could not be mounted")));
    assert!(notice.shell && notice.reason == "no slot left to boot", "{notice:?}");
    // Repaired meanwhile, and asked for by name.
    world.machine.parts[SLOT_A].write_at(0, SimRoot::Boots.magic()).unwrap();
    world.operator.waits.clear();
    world.operator.breakpoints = vec![Breakpoint::Decide];
    world.operator.choices = vec![OperatorChoice::Boot { slot: "slot-a".into(), keep: true }];
    assert_eq!(world.boot_version(), Some(1));
    assert_eq!(world.picture(), "slot-a:good*? slot-b:good rounds(3)");
}

#[test]
fn what_is_changed_at_a_breakpoint_counts() {
    let mut world = World::running();
    due(&mut world, good(2));
    world.operator.breakpoints = vec![Breakpoint::Observe, Breakpoint::Apply, Breakpoint::Handoff];
    assert_eq!(world.boot_version(), Some(2));
    assert!(world.operator.breakpoints.is_empty());
    world.operator.breakpoints = vec![Breakpoint::Observe];
    world.operator.choices = vec![OperatorChoice::Boot { slot: "no-such".into(), keep: false }];
    let outcome = world.boot();
    assert!(outcome.notes.iter().any(|note| note == "the record has no slot no-such"), "{:?}", outcome.notes);
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_B));
}

#[test]
fn the_recovery_slot_is_booted_when_waiting_did_not_help() {
    let mut world = stranded();
    world.machine.add_recovery(SimRoot::Boots);
    world.operator.patience = 1;
    let outcome = world.boot();
    assert!(matches!(outcome.destination, Destination::RecoverySlot(..)), "{outcome:?}");
    assert_eq!(outcome.partition, Some(everboot_core::slot::Uuid([0xee; 16])));
    assert_eq!(world.operator.waits, [10]);
    assert!(!world.operator.notice.as_ref().unwrap().shell);
    assert!(matches!(flow::confirm(world.site()), Err(Error::Refused(Refusal::NotBooted))));
    let mut world = stranded();
    world.machine.add_recovery(SimRoot::NoInit);
    world.operator.patience = 2;
    assert_eq!(world.boot().destination, Destination::Recovery);
    assert!(world.operator.notice.as_ref().unwrap().shell);
}

#[test]
fn recovery_may_be_asked_for_and_ends_in_the_usual_boot() {
    let mut world = World::running();
    world.operator.patience = 1;
    let before = world.record();
    let outcome = world.boot_asked(Some(&BootRequest::Shell));
    assert!(matches!(outcome.destination, Destination::Root(_, root, _) if root.at.part == SLOT_A));
    assert_eq!(world.operator.waits, [60]);
    assert_eq!(world.record().recovery_rounds, before.recovery_rounds);
    world.config.lock = Lock::Yes;
    world.operator.waits.clear();
    let outcome = world.boot_asked(Some(&BootRequest::Shell));
    assert!(outcome.notes.iter().any(|note| note.contains("overrides are locked")), "{:?}", outcome.notes);
    assert!(world.operator.waits.is_empty());
}
