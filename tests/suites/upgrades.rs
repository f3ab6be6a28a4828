//! Who may raise the format version of the record, and what a record that a newer everboot wrote is trusted with.

use crate::formats::only_second_version;
use crate::trust::KEYS;
use everboot_agent::flow::{self, Destination, Error, Upgrade};
use everboot_core::manifest::Manifest;
use everboot_core::record::Formats;
use everboot_kit::facts::NEXT;
use everboot_kit::sim::{RECORD, SLOT_B, SimRoot};
use everboot_kit::world::{World, bundle, due, good, image, lose_copy, manifest, upgraded};
use everboot_storage::bundle::Keys;
use everboot_storage::medium::Medium;

const READS_BOTH: &str = "record reads 1..2 writes 1";
const READS_ONE: &str = "record reads 1..1 writes 1";

/// A machine with two good slots, whose images say this of the everboot in them: slot-b, and slot-a, which runs.
fn with_formats(other: Option<&[&str]>, running: Option<&[&str]>) -> World {
    let mut world = World::running();
    for (version, formats) in [(2, other), (3, running)] {
        let formats = formats.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
        due(&mut world, bundle(Manifest { formats, ..manifest(version) }, &image(version, SimRoot::Boots)));
        world.boot();
        flow::confirm(world.site()).unwrap();
    }
    world
}

/// The format versions of both copies.
fn versions(world: &World) -> [u16; 2] {
    let record = &world.machine.parts[RECORD];
    [0, record.len() - 4096].map(|at| {
        let mut bytes = [0; 2];
        record.read_at(at + 8, &mut bytes).unwrap();
        u16::from_le_bytes(bytes)
    })
}

fn lines(formats: &str) -> Vec<String> {
    vec![formats.to_owned()]
}

#[test]
fn only_record_upgrade_raises_the_version() {
    let mut world = World::running();
    assert_eq!(flow::upgrade(world.site(), None, true).unwrap(), Upgrade::Already(1));
    world.formats = NEXT;
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    flow::repair(world.site(), false).unwrap();
    assert_eq!(versions(&world), [1, 1]);
    let record = world.record();
    let before = world.machine.parts[RECORD].content();
    let Upgrade::Refused(2, blind) = flow::upgrade(world.site(), None, false).unwrap() else { panic!() };
    assert!(world.machine.parts[RECORD].content() == before);
    assert_eq!(flow::upgrade(world.site(), None, true).unwrap(), Upgrade::Done(2, blind));
    assert_eq!(versions(&world), [2, 2]);
    assert_eq!(world.record(), record);
    assert_eq!(flow::upgrade(world.site(), None, false).unwrap(), Upgrade::Already(2));
    // Everything goes on, for who reads it; the others boot, and change nothing.
    flow::rollback(world.site(), None, false).unwrap();
    world.formats = Formats::CURRENT;
    assert_eq!(world.boot_version(), Some(1));
    assert!(matches!(flow::confirm(world.site()), Err(Error::Record(_))));
    assert!(matches!(flow::upgrade(world.site(), None, true), Err(Error::Record(_))));
    world.formats = NEXT;
    flow::confirm(world.site()).unwrap();
    assert_eq!((versions(&world), world.picture()), ([2, 2], "slot-a:good*! slot-b:good".into()));
}

