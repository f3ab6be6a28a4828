//! One copy of the record fails: it is torn, or the medium does not give it any more.

use everboot_agent::flow::{self, Error, Findings};
use everboot_core::record::{Selection, Side};
use everboot_core::slot::Uuid;
use everboot_kit::sim::power::DiskFault;
use everboot_kit::sim::{RECORD, SLOT_B, SimRoot, UNREADABLE};
use everboot_kit::world::lose_copy;
use everboot_kit::world::{World, bundle, image, manifest, upgraded};
use everboot_storage::medium::{Medium, Op};
use everboot_storage::store;

/// A machine on which a trial has confirmed itself, on its last try.
fn confirmed_at_last() -> World {
    let mut world = World::running();
    world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
    flow::activate(world.site()).unwrap();
    assert_eq!([(); 3].map(|()| world.boot_version()), [Some(2); 3]);
    flow::confirm(world.site()).unwrap();
    world
}

/// What stands between the record and its use.
fn trouble(world: &mut World) -> String {
    world.site().look().trouble.map_or(String::new(), |trouble| trouble.to_string())
}

#[test]
fn updates_go_on_when_the_running_system_has_confirmed_itself_over_a_copy_that_cannot_be_read() {
    for newer in [false, true] {
        let mut world = World::running();
        lose_copy(&world, newer);
        assert_eq!(world.boot_version(), Some(1));
        assert!(trouble(&mut world).contains("`everboot confirm` or"), "{}", trouble(&mut world));
        let refused = world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap_err();
        assert!(matches!(refused, Error::Record(_)), "{refused}");
        flow::confirm(world.site()).unwrap();
        assert_eq!(trouble(&mut world), "");
        assert_eq!(world.site().look().loaded.faults, [None, None]);
        world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
        flow::activate(world.site()).unwrap();
        assert_eq!(world.boot_version(), Some(2));
    }
}

#[test]
fn an_early_boot_writes_nothing_beside_a_copy_that_cannot_be_read() {
    for newer in [false, true] {
        let mut world = World::running();
        world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
        flow::activate(world.site()).unwrap();
        lose_copy(&world, newer);
        let before = world.machine.parts[RECORD].content();
        let outcome = world.boot();
        assert_eq!(world.version_in(world.machine.entered.unwrap().at.part), Some(1));
        assert!(
            outcome.notes.iter().any(|note| note.contains("a copy cannot be read")),
            "{:?}",
            outcome.notes
        );
        assert!(world.machine.parts[RECORD].content() == before);
    }
}

/// Deciding by the older copy alone, the trial would be used up, and its image bad.
#[test]
fn a_confirmation_whose_copy_of_the_record_is_lost_is_not_forgotten() {
    for lost in [UNREADABLE, [0x5a; 4096]] {
        let mut world = confirmed_at_last();
        lose_copy(&world, true);
        let record = &world.machine.parts[RECORD];
        let at = if store::load(record).faults[0].is_some() { 0 } else { record.len() - 4096 };
        record.write_at(at, &lost).unwrap();
        assert_eq!(world.boot_version(), Some(2));
        flow::confirm(world.site()).unwrap();
        assert_eq!(world.boot_version(), Some(2));
        assert_eq!(world.picture(), "slot-a:good slot-b:good*?");
    }
}

/// The mark alone is no confirmation: both copies say that the slot is still on trial.
#[test]
fn a_trial_with_a_mark_stays_one_while_both_copies_are_there() {
    let world = confirmed_at_last();
    let marked = world.machine.parts[SLOT_B].content();
    let mut world = World::running();
    world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    world.machine.parts[SLOT_B].write_at(0, &marked).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    assert!(world.picture().contains("slot-b:trial(1,"), "{}", world.picture());
}

#[test]
fn a_copy_that_is_dead_for_writes_too_leaves_a_machine_that_boots() {
    let mut world = World::running();
    lose_copy(&world, true);
    world.machine.parts[RECORD].fail_writes(true);
    for _ in 0..3 {
        assert_eq!(world.boot_version(), Some(1));
        assert!(matches!(flow::confirm(world.site()), Err(Error::Save(_))));
    }
}

#[test]
fn a_read_that_fails_once_is_no_fault() {
    let world = World::running();
    let record = &world.machine.parts[RECORD];
    for (how, whole) in [(DiskFault::Once, true), (DiskFault::ForEver, false)] {
        record.power().fail(record.power().calls().len(), how);
        assert_eq!(store::load(record).is_whole(), whole, "{how:?}");
    }
}

#[test]
fn record_repair_needs_no_slot_where_a_copy_can_be_read() {
    let mut world = World::running();
    world.machine.survey.disks[0].parts[SLOT_B].guid = Uuid([0x77; 16]);
    lose_copy(&world, true);
    flow::repair(world.site(), false).unwrap();
    assert_eq!(world.site().look().loaded.faults, [None, None]);
}

