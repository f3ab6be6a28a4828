//! Slots that a newer everboot has made of more parts than `root`: this one boots them, and writes none of them.

use everboot_agent::flow::{self, Error};
use everboot_core::lifecycle::Unfit;
use everboot_core::slot::{Location, Part, PartName, Tagged, Uuid};
use everboot_kit::sim::SimRoot;
use everboot_kit::world::{World, good};

/// slot-a runs, slot-b is empty, and each has a part more.
fn with_boot_parts(locations: [Location; 2]) -> World {
    let mut world = World::running();
    world.machine.add_recovery(SimRoot::Boots);
    let mut record = world.record();
    for (slot, location) in record.slots.iter_mut().zip(locations) {
        slot.parts.insert(0, Part { name: PartName::new("boot").unwrap(), location });
    }
    world.site().look().save(record).unwrap();
    world
}

fn on_partition(number: u8) -> Location {
    Location::Partition(Uuid([number; 16]))
}

/// A place that only a newer everboot knows.
fn elsewhere(tag: u8) -> Location {
    Location::Other(Tagged::new(tag, &[1, 2, 3]).unwrap())
}

#[test]
fn an_image_that_does_not_bring_every_part_of_a_slot_is_refused() {
    // The recovery slot and the data partition stand for the two boot parts.
    let mut world = with_boot_parts([on_partition(0xee), on_partition(4)]);
    let (before, slot) = (world.record(), world.machine.parts[2].content());
    match world.stage(good(3)) {
        Err(Error::Unfit(Unfit::Parts { expected, found })) => {
            assert_eq!((expected.as_str(), found.as_str()), ("boot, root", "root"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((world.record(), world.machine.parts[2].content() == slot), (before, true));
}

#[test]
fn a_slot_with_a_part_that_is_not_found_here_is_neither_booted_nor_written() {
    let mut world = with_boot_parts([on_partition(4), elsewhere(9)]);
    let status = flow::status(world.site(), None).unwrap();
    let there: Vec<Vec<bool>> =
        status.slots.iter().map(|slot| slot.parts.iter().map(Option::is_some).collect()).collect();
    assert_eq!(there, [[true, true], [false, true]]);
    let error = world.stage(good(3)).unwrap_err().to_string();
    assert!(error.contains("slot-b"), "{error}");
    assert_eq!(world.boot_version(), Some(1));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.record().slots[1].parts[0].location, elsewhere(9), "carried through");
}

#[test]
fn a_slot_of_several_parts_boots_by_its_root() {
    let mut world = with_boot_parts([on_partition(4), elsewhere(9)]);
    assert_eq!(world.boot_version(), Some(1));
    let name = flow::confirm(world.site()).unwrap();
    assert_eq!(name.slot.as_str(), "slot-a");
}
