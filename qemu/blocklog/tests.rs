//! What the reader of block logs, the maker of crash images and the comparison of barriers make of bytes that were
//! made by hand.

use std::sync::Arc;

use crate::address::Address;
use crate::barriers::check;
use crate::image::{Coverage, epochs};
use crate::log::{Entry, parse};
use crate::partitions::Partitions;
use crate::recording::{About, Phase, Recording};
use crate::strip::letter;
use crate::user_machine::read_settings;
use everboot_builder::paths;
use everboot_core::slot::ImageId;
use everboot_kit::epoch::{Loss, SectorDamage};
use everboot_kit::sim::pages::Pages;
use everboot_kit::sim::power::Event;
use everboot_testbed::disk::Extent;

/// A log of sectors of 512 bytes that says that it has so many entries.
fn log_of(says: u64, entries: &[(u64, u64, u64, &[u8])]) -> Vec<u8> {
    let mut log = Vec::new();
    for word in [0x006a_7366_7773_6872_u64, 1, says] {
        log.extend(word.to_le_bytes());
    }
    log.extend(512_u32.to_le_bytes());
    log.resize(512, 0);
    for (sector, count, flags, data) in entries {
        let start = log.len();
        for word in [*sector, *count, *flags, 0] {
            log.extend(word.to_le_bytes());
        }
        log.resize(start + 512, 0);
        log.extend_from_slice(data);
    }
    log
}

fn write(at: u64, byte: u8) -> Entry {
    Entry::Write { at, data: vec![byte; 512], durable: false }
}

#[test]
fn all_entries_are_read_whatever_the_first_sector_says() {
    let log = log_of(1, &[(3, 1, 0, &[7; 512]), (0, 0, 1, &[]), (8, 16, 4, &[]), (4, 1, 2, &[9; 512])]);
    let durable = Entry::Write { at: 2048, data: vec![9; 512], durable: true };
    let expected = [write(1536, 7), Entry::Flush, Entry::Discard { at: 4096, len: 8192 }, durable];
    assert_eq!(parse(&log).unwrap(), expected);
}

#[test]
fn a_write_that_begins_with_a_flush_is_both() {
    assert_eq!(parse(&log_of(1, &[(0, 1, 1, &[1; 512])])).unwrap(), [Entry::Flush, write(0, 1)]);
}

#[test]
fn a_torn_last_entry_was_never_completed() {
    let log = log_of(2, &[(0, 1, 0, &[1; 512]), (1, 2, 0, &[2; 1024])]);
    for len in 512 + 1024..log.len() {
        assert_eq!(parse(&log[..len]).unwrap(), [write(0, 1)], "{len} bytes");
    }
    assert_eq!(parse(&log).unwrap().len(), 2);
}

#[test]
fn what_is_kept_of_a_recording_and_is_damaged_is_an_error() {
    let folder = paths::work("damaged-recording").unwrap();
    let error = || format!("{:#}", About::read(&folder).unwrap_err());
    assert!(error().contains("expected what is kept of a recording"), "{}", error());
    let good = r#"{"name":"early","boots":[{"log":"boot.blklog","marks":[["apply",4096]]}]}"#;
    for text in ["", "{}", r#"{"name":"early"}"#, &good[..good.len() - 1], &good.replace("4096", "-1")] {
        std::fs::write(folder.join("recording.json"), text).unwrap();
        assert!(error().contains("recording.json: expected what is kept of a recording: "), "{text}");
    }
    std::fs::write(folder.join("recording.json"), good).unwrap();
    About::read(&folder).unwrap();
}

#[test]
fn what_is_no_log_is_an_error() {
    assert!(parse(&[]).unwrap_err().to_string().contains("nothing was recorded"));
    assert!(parse(&[1; 600]).is_err());
    let mut other = log_of(1, &[(0, 1, 0, &[1; 512])]);
    other[512 + 16] = 64;
    assert!(parse(&other).is_err(), "flags that mean nothing");
    other[24..28].copy_from_slice(&3_u32.to_le_bytes());
    assert!(parse(&other).is_err(), "sectors of three bytes");
}