#[test]
fn a_partition_that_is_too_small_or_cannot_be_opened_is_named_as_that() {
    let mut world = World::running();
    world.machine.dead = vec![RECORD];
    assert!(trouble(&mut world).starts_with("its partition cannot be used: open"), "{}", trouble(&mut world));
    let error = flow::repair(world.site(), true).unwrap_err().to_string();
    assert!(error.contains("cannot be used"), "{error}");
}

/// The copy that is lost may say that one more attempt was begun.
#[test]
fn no_attempt_is_given_back_with_a_copy_that_is_written_anew() {
    let mut world = World::running();
    world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    lose_copy(&world, true);
    let refused = flow::repair(world.site(), false).unwrap_err();
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.picture(), "slot-a:good*! slot-b:proven");
    assert_eq!(world.boot_version(), Some(1));
}

/// Makes the first or the last block of the record what it was, or nothing.
fn forget(world: &World, is_first: bool, before: Option<&[u8]>) {
    let record = &world.machine.parts[RECORD];
    let at = if is_first { 0 } else { record.len() - 4096 };
    let bytes = before.map_or(&[0; 4096][..], |before| &before[at as usize..][..4096]);
    record.write_at(at, bytes).unwrap();
    record.sync().unwrap();
}

/// A trial that nobody confirms has its attempts and no more, on a disk one block of which forgets at each power cycle.
#[test]
fn a_block_that_forgets_gives_no_attempt_back() {
    for (is_first, returns) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::running();
        world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
        flow::prepare(world.site()).unwrap();
        flow::activate(world.site()).unwrap();
        let mut went = Vec::new();
        for _ in 0..8 {
            let before = returns.then(|| world.machine.parts[RECORD].content());
            went.push(world.boot_version());
            forget(&world, is_first, before.as_deref());
        }
        let tries = went.iter().filter(|version| **version == Some(2)).count();
        assert!(tries <= 3 && went.ends_with(&[Some(1); 4]), "first {is_first}, returns {returns}: {went:?}");
    }
}

#[test]
fn a_block_that_forgets_does_not_boot_a_slot_once_again() {
    for is_first in [false, true] {
        let mut world = upgraded();
        flow::boot_once(world.site(), Some("slot-a"), false).unwrap();
        let before = world.machine.parts[RECORD].content();
        assert_eq!(world.boot_version(), Some(1));
        forget(&world, is_first, Some(&before));
        assert_eq!(world.boot_version(), Some(2), "first {is_first}");
    }
}

/// What an operator asked for, and the verb reported as done, is not undone by a block that forgets before the next
/// boot.
#[test]
fn a_block_that_forgets_undoes_no_verb() {
    for (is_first, returns) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::running();
        world.stage(bundle(manifest(2), &image(2, SimRoot::Boots))).unwrap();
        flow::prepare(world.site()).unwrap();
        let before = returns.then(|| world.machine.parts[RECORD].content());
        flow::activate(world.site()).unwrap();
        forget(&world, is_first, before.as_deref());
        let due = world.fork();
        assert_eq!(world.boot_version(), Some(2), "activate; first {is_first}, returns {returns}");

        let mut world = due;
        let before = returns.then(|| world.machine.parts[RECORD].content());
        flow::cancel(world.site()).unwrap();
        forget(&world, is_first, before.as_deref());
        assert_eq!(world.boot_version(), Some(1), "cancel; first {is_first}, returns {returns}");
    }
}

#[test]
fn a_copy_that_was_lost_is_said() {
    let mut world = World::running();
    for _ in 0..3 {
        forget(&world, false, None);
        let notes = world.boot().notes;
        assert!(notes.iter().any(|note| note.starts_with("record: the last copy is bad")), "{notes:?}");
        assert_eq!(world.site().look().loaded.complaints(), Vec::<String>::new(), "it was written anew");
    }
    assert_eq!(world.boot().notes, Vec::<String>::new());
}

#[test]
fn a_copy_that_its_medium_took_back_is_said() {
    let mut world = World::running();
    let before = world.machine.parts[RECORD].content();
    for _ in 0..2 {
        world.boot();
        flow::confirm(world.site()).unwrap();
    }
    let is_first = matches!(
        store::load(&world.machine.parts[RECORD]).selection,
        Selection::Current { side: Side::Last, .. }
    );
    forget(&world, is_first, Some(&before));
    let mut found = Findings::default();
    flow::examine(world.site(), &mut found);
    assert!(found.0.iter().any(|found| found.name == "record-copy" && found.fault), "{found:?}");
    let notes = world.boot().notes;
    assert!(notes.iter().any(|note| note.contains("saves that its disk reported as done")), "{notes:?}");
    assert_eq!(world.boot().notes, Vec::<String>::new());
}

/// What is counted costs a second block; what is not costs one, as ever.
#[test]
fn a_boot_of_a_good_slot_writes_one_copy_at_most() {
    let mut world = World::running();
    for confirms in [true, false, false] {
        let writes = |world: &World| {
            world.machine.power.calls().iter().filter(|call| **call == (Op::Write, RECORD)).count()
        };
        let before = writes(&world);
        world.boot();
        assert!(writes(&world) - before <= 1);
        if confirms {
            flow::confirm(world.site()).unwrap();
        }
    }
}
