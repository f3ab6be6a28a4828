//! Several disks with our partitions, and partitions that are not what they seem to be.

use everboot_agent::flow::{self, BlockSource, Destination, Findings, RecordFault};
use everboot_core::config::{Locator, Lock};
use everboot_core::record::Record;
use everboot_core::slot::{SlotState, Uuid};
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SimDisk};
use everboot_kit::world::{World, due, good, upgraded};
use everboot_storage::medium::Medium;

/// All partitions of the machine's own disk.
const WHOLE: [usize; 4] = [0, 1, 2, 3];

/// The disk to which a boot went, and the version there.
fn boot(world: &mut World) -> Option<(String, u8)> {
    let outcome = world.boot();
    let Destination::Root(_, root, _) = outcome.destination else { return None };
    let disk = world.machine.survey.disks[root.at.disk].name.clone();
    Some((disk, world.version_in(world.machine.medium(root.at)).unwrap()))
}

fn booted(disk: &str, version: u8) -> Option<(String, u8)> {
    Some((disk.to_owned(), version))
}

/// Writes what makes the record of a disk that was added, whose GUIDs are others, its own.
fn own_record(world: &World, number: u8, change: impl FnOnce(&mut Record)) {
    let own = everboot_storage::store::load(&world.machine.parts[RECORD]);
    let mut copy = own.selection.record().unwrap().clone();
    copy.disk.0[0] ^= number;
    for part in copy.slots.iter_mut().flat_map(|slot| &mut slot.parts) {
        let mut guid = part.location.partition().unwrap();
        guid.0[0] ^= number;
        part.location = everboot_core::slot::Location::Partition(guid);
    }
    change(&mut copy);
    let medium = &world.machine.parts[WHOLE.len() + RECORD];
    let loaded = everboot_storage::store::load(medium);
    everboot_storage::store::save_both(medium, &loaded, &copy).unwrap();
}

/// A machine with another disk, with GUIDs of its own, made when version 1 was the only one.
fn with_older_clone(is_first: bool) -> World {
    let mut world = World::running();
    world.machine.add_disk("clone", 0x40, &WHOLE, is_first);
    own_record(&world, 0x40, |_| ());
    due(&mut world, good(2));
    assert_eq!(boot(&mut world), booted("sim", 2));
    flow::confirm(world.site()).unwrap();
    world
}

#[test]
fn the_disk_with_the_newer_record_boots_whatever_their_order_is() {
    for is_first in [false, true] {
        let mut world = World::running();
        world.machine.entered = None;
        world.machine.add_disk("clone", 0x40, &WHOLE, is_first);
        own_record(&world, 0x40, |_| ());
        // Its record is saved twice, with the next generations; so are the attempts of the own disk then.
        for _ in 0..2 {
            assert_eq!(boot(&mut world).unwrap().0, "clone");
            flow::confirm(world.site()).unwrap();
        }
        assert!(world.site().look().trouble.is_none());
    }
}

#[test]
fn updates_and_confirmations_stay_on_the_disk_that_runs() {
    for is_first in [false, true] {
        let mut world = World::running();
        world.machine.add_disk("clone", 0x40, &WHOLE, is_first);
        own_record(&world, 0x40, |_| ());
        let before: Vec<_> = world.machine.parts[WHOLE.len()..].iter().map(SimDisk::content).collect();
        // The clone has the newer record, and the own disk runs.
        world.stage(good(2)).unwrap();
        flow::prepare(world.site()).unwrap();
        flow::confirm(world.site()).unwrap();
        let after: Vec<_> = world.machine.parts[WHOLE.len()..].iter().map(SimDisk::content).collect();
        assert!(before == after, "the other disk was written");
        assert_eq!(world.record().slots[1].state, SlotState::Proven);
    }
}

#[test]
fn a_removable_disk_comes_after_a_fixed_one() {
    for is_first in [false, true] {
        let mut world = World::running();
        world.machine.entered = None;
        world.machine.add_disk("stick", 0x40, &WHOLE, is_first).removable = true;
        own_record(&world, 0x40, |_| ());
        assert_eq!(boot(&mut world), booted("sim", 1));
        flow::confirm(world.site()).unwrap();
        due(&mut world, good(2));
        assert_eq!(boot(&mut world), booted("sim", 2));
        flow::confirm(world.site()).unwrap();
    }
}