/// A disk of a record, two slots and a data partition of 64 KiB each.
fn parts() -> Partitions {
    let extent = |number: u64| Extent { start: number << 16, length: 1 << 16 };
    let names = ["slot-a", "slot-b"].map(str::to_owned);
    Partitions { record: extent(0), slots: [extent(1), extent(2)], names, data: extent(3) }
}

fn recording(entries: Vec<Entry>, switched_off: Vec<usize>) -> Recording {
    let phases = vec![Phase { name: "all".to_owned(), end: entries.len() }];
    Recording {
        name: "hand".to_owned(),
        before: Pages::zeroed(4 << 16),
        after: Pages::zeroed(4 << 16),
        entries,
        switched_off,
        phases,
        parts: parts(),
        old: 1,
        bundle: Default::default(),
        image: ImageId([0; 32]),
        tries: 3,
        says_up: true,
    }
}

fn byte(disk: &Pages, at: usize) -> u8 {
    disk.page(at / 4096)[at % 4096]
}

#[test]
fn a_flush_makes_all_before_it_durable_and_nothing_after_it() {
    let entries = vec![write(0, 1), write(512, 2), Entry::Flush, write(1024, 3), Entry::Flush, Entry::Flush];
    let found = epochs(&recording(entries, vec![]), Coverage::All);
    let open: Vec<usize> = found.iter().map(|epoch| epoch.open.len()).collect();
    assert_eq!(open, [2, 1]);
    let none = Loss { kept: vec![false], damage: SectorDamage::None };
    let disk = found[1].image(&none, 1);
    assert_eq!([0, 512, 1024].map(|at| byte(&disk, at)), [1, 2, 0]);
}

#[test]
fn an_unsure_flush_leaves_out_the_last_write_before_it() {
    let entries = vec![write(0, 1), write(512, 2), Entry::Flush, write(1024, 3), Entry::Flush];
    let found = epochs(&recording(entries, vec![]), Coverage::AllButLast);
    let none = Loss { kept: vec![false; 2], damage: SectorDamage::None };
    let disk = found[1].image(&none, 1);
    assert_eq!([0, 512, 1024].map(|at| byte(&disk, at)), [1, 0, 0]);
}

#[test]
fn what_was_there_when_power_was_switched_off_in_order_stays() {
    let found = epochs(&recording(vec![write(0, 1), write(512, 2)], vec![1]), Coverage::All);
    assert_eq!((found.len(), byte(&found[0].base, 0), found[0].open.len()), (1, 1, 1));
}

#[test]
fn each_loss_is_on_the_disk() {
    let entries = vec![Entry::Write { at: 0, data: vec![5; 1024], durable: false }, Entry::Flush];
    let epoch = &epochs(&recording(entries, vec![]), Coverage::All)[0];
    let losses = epoch.losses(0, 1).unwrap();
    let mut seen: Vec<u64> = losses.iter().map(|loss| epoch.image(loss, 1).hash()).collect();
    seen.sort_unstable();
    seen.dedup();
    // Zero is what was there before, so that it is one of the subsets.
    assert_eq!((losses.len(), seen.len()), (4 + 12, 4 + 2 + 8));
    let torn = Loss { kept: vec![true; 2], damage: SectorDamage::Torn(1, 8) };
    let disk = epoch.image(&torn, 1);
    assert_eq!([0, 511, 512, 519, 520].map(|at| byte(&disk, at)), [5, 5, 5, 5, 0]);
}

#[test]
fn an_address_reads_back() {
    for text in ["running/sure/12/345/1", "early/unsure/0/0/99"] {
        assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), Some(text));
    }
    for text in ["", "running/sure/12/345", "running/maybe/1/2/3", "running/sure/x/2/3"] {
        assert_eq!(Address::parse(text), None, "{text}");
    }
}

