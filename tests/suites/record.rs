//! The record's bytes: golden blocks, damaged copies, and what a load makes of them.

use everboot_core::record::{
    BadCopy, Copy, Extension, Owner, Record, Selection, Side, Unread, Update, encode,
};
use everboot_core::slot::{BadReason, SlotState};
use everboot_core::slot::{Image, ImageId, Location, Part, PartName, SlotId, SlotName, Tagged};
use everboot_kit::picture::{record, show};
use everboot_kit::sim::SimDisk;
use everboot_storage::medium::Medium;
use everboot_storage::store::{self, SaveError};

/// Blocks of released format versions, never edited: name, generation, picture.
const GOLDEN: &[(&str, u64, &str)] = &[
    ("record-v1-factory", 1, "slot-a:good* slot-b:empty"),
    ("record-v1-trial", 258, "slot-a:good* slot-b:trial(2,9)#9? kept bad(7,8)"),
    ("record-v1-due", 70_000, "slot-a:good*! slot-b:writing slot-c:bad(mount) due(slot-b,4)"),
    ("record-v1-once", 12, "slot-a:good*! slot-b:good once(slot-b)"),
    ("record-v1-floor", 33, "slot-a:good*! slot-b:good once(slot-b) floor(1.0)"),
    ("record-v1-recovery", u64::MAX - 1, "slot-a:bad*? slot-b:bad(rejected) rounds(9)"),
    ("record-v1-other", 34, "slot-a:good*! slot-b:other(9,1,2) slot-c:bad(other-200,7) other(77,slot-c)"),
    (
        "record-v1-extensions",
        35,
        "slot-a:good*! slot-b:good staged ext(300) ext(301,slot-b) ext(302,update) ext(303,other-9,1,2)",
    ),
];

fn golden(name: &str) -> [u8; 4096] {
    let path = format!("{}/tests/golden/{name}.bin", everboot_kit::program::repo().display());
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")).try_into().unwrap()
}

/// A block with its checksum made right again.
fn sealed(mut block: [u8; 4096]) -> [u8; 4096] {
    let checksum = crc32fast::hash(&block[..4092]);
    block[4092..].copy_from_slice(&checksum.to_le_bytes());
    block
}