#[test]
fn a_stick_with_a_copy_of_the_record_alone_changes_nothing() {
    for number in [0, 0x40] {
        let mut world = World::running();
        world.machine.entered = None;
        world.machine.add_disk("stick", number, &[RECORD], true);
        due(&mut world, good(2));
        assert_eq!(boot(&mut world), booted("sim", 2));
        flow::confirm(world.site()).unwrap();
        assert_eq!(boot(&mut world), booted("sim", 2));
        let mut found = Findings::default();
        flow::examine(world.site(), &mut found);
        let names: Vec<_> = found.0.iter().map(|found| (found.name, found.fault)).collect();
        assert!(names.contains(&("other-disk", false)) && !names.contains(&("ambiguous", true)), "{names:?}");
    }
}

#[test]
fn byte_copies_of_a_disk_boot_and_neither_is_written() {
    for is_first in [false, true] {
        let mut world = World::running();
        world.machine.entered = None;
        world.machine.add_disk("copy", 0, &WHOLE, is_first);
        let before: Vec<_> = world.machine.parts.iter().map(SimDisk::content).collect();
        assert_eq!(boot(&mut world), booted(if is_first { "copy" } else { "sim" }, 1));
        assert!(before == world.machine.parts.iter().map(SimDisk::content).collect::<Vec<_>>());
        world.machine.entered = None;
        let trouble = world.site().look().trouble;
        assert!(matches!(trouble, Some(RecordFault::Ambiguous(_))), "{trouble:?}");
        let error = flow::confirm(world.site()).unwrap_err().to_string();
        assert!(error.contains("copy") && error.contains("sim") && error.contains("PARTUUID="), "{error}");
    }
}

#[test]
fn the_good_slots_of_another_disk_come_before_recovery() {
    let mut world = with_older_clone(false);
    // Nothing of the own disk can be entered any more.
    world.machine.unbootable = vec![SLOT_A, SLOT_B];
    let record = world.machine.parts[WHOLE.len()].content();
    let outcome = world.boot();
    let Destination::Root(_, root, _) = outcome.destination else { panic!("{:?}", outcome.notes) };
    assert_eq!(world.machine.survey.disks[root.at.disk].name, "clone");
    assert!(outcome.notes.iter().any(|note| note.contains("trying the good ones of clone")), "{outcome:?}");
    assert!(record == world.machine.parts[WHOLE.len()].content(), "nothing is counted there");
    // Its system may confirm itself: it runs.
    flow::confirm(world.site()).unwrap();
    world.config.lock = Lock::Yes;
    world.operator.patience = 1;
    assert_eq!(boot(&mut world), None);
}

#[test]
fn the_slots_of_a_disk_whose_record_is_gone_boot_beside_a_stick_with_a_copy() {
    let mut world = World::running();
    world.machine.add_disk("stick", 0, &[RECORD], true).removable = true;
    world.machine.survey.disks[1].parts[RECORD].label = "gone".into();
    assert_eq!(boot(&mut world), booted("sim", 1));
}

#[test]
fn a_locked_machine_looks_at_no_disk_that_can_be_taken_out() {
    let mut world = World::running();
    world.machine.entered = None;
    world.machine.survey.disks[0].removable = true;
    world.operator.patience = 1;
    world.config.lock = Lock::Yes;
    assert_eq!(boot(&mut world), None);
    let trouble = world.site().look().trouble.unwrap().to_string();
    assert!(trouble.contains("sim alone, which is removable") && trouble.contains("PARTUUID"), "{trouble}");
    world.config.record = Locator::PartUuid(world.machine.survey.disks[0].parts[RECORD].guid);
    assert_eq!(boot(&mut world), booted("sim", 1));
}

#[test]
fn a_locked_machine_boots_the_disk_with_the_highest_floor() {
    for is_first in [false, true] {
        let mut world = World::running();
        world.machine.entered = None;
        world.machine.add_disk("clone", 0x40, &WHOLE, is_first);
        own_record(&world, 0x40, |_| ());
        own_record(&world, 0x40, |copy| copy.floor = "0.5".into());
        let medium = &world.machine.parts[RECORD];
        for _ in 0..4 {
            let loaded = everboot_storage::store::load(medium);
            let record = loaded.selection.record().unwrap().clone();
            everboot_storage::store::save_both(medium, &loaded, &record).unwrap();
        }
        assert_eq!(boot(&mut world.fork()).unwrap().0, "sim", "the newer record");
        world.config.lock = Lock::Yes;
        assert_eq!(boot(&mut world).unwrap().0, "clone");
    }
}

