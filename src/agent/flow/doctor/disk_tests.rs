use super::*;
use crate::machine::{Disk, Partition};
use crate::table_fault::TableFault;
use everboot_core::config::Locator;
use everboot_core::record::{Slot, Update};
use everboot_core::slot::{Image, Part, SlotState, Uuid};

const MIB: u64 = 1 << 20;

fn part(label: &str, number: u8) -> Partition {
    let start = u64::from(number) * 16 * MIB;
    Partition { label: label.into(), guid: Uuid([number; 16]), kind: Uuid([0; 16]), start, len: 16 * MIB }
}

/// A disk that is as it should be.
fn survey() -> Survey {
    let labels = ["everboot-record", "everboot-data", "slot-a", "slot-b"];
    let parts = labels.iter().zip(1..).map(|(label, number)| part(label, number)).collect();
    Survey {
        disks: vec![Disk {
            name: "vda".into(),
            guid: Uuid([9; 16]),
            parts,
            removable: false,
            faults: vec![],
        }],
    }
}

#[track_caller]
fn expect(check: impl FnOnce(&mut Findings), expected: &[(&str, &str)]) {
    let mut found = Findings::default();
    check(&mut found);
    let found = found.0;
    let names: Vec<_> = found.iter().map(|found| found.name).collect();
    assert_eq!(names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{found:?}");
    for (found, (_, text)) in found.iter().zip(expected) {
        assert!(found.fault && found.text.contains(text), "{}", found.text);
    }
}

#[track_caller]
fn places(change: impl FnOnce(&mut Survey, &mut Config), expected: &[(&str, &str)]) {
    let (mut survey, mut config) = (survey(), Config::default());
    change(&mut survey, &mut config);
    let check = |found: &mut Findings| {
        check_places(&survey, None, &config, found);
        check_uuids(&survey, found);
    };
    expect(check, expected);
}

#[test]
fn a_sound_disk_has_nothing_to_say() {
    places(|_, _| (), &[]);
}

#[test]
fn partitions_are_there_once_and_each_for_itself() {
    places(
        |survey, _| survey.disks[0].parts[3].label = "b".into(),
        &[("missing", "slot-b: there is no partition PARTLABEL=slot-b")],
    );
    places(
        |survey, _| {
            survey.disks.push(Disk {
                name: "sda".into(),
                guid: Uuid([8; 16]),
                parts: vec![part("slot-a", 7)],
                removable: false,
                faults: vec![],
            })
        },
        &[(
            "ambiguous",
            "slot-a: partition PARTLABEL=slot-a is on vda and sda; remove or rename all but one",
        )],
    );
    places(|survey, _| survey.disks[0].parts[3].label = "recovery".into(), &[("missing", "slot-b: ")]);
    places(
        |_, config| config.recovery = config.staging.clone(),
        &[("shared", "recovery: it has the same partition as staging")],
    );
    places(
        |_, config| config.slots[1].parts[0].1 = Locator::PartUuid(Uuid([3; 16])),
        &[("shared", "slot-b: it has the same partition as slot-a")],
    );
    places(
        |survey, _| survey.disks[0].parts[3].start -= 1,
        &[("overlap", "slot-a: "), ("overlap", "slot-b: ")],
    );
    places(
        |survey, _| survey.disks[0].parts[0].len = MIB - 1,
        &[("record-size", "record: its partition has 1048575 bytes; make it at least 1048576")],
    );
}

#[test]
fn a_name_on_a_disk_that_is_not_used_is_a_note() {
    let mut survey = survey();
    let parts = vec![part("slot-a", 7)];
    let (name, guid) = ("sda".into(), Uuid([8; 16]));
    survey.disks.push(Disk { name, guid, parts, removable: false, faults: vec![] });
    let mut found = Findings::default();
    check_places(&survey, Some(0), &Config::default(), &mut found);
    assert_eq!(found.0.len(), 1);
    assert_eq!((found.0[0].name, found.0[0].fault), ("other-disk", false));
    assert!(found.0[0].text.contains("PARTLABEL=slot-a is on sda as well"), "{}", found.0[0].text);
}

#[test]
fn a_damaged_table_is_a_fault_on_the_own_disk_and_a_note_on_others() {
    let mut survey = survey();
    survey.disks[0].faults = vec![TableFault::BackupNotAtEnd];
    for (own, is_fault) in [(None, true), (Some(0), true), (Some(1), false)] {
        let mut found = Findings::default();
        check_tables(&survey, own, &mut found);
        assert_eq!((found.0.len(), found.0[0].name, found.0[0].fault), (1, "table", is_fault));
        assert!(found.0[0].text.contains("`sgdisk -e /dev/vda`"), "{}", found.0[0].text);
    }
}

#[test]
fn a_copied_disk_is_noticed_by_its_guids() {
    let copy = |survey: &mut Survey| {
        let parts = vec![Partition { label: "other".into(), ..part("", 3) }];
        survey.disks.push(Disk {
            name: "sda".into(),
            guid: Uuid([8; 16]),
            parts,
            removable: false,
            faults: vec![],
        });
    };
    places(|survey, _| copy(survey), &[("part-uuid", "is on vda and sda")]);
}

#[test]
fn the_record_and_each_copy_are_looked_at() {
    let (sound, bad) = ([None, None], [None, Some(BadCopy::NoRecord)]);
    expect(|found| check_record(&None, &sound, found), &[]);
    expect(|found| check_record(&None, &bad, found), &[("record-copy", "a copy is bad")]);
    expect(
        |found| check_record(&Some(RecordFault::Lost("x".into())), &bad, found),
        &[("record", "both copies are bad (x)")],
    );
    expect(|found| check_record(&Some(RecordFault::NoPartition), &sound, found), &[]);
    expect(|found| check_lost_saves(0, found), &[]);
    expect(|found| check_lost_saves(2, found), &[("record-copy", "a copy has lost 2 saves")]);
}

fn record() -> Record {
    let slot = |name: &str, number: u8, state| Slot {
        name: SlotName::new(name).unwrap(),
        parts: vec![Part::root(Uuid([number; 16]))],
        state,
        image: Some(Image { version: "1".into(), id: None, open: false, tries: 0, insecure: false }),
        confirmed: 0,
    };
    let slots = vec![slot("slot-a", 3, SlotState::Good), slot("slot-b", 4, SlotState::Empty)];
    let disk = Uuid([9; 16]);
    Record {
        disk,
        slots,
        default: None,
        last_boot: None,
        once: None,
        update: Update::None,
        bad_images: vec![],
        recovery_rounds: 0,
        floor: String::new(),
        extensions: vec![],
    }
}

#[test]
fn record_and_configuration_agree_about_the_slots() {
    let check = |record: &Record| {
        let record = record.clone();
        move |found: &mut Findings| check_slots(&survey(), &Config::default(), &record, found)
    };
    expect(check(&record()), &[]);
    let mut moved = record();
    moved.slots[1].parts = vec![Part::root(Uuid([7; 16]))];
    expect(check(&moved), &[("slot-moved", "slot-b: ")]);
    moved.slots.truncate(1);
    expect(check(&moved), &[("slot-moved", "slot-b: ")]);
    let mut none_good = record();
    none_good.slots[0].state = SlotState::Proven;
    expect(check(&none_good), &[("no-good-slot", "none is good")]);
}

#[test]
fn an_insecure_image_is_a_fault_and_an_old_one_is_a_note() {
    let mut record = record();
    "1".clone_into(&mut record.floor);
    expect(|found| check_warnings(&record, found), &[]);
    record.slots[1].image.as_mut().unwrap().insecure = true;
    expect(|found| check_warnings(&record, found), &[("insecure", "slot-b: no trusted key")]);
    "1.1".clone_into(&mut record.floor);
    let mut found = Findings::default();
    check_warnings(&record, &mut found);
    let notes: Vec<_> = found.0.iter().filter(|found| !found.fault).map(|found| &*found.text).collect();
    assert_eq!(
        notes,
        ["slot-a", "slot-b"].map(|slot| format!("{slot}: below the floor: it boots when no other can"))
    );
}

#[test]
fn every_slot_has_room_for_the_largest_image_and_holds_its_own() {
    let name = SlotName::new("slot-a").unwrap();
    let slot = |len, image, is_right| SlotContent { name: &name, len, image, is_right };
    expect(
        |found| check_filled(&[slot(16 * MIB, Some(8 * MIB), true), slot(16 * MIB, None, true)], found),
        &[],
    );
    expect(
        |found| check_filled(&[slot(16 * MIB, Some(8 * MIB), true), slot(8 * MIB, None, true)], found),
        &[("slot-size", "the slot has 8388608")],
    );
    expect(
        |found| check_filled(&[slot(16 * MIB, None, false)], found),
        &[("trailer", "slot-a: it does not have the signed trailer")],
    );
}

#[test]
fn the_staging_area_has_room_for_another_bundle() {
    expect(|found| check_free_space(0, 0, found), &[]);
    expect(|found| check_free_space(5, 5, found), &[]);
    expect(
        |found| check_free_space(6, 5, found),
        &[("staging-room", "another bundle of 6 bytes does not fit: 5 are free")],
    );
}