#[test]
fn an_upgrade_is_refused_where_a_good_slot_or_the_initramfs_would_not_read_it() {
    let (both, one, none) = (Some(&[READS_BOTH][..]), Some(&[READS_ONE][..]), Some(&[][..]));
    let rows = [
        // The everboot that runs is this one, whatever its image said.
        (both, one, READS_BOTH, ""),
        (none, None, READS_BOTH, ""),
        (one, both, READS_BOTH, "slot-b: its everboot reads version 1 to 1"),
        (None, both, READS_BOTH, "slot-b: nothing says which versions its everboot reads"),
        (both, both, READS_ONE, "initramfs: its everboot reads version 1 to 1"),
        (both, both, "", "initramfs: nothing says which versions its everboot reads"),
    ];
    for (other, running, initramfs, expected) in rows {
        let mut world = with_formats(other, running);
        world.formats = NEXT;
        let said = match flow::upgrade(world.site(), Some(&lines(initramfs)), false).unwrap() {
            Upgrade::Done(2, blind) => {
                assert_eq!((versions(&world), blind.len()), ([2, 2], 0));
                String::new()
            }
            Upgrade::Refused(2, blind) => {
                assert_eq!(versions(&world), [1, 1]);
                blind.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(said, expected);
    }
}

/// It is not booted by itself any more.
#[test]
fn a_bad_slot_that_would_not_read_it_keeps_nobody_from_an_upgrade() {
    let mut world = upgraded();
    flow::reject(world.site(), Some("slot-a")).unwrap();
    world.formats = NEXT;
    assert_eq!(
        flow::upgrade(world.site(), Some(&lines(READS_BOTH)), false).unwrap(),
        Upgrade::Done(2, vec![])
    );
}

/// Review: it counted as filled by other means, and was booted.
#[test]
fn an_image_of_no_trusted_key_is_insecure_also_in_the_order_of_a_newer_record() {
    for (trusted, is_booted) in [(Some(0), true), (Some(1), false), (None, true)] {
        let mut world = upgraded();
        let record = world.record();
        only_second_version(&mut world, &record);
        world.keys = trusted.map_or(Keys::default(), |key: usize| Keys::parse(&KEYS[key].public).unwrap());
        let first = world.boot();
        let reached = matches!(first.destination, Destination::Root(_, root, _) if root.at.part == SLOT_B);
        assert_eq!(reached, is_booted, "{trusted:?}: {:?}", first.notes);
        if !is_booted {
            assert_eq!(first.destination, Destination::Recovery);
            // There is a way up all the same, after a wait.
            world.operator.waits.clear();
            world.operator.patience = 1;
            assert_eq!(world.boot_version(), Some(2));
        }
    }
}

/// Nothing is in its trailer that somebody could have signed: the order of whoever wrote the record vouches for it.
#[test]
fn a_slot_without_a_trailer_boots_by_the_order_of_a_newer_record() {
    let mut world = upgraded();
    let record = world.record();
    only_second_version(&mut world, &record);
    let slot = &world.machine.parts[SLOT_B];
    slot.write_at(slot.len() - 65536, &vec![0; 65536]).unwrap();
    slot.sync().unwrap();
    assert_eq!(world.boot_version(), Some(2));
}

#[test]
fn a_newer_record_is_found_behind_a_stick_whose_record_is_blank() {
    let mut world = upgraded();
    let mut record = world.record();
    record.default = record.find("slot-a");
    only_second_version(&mut world, &record);
    let stick = world.machine.add_disk("stick", 0x50, &[RECORD], true);
    assert_eq!(stick.parts.len(), 1);
    let blank = world.machine.parts.last().unwrap();
    blank.write_at(0, &vec![0; 1 << 20]).unwrap();
    blank.sync().unwrap();
    assert_eq!(world.boot_version(), Some(1));
    let trouble = world.site().look().trouble.unwrap().to_string();
    assert!(trouble.contains("a newer one wrote it"), "{trouble}");
}

#[test]
fn a_boot_says_what_it_found_wrong_with_the_record_and_wrote_anew() {
    let mut world = World::running();
    assert_eq!(world.boot().record_faults, [""; 0]);
    let record = world.machine.parts[RECORD].clone();
    record.write_at(0, &[0x5a; 4096]).unwrap();
    record.sync().unwrap();
    let faults = world.boot().record_faults;
    assert!(faults.len() == 1 && faults[0].starts_with("the first copy is bad (no record)"), "{faults:?}");
    assert!(world.site().look().loaded.is_whole());
    assert_eq!(world.boot().record_faults, [""; 0]);
    for at in [0, record.len() - 4096] {
        record.write_at(at, &[0x5a; 4096]).unwrap();
    }
    record.sync().unwrap();
    let faults = world.boot().record_faults;
    assert!(faults.len() == 1 && faults[0].starts_with("both copies are bad"), "{faults:?}");
    assert!(world.site().look().loaded.is_whole());
    // One that cannot be read is left alone in early boot, and told as what is wrong now.
    lose_copy(&world, false);
    assert_eq!(world.boot().record_faults, [""; 0]);
}