/// A machine whose partitions are changed so, which still boots, and where nothing is written.
#[track_caller]
fn refused(change: impl FnOnce(&mut World), expected: &str) {
    let mut world = upgraded();
    world.machine.entered = None;
    world.stage(good(3)).unwrap();
    change(&mut world);
    let before: Vec<_> = world.machine.parts.iter().map(SimDisk::content).collect();
    assert_eq!(world.boot_version(), Some(2), "it boots");
    let errors = [
        flow::prepare(world.site()).unwrap_err(),
        flow::activate(world.site()).unwrap_err(),
        flow::confirm(world.site()).unwrap_err(),
        flow::reject(world.site(), Some("slot-a")).unwrap_err(),
        flow::rollback(world.site(), None, false).unwrap_err(),
        flow::repair_blocks(world.site(), "slot-a", BlockSource::<SimDisk>::Any).unwrap_err(),
        flow::init(world.site(), None, true).unwrap_err(),
        flow::repair(world.site(), true).unwrap_err(),
    ];
    for error in errors.map(|error| error.to_string()) {
        assert!(error.contains(expected) && error.contains("nothing is written"), "{error}");
    }
    let blocked = flow::status(world.site(), None).unwrap().next_target.unwrap_err();
    assert_eq!(blocked.code(), "record-partitions");
    assert!(before == world.machine.parts.iter().map(SimDisk::content).collect::<Vec<_>>(), "it was written");
}

#[test]
fn nothing_is_written_where_slots_share_a_byte() {
    let parts = |world: &mut World, change: &dyn Fn(&mut Vec<everboot_agent::machine::Partition>)| {
        change(&mut world.machine.survey.disks[0].parts);
    };
    let same =
        |parts: &mut Vec<everboot_agent::machine::Partition>| parts[SLOT_A].start = parts[SLOT_B].start;
    refused(|world| parts(world, &same), "slot-a overlaps with another one");
    refused(
        |world| parts(world, &|parts| parts[3].start = parts[RECORD].start + 4096),
        "everboot-record overlaps with another one",
    );
    refused(
        |world| parts(world, &|parts| parts[3].guid = parts[SLOT_B].guid),
        "two partitions have the PARTUUID",
    );
    refused(
        |world| parts(world, &|parts| parts[3].label = "slot-b".into()),
        "2 partitions are PARTLABEL=slot-b",
    );
    refused(
        |world| parts(world, &|parts| parts[3].label = "everboot-record".into()),
        "2 partitions are PARTLABEL=everboot-record",
    );
}

#[test]
fn one_partition_for_two_slots_is_not_written() {
    let mut world = World::running();
    let record = &world.machine.parts[RECORD];
    for at in [0, record.len() - 4096] {
        record.write_at(at, &[0; 4096]).unwrap();
    }
    record.sync().unwrap();
    world.config.slots[1].parts = world.config.slots[0].parts.clone();
    let error = world.stage(good(2)).unwrap_err().to_string();
    assert!(error.contains("two slots have the partition slot-a"), "{error}");
    assert_eq!(world.boot_version(), Some(1));
}

#[test]
fn a_boot_says_what_is_wrong_with_the_partition_table_of_its_disk() {
    let mut world = World::running();
    world.machine.add_disk("stick", 0x40, &[3], false).faults =
        vec![everboot_agent::table_fault::TableFault::Stale];
    assert_eq!(world.boot().notes, [""; 0]);
    world.machine.survey.disks[0].faults = vec![everboot_agent::table_fault::TableFault::BackupNotAtEnd];
    let history = world.site().look().history();
    let notes = world.boot().notes;
    assert!(notes.len() == 1 && notes[0].contains("`sgdisk -e /dev/sim` moves it there"), "{notes:?}");
    assert_eq!(format!("{:?}", world.site().look().history()), format!("{history:?}"), "not at every boot");
}

#[test]
fn a_slot_whose_partition_was_made_again_is_found_by_name_and_trailer() {
    // The default, and the other slot, which is written next.
    for part in [SLOT_B, SLOT_A] {
        let mut world = upgraded();
        world.machine.entered = None;
        let guid = Uuid([0x77; 16]);
        world.machine.survey.disks[0].parts[part].guid = guid;
        assert_eq!(world.boot_version(), Some(2));
        flow::confirm(world.site()).unwrap();
        assert_eq!(world.record().slots[part - SLOT_A].partition(), Some(guid));
        due(&mut world, good(3));
        assert_eq!(world.boot_version(), Some(3));
    }
}

#[test]
fn a_partition_of_the_name_with_another_image_is_not_the_slot() {
    let mut world = upgraded();
    world.machine.entered = None;
    let [a, b] = [SLOT_A, SLOT_B].map(|part| world.machine.parts[part].content());
    // Each has the other one's content, and another PARTUUID.
    for (part, content) in [(SLOT_A, b), (SLOT_B, a)] {
        world.machine.parts[part].write_at(0, &content).unwrap();
        world.machine.parts[part].sync().unwrap();
        world.machine.survey.disks[0].parts[part].guid.0[0] ^= 0x77;
    }
    let view = world.site().look();
    assert_eq!(view.parts, [[None], [None]]);
}
