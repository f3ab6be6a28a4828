//! The record's bytes: golden blocks, damaged copies, and what a load makes of them.

use everboot_core::record::{BadCopy, Copy, Record, Selection, Side, Update, encode};
use everboot_core::slot::SlotId;
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
            Copy::Valid { generation: found, record } => {
                assert_eq!((found, show(&record).as_str()), (*generation, *picture), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(encode(&record(picture), *generation).unwrap()[..] == block[..], "{name}");
    }
}

#[test]
fn every_flipped_bit_of_the_first_bytes_and_every_torn_write_is_seen() {
    let (old, new) = (golden("record-v1-factory"), golden("record-v1-trial"));
    for bit in 0..600 * 8 {
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
    let break_it: [fn(&mut Record); 10] = [
        |record| record.slots.clear(),
        |record| record.default = Some(SlotId(2)),
        |record| record.slots[1].name = record.slots[0].name.clone(),
        |record| record.slots[1].part = record.slots[0].part,
        |record| record.slots[0].image = None,
        |record| record.slots[1].image.as_mut().unwrap().version = "1\n2".into(),
        |record| record.slots[1].image.as_mut().unwrap().tries = 101,
        |record| record.bad_images = vec![everboot_core::slot::RootHash([0; 32]); 17],
        |record| record.slots[0].state = record.slots[1].state,
        |record| record.floor = "1\n2".into(),
    ];
    for (case, change) in break_it.iter().enumerate() {
        let mut broken = legal.clone();
        change(&mut broken);
        assert!(broken.check().is_err(), "case {case}");
        let block = encode(&broken, 5).unwrap();
        assert!(matches!(Copy::decode(&block), Copy::Bad(BadCopy::OutOfRange(_))), "case {case}");
    }
}

#[test]
fn insecure_images_and_the_floor_stand_behind_the_body() {
    let mut before = record("a:good* b:writing due(b,5) floor(2.0)");
    before.slots[0].image.as_mut().unwrap().insecure = true;
    let Update::Due { bundle, .. } = &mut before.update else { panic!() };
    bundle.image.insecure = true;
    before.floor = "9".repeat(64);
    let read = |block: &[u8; 4096]| match Copy::decode(block) {
        Copy::Valid { record, .. } => *record,
        other => panic!("{other:?}"),
    };
    let block = encode(&before, 1).unwrap();
    assert_eq!(read(&block), before);
    assert_eq!((&block[4018..4082], &block[4082..4091]), (&[b'9'; 64][..], &[1, 0, 0, 0, 0, 0, 0, 0, 1][..]));
    // One that does not know these bytes writes zeroes.
    let mut forgot = *block;
    forgot[4018..4091].fill(0);
    let forgot = read(&sealed(forgot));
    assert!(forgot.floor.is_empty() && !forgot.slots[0].image.as_ref().unwrap().insecure);
    before.floor.push('9');
    assert!(encode(&before, 1).is_err() && before.check().is_err());
    let mut no_text = *block;
    no_text[4018] = 0xff;
    assert_eq!(Copy::decode(&sealed(no_text)), Copy::Bad(BadCopy::Malformed));
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
    let mut version_0 = block;
    version_0[8] = 0;
    assert_eq!(Copy::decode(&sealed(version_0)), Copy::Bad(BadCopy::Malformed));
}

#[test]
fn any_bytes_under_a_valid_checksum_are_read_without_a_panic() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut block = golden("record-v1-due");
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            block[20 + (state >> 33) as usize % 300] = (state >> 56) as u8;
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
    assert!(matches!(refused, Err(SaveError::Newer { version: 2 })));
    assert_eq!(store::load(&disk), loaded);
    match loaded.selection {
        Selection::Newer { readable: Some(record), .. } => assert_eq!(show(&record), GOLDEN[1].2),
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
fn a_medium_that_forgets_what_it_was_told_is_found_out() {
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