#[test]
fn an_epoch_is_shown_by_what_it_writes_whatever_the_slots_are_called() {
    let names = ["data", "record"].map(str::to_owned);
    let extent = |start: u64, length: u64| Extent { start: start << 16, length: length << 16 };
    let parts = Partitions { names, slots: [extent(1, 2), extent(3, 2)], data: extent(5, 1), ..parts() };
    let shown = |writes: &[u64]| {
        let entries = writes.iter().map(|at| write(*at, 1)).collect();
        let epoch = &epochs(&recording(entries, vec![]), Coverage::All)[0];
        (epoch.kind(&parts), letter(epoch.areas(&parts)))
    };
    let end = (1 << 16) - 512;
    for (writes, kind, sign) in [
        (&[0, 5 << 16][..], "record and data", 'r'),
        (&[end, 4096], "record and history", 'r'),
        (&[1 << 16], "data", 'w'),
        (&[(4 << 16) + end, 5 << 16], "record's trailer and data", 'w'),
        (&[5 << 16, 5 << 16], "data", 'd'),
        (&[6 << 16], "table", 't'),
    ] {
        assert_eq!(shown(writes), (kind.to_owned(), sign));
    }
}

/// The slot is written and made durable, then the record names it.
fn in_memory() -> Vec<Event> {
    let write = |medium, byte| Event::Write { medium, at: 0, data: Arc::from([byte; 1024]) };
    vec![write(1, 1), Event::Sync(1), write(0, 2), Event::Sync(0)]
}

fn seen(at: u64, byte: u8) -> Entry {
    Entry::Write { at, data: vec![byte; 1024], durable: false }
}

#[test]
fn a_disk_that_saw_every_barrier_agrees() {
    let entries = [seen(1 << 16, 1), Entry::Flush, seen(0, 2), Entry::Flush];
    let agreed = check(&in_memory(), &entries, &parts()).unwrap();
    assert_eq!((agreed.sectors, agreed.barriers), (4, 2));
    // In pieces, in another order, and with what the file system does in between.
    let [half, rest] = [write(1 << 16, 1), write((1 << 16) + 512, 1)];
    let entries = [rest, seen(3 << 16, 9), half, Entry::Flush, seen(0, 2), Entry::Flush, Entry::Flush];
    assert!(check(&in_memory(), &entries, &parts()).is_ok());
}

#[test]
fn a_flush_that_is_missing_is_noticed() {
    let all = [seen(1 << 16, 1), Entry::Flush, seen(0, 2), Entry::Flush];
    for missing in [1, 3] {
        let mut entries = all.to_vec();
        entries.remove(missing);
        let error = check(&in_memory(), &entries, &parts()).unwrap_err().to_string();
        assert!(error.contains("no flush between"), "{error}");
    }
    let late = [seen(1 << 16, 1), seen(0, 2), Entry::Flush, Entry::Flush];
    assert!(check(&in_memory(), &late, &parts()).is_err());
}

#[test]
fn a_write_that_is_unexpected_missing_or_different_is_noticed() {
    let all = [seen(1 << 16, 1), Entry::Flush, seen(0, 2), Entry::Flush];
    let error = |entries: &[Entry]| check(&in_memory(), entries, &parts()).unwrap_err().to_string();
    assert!(error(&all[2..]).contains("never reached the disk"));
    assert!(error(&[&all[..], &[seen(2 << 16, 3)]].concat()).contains("which no flow wrote"));
    let mut other = all.to_vec();
    other[0] = seen(1 << 16, 7);
    assert!(error(&other).contains("other bytes"));
    other[0] = seen((1 << 16) + 512, 1);
    assert!(error(&other).contains("did not write then"));
}

#[test]
fn settings_with_which_the_machine_is_not_content_are_refused() {
    let folder = paths::work("settings").unwrap();
    let key = include_str!("../../tests/golden/key.pub");
    std::fs::create_dir_all(folder.join("keys")).unwrap();
    std::fs::write(folder.join("everboot.conf"), "compatible = kiosk\n").unwrap();
    std::fs::write(folder.join("keys/a.pub"), key).unwrap();
    assert_eq!(read_settings(&folder).unwrap().1.len(), 1);
    let refused = |expected: &str| {
        let error = format!("{:#}", read_settings(&folder).unwrap_err());
        assert!(error.contains(expected), "{error}");
    };
    std::fs::write(folder.join("keys/a.revoked"), key).unwrap();
    refused("key: none in ");
    std::fs::remove_file(folder.join("keys/a.revoked")).unwrap();
    std::fs::write(folder.join("keys/b.revoked"), "no key").unwrap();
    refused("b.revoked: ");
    std::fs::write(folder.join("everboot.conf"), "tries = 3\n").unwrap();
    refused("there is no line `compatible = ");
}