#[test]
fn golden_blocks_are_read_and_written_to_the_letter() {
    for (name, generation, picture) in GOLDEN {
        let block = golden(name);
        match Copy::decode(&block) {
            Copy::Valid { generation: found, record, version: 1 } => {
                assert_eq!((found, show(&record).as_str()), (*generation, *picture), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(encode(&record(picture), *generation, 1).unwrap()[..] == block[..], "{name}");
    }
}

#[test]
fn every_flipped_bit_of_the_first_bytes_and_every_torn_write_is_seen() {
    let (old, new) = (golden("record-v1-factory"), golden("record-v1-trial"));
    for bit in 0..700 * 8 {
        let mut block = new;
        block[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(Copy::decode(&block), Copy::Bad(_)), "bit {bit}");
    }
    for cut in 1..4096 {
        let mut block = new;
        block[cut..].copy_from_slice(&old[cut..]);
        let whole = block == new || block == old;
        assert!(whole || matches!(Copy::decode(&block), Copy::Bad(_)), "torn at {cut}");
    }
}

#[test]
fn a_valid_checksum_does_not_excuse_values_out_of_range() {
    let legal = record("a:good* b:trial(2,9)");
    let break_it: [fn(&mut Record); 12] = [
        |record| record.slots.clear(),
        |record| record.default = Some(SlotId(2)),
        |record| record.slots[1].name = record.slots[0].name.clone(),
        |record| record.slots[1].parts = record.slots[0].parts.clone(),
        |record| record.slots[1].parts.clear(),
        |record| record.slots[1].parts[0].name = PartName::new("boot").unwrap(),
        |record| record.slots[1].parts = vec![part(10, 0), part(10, 0)],
        |record| record.slots[0].image = None,
        |record| record.slots[1].image.as_mut().unwrap().version = "1\n2".into(),
        |record| record.slots[1].image.as_mut().unwrap().tries = 101,
        |record| record.slots[0].state = record.slots[1].state,
        |record| record.floor = "1\n2".into(),
    ];
    for (case, change) in break_it.iter().enumerate() {
        let mut broken = legal.clone();
        change(&mut broken);
        assert!(broken.check().is_err(), "case {case}");
        let block = encode(&broken, 5, 1).unwrap();
        assert!(matches!(Copy::decode(&block), Copy::Bad(BadCopy::OutOfRange(_))), "case {case}");
    }
}

/// They are read before memory is taken for them.
#[test]
fn more_slots_or_bad_images_than_the_limits_are_malformed() {
    let mut many = record("a:good* b:empty");
    many.bad_images = vec![ImageId([0; 32]); 17];
    assert_eq!(Copy::decode(&encode(&many, 5, 1).unwrap()), Copy::Bad(BadCopy::Malformed));
    let many = record("a:good* b:empty c:empty d:empty e:empty f:empty g:empty h:empty i:empty");
    assert_eq!(Copy::decode(&encode(&many, 5, 1).unwrap()), Copy::Bad(BadCopy::Malformed));
}

fn read(block: &[u8; 4096]) -> Record {
    match Copy::decode(block) {
        Copy::Valid { record, .. } => *record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn floor_once_and_insecure_images_are_read_back() {
    let mut before = record("a:good* b:writing due(b,5) floor(2.0) once(a)");
    before.slots[0].image.as_mut().unwrap().insecure = true;
    let Update::Due { bundle, .. } = &mut before.update else { panic!() };
    bundle.image.insecure = true;
    before.floor = "9".repeat(64);
    assert_eq!(read(&encode(&before, 1, 1).unwrap()), before);
    before.floor.push('9');
    assert!(before.check().is_err());
}

fn part(slot: u8, at: u8) -> Part {
    let name = if at == 0 { "root".to_owned() } else { format!("part-name-{at:02}") };
    let location = Location::Other(Tagged::new(255, &[16 * slot + at; 16]).unwrap());
    Part { name: PartName::new(&name).unwrap(), location }
}

/// As many slots, bad images and so on as there may be, each as long as it may be.
fn largest() -> Record {
    let image = |number: u8| Image {
        version: "9".repeat(64),
        id: Some(ImageId([number; 32])),
        open: true,
        tries: 100,
        insecure: true,
    };
    let slot = |number: u8| everboot_core::record::Slot {
        name: SlotName::new(&format!("{number}{}", "x".repeat(35))).unwrap(),
        parts: (0..4).map(|at| part(number, at)).collect(),
        state: SlotState::Bad { reason: BadReason::Other(Tagged::new(255, &[255; 15]).unwrap()) },
        image: Some(image(number)),
        confirmed: u64::MAX,
    };
    let bundle = everboot_core::record::Staged { manifest: [255; 32], image: image(255) };
    Record {
        slots: (0..8).map(slot).collect(),
        update: Update::Other {
            step: Tagged::new(255, &[255; 16]).unwrap(),
            bundle: Some(bundle),
            target: Some(SlotId(7)),
        },
        bad_images: vec![ImageId([255; 32]); 16],
        recovery_rounds: 255,
        once: Some(SlotId(1)),
        floor: "9".repeat(64),
        ..record("a:good*!")
    }
}

/// The limits leave room for extensions.
#[test]
fn the_largest_record_has_less_than_3500_bytes() {
    let mut largest = largest();
    largest.check().unwrap();
    let length = |record: &Record| {
        let block = encode(record, 1, 1).unwrap();
        assert_eq!(&read(&block), record);
        148 + usize::from(u16::from_le_bytes([block[10], block[11]])) + 4
    };
    let without = length(&largest);
    largest.extensions =
        vec![Extension { kind: u16::MAX, is_critical: false, owner: Owner::Record, body: vec![1; 64] }; 4];
    let found = length(&largest);
    assert!(found < 3500, "{without} bytes without extensions, {found} with all");
}

#[test]
fn a_record_that_does_not_fit_is_refused() {
    let mut record = record("a:good* b:empty");
    let extension = Extension { kind: 300, is_critical: false, owner: Owner::Record, body: vec![1; 4000] };
    record.extensions.push(extension);
    assert!(encode(&record, 1, 1).is_err());
    let disk = SimDisk::new(LEN);
    assert!(matches!(store::save(&disk, &store::load(&disk), &record), Err(SaveError::Encode(_))));
}

#[test]
fn bytes_behind_the_body_and_unknown_variants_are_malformed() {
    let block = golden("record-v1-factory");
    let mut longer = block;
    longer[10] += 1;
    assert_eq!(Copy::decode(&sealed(longer)), Copy::Bad(BadCopy::Malformed));
    let mut huge = block;
    huge[10..12].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_eq!(Copy::decode(&sealed(huge)), Copy::Bad(BadCopy::Malformed));
    let mut many = record("a:good*");
    many.slots[0].parts = (0..5).map(|at| part(1, at)).collect();
    assert_eq!(Copy::decode(&encode(&many, 1, 1).unwrap()), Copy::Bad(BadCopy::Malformed));
    let mut version_0 = block;
    version_0[8] = 0;
    assert_eq!(Copy::decode(&sealed(version_0)), Copy::Bad(BadCopy::Malformed));
}

/// A choice that may grow: its number and its body stay what they are, in whatever they stand.
#[test]
fn states_reasons_and_updates_that_are_not_known_are_written_back() {
    for tag in 0..=255 {
        for len in 0..=16 {
            let tagged = Tagged::new(tag, &vec![7; len]).unwrap();
            let mut before = record("a:good* b:other(9) c:bad(rejected) other(9,b)");
            before.slots[1].state = SlotState::Other(tagged);
            if len < 16 {
                before.slots[2].state = SlotState::Bad { reason: BadReason::Other(tagged) };
            }
            let Update::Other { step, .. } = &mut before.update else { panic!() };
            *step = tagged;
            let block = encode(&before, 1, 1).unwrap();
            // A trial with 7 tries, say, is known, and is the same bytes.
            if let Copy::Valid { record, .. } = Copy::decode(&block) {
                assert!(encode(&record, 1, 1).unwrap()[148..4092] == block[148..4092], "{tag}, {len} bytes");
            }
            if tag > 5 {
                assert_eq!(read(&block).slots[1], before.slots[1]);
                assert_eq!(read(&block).update, before.update);
            }
            if tag > 6 {
                assert_eq!(read(&block), before);
            }
        }
    }
    assert_eq!(Tagged::new(1, &[0; 17]), None);
}

#[test]
fn every_copy_says_what_would_be_booted_without_counting() {
    let rows = [
        ("a:good* b:empty", "0"),
        ("a:good b:good* c:trial(3,10)", "1 0"),
        ("a:good b:good c:good*", "2 1 0"),
        ("a:good b:good c:good* floor(2.0)", "2 1 0"),
        ("a:proven b:good c:good* d:good#1 floor(2.0)", "2 1 3 0"),
        ("a:bad b:writing c:other(9) d:bad(other-9)", ""),
    ];
    for (picture, expected) in rows {
        let mut record = record(picture);
        // All zero is no GUID.
        for slot in &mut record.slots {
            let mut guid = slot.partition().unwrap();
            guid.0[1] = 1;
            slot.parts = vec![Part::root(guid)];
        }
        let block = encode(&record, 1, 1).unwrap();
        // The place is the same in all format versions.
        let mut newer = *block;
        newer[8] = 2;
        newer[148..4092].fill(0xff);
        let Copy::Newer { order, record: None, .. } = Copy::decode(&sealed(newer)) else { panic!() };
        let found: Vec<_> = order.iter().map(|part| part.0[0].to_string()).collect();
        assert_eq!(found.join(" "), expected, "{picture}");
    }
}

#[test]
fn any_bytes_under_a_valid_checksum_are_read_without_a_panic() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut block = golden("record-v1-due");
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            block[148 + (state >> 33) as usize % 300] = (state >> 56) as u8;
        }
        let _ = Copy::decode(&sealed(block));
    }
}

const LEN: u64 = 1 << 20;

fn disk(first: &[u8; 4096], last: &[u8; 4096]) -> SimDisk {
    let disk = SimDisk::new(LEN);
    disk.write_at(0, first).unwrap();
    disk.write_at(LEN - 4096, last).unwrap();
    disk.sync().unwrap();
    disk
}

fn newer(generation: u64) -> [u8; 4096] {
    let mut block = golden("record-v1-factory");
    block[8..10].copy_from_slice(&2_u16.to_le_bytes());
    block[12..20].copy_from_slice(&generation.to_le_bytes());
    sealed(block)
}

#[test]
fn one_bad_copy_is_replaced_by_the_next_save() {
    let disk = disk(&golden("record-v1-trial"), &[0xff; 4096]);
    let loaded = store::load(&disk);
    assert_eq!(loaded.faults, [None, Some(BadCopy::NoRecord)]);
    let saved = store::save(&disk, &loaded, &record("a:good* b:good")).unwrap();
    assert_eq!(saved, store::load(&disk));
    assert!(matches!(saved.selection, Selection::Current { generation: 259, side: Side::Last, .. }));
    assert_eq!(saved.faults, [None, None]);
}

#[test]
fn saves_take_turns() {
    let disk = SimDisk::new(LEN);
    let mut loaded = store::load(&disk);
    assert_eq!(loaded.selection, Selection::Lost);
    for generation in 1..6 {
        loaded = store::save(&disk, &loaded, &record("a:good* b:empty")).unwrap();
        let expected = if generation % 2 == 1 { Side::First } else { Side::Last };
        match loaded.selection {
            Selection::Current { generation: found, side, .. } => {
                assert_eq!((found, side), (generation, expected))
            }
            ref other => panic!("{other:?}"),
        }
        assert_eq!(loaded, store::load(&disk));
    }
}

#[test]
fn a_newer_format_is_never_overwritten_while_it_is_the_newest() {
    let disk = disk(&golden("record-v1-trial"), &newer(300));
    let loaded = store::load(&disk);
    let refused = store::save(&disk, &loaded, &record("a:good* b:empty"));
    assert!(matches!(refused, Err(SaveError::Newer(Unread::Version(2)))));
    assert_eq!(store::load(&disk), loaded);
    match loaded.selection {
        Selection::Newer { older: Some(record), .. } => assert_eq!(show(&record), GOLDEN[1].2),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_newer_format_that_is_stale_gives_way() {
    let disk = disk(&golden("record-v1-trial"), &newer(257));
    let loaded = store::load(&disk);
    store::save(&disk, &loaded, &record("a:good* b:empty")).unwrap();
    assert!(matches!(store::load(&disk).selection, Selection::Current { generation: 259, .. }));
}

#[test]
fn a_record_without_room_or_medium_is_refused() {
    let small = SimDisk::new(LEN - 4096);
    let loaded = store::load(&small);
    let saved = store::save(&small, &loaded, &record("a:good* b:empty"));
    assert!(matches!(saved, Err(SaveError::TooSmall { .. })));
    let disk = SimDisk::new(LEN);
    disk.fail_writes(true);
    assert!(matches!(
        store::save(&disk, &store::load(&disk), &record("a:good* b:empty")),
        Err(SaveError::Medium(_))
    ));
}

#[test]
fn a_medium_that_forgets_a_save_is_found_out() {
    let disk = SimDisk::new(LEN);
    disk.lie(true);
    let saved = store::save(&disk, &store::load(&disk), &record("a:good* b:empty"));
    assert!(matches!(saved, Err(SaveError::ReadBack)));
}

/// Power fails at each operation of a save: the load finds the old record or the new one, whole.
#[test]
fn a_save_that_is_cut_leaves_the_old_record_or_the_new_one() {
    let (old, new) = (record("a:good* b:empty"), record("a:good* b:trial(3,10)"));
    for cut in 0..4 {
        for survives in everboot_kit::sim::SURVIVORS {
            let disk = SimDisk::new(LEN);
            let loaded = store::save(&disk, &store::load(&disk), &old).unwrap();
            disk.power().cut_after(cut);
            let outcome = store::save(&disk, &loaded, &new);
            disk.crash(*survives);
            let found = match store::load(&disk).selection {
                Selection::Current { record, .. } => *record,
                other => panic!("cut {cut} {survives:?}: {other:?}"),
            };
            assert!(found == old || found == new, "cut {cut} {survives:?}");
            assert!(outcome.is_err() || found == new, "cut {cut} {survives:?}: a save that ended is durable");
        }
    }
}

#[test]
fn the_history_is_a_ring_that_survives_damage() {
    use everboot_core::record::history::{Kind, Stamp};
    use everboot_core::wall_clock::WallClock;
    let disk = SimDisk::new(LEN);
    let stamp = Stamp { clock: WallClock::NotSet(1), boot: None, program: "0.1.0".into() };
    for number in 1..=100 {
        let mut history = store::History::load(&disk);
        history.append(&disk, stamp.clone(), Kind::Verb, format!("entry {number}")).unwrap();
    }
    let history = store::History::load(&disk);
    assert_eq!(history.entries.len(), 64);
    assert_eq!(history.entries[0].text, "entry 37");
    assert_eq!(history.latest(Kind::Verb).unwrap().text, "entry 100");
    disk.write_at(LEN / 2 + 40 * 4096, &[7; 4096]).unwrap();
    assert_eq!(store::History::load(&disk).entries.len(), 63);
    assert_eq!(store::load(&disk).selection, Selection::Lost);
}
