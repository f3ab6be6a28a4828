//! The record, its history, and the trailer of a slot.

use super::bytes::{Bytes, block, sealed};
use super::heap::within;
use everboot_core::config::Config;
use everboot_core::decide::{Observation, SlotObservation, decide};
use everboot_core::lifecycle;
use everboot_core::record::{Copy, Record, Slot, history};
use everboot_core::slot::BLOCK;
use everboot_storage::apply::{TRAILER_LEN, read_seal, read_trailer};

/// Memory is taken as values are found in a block: twice as much for a list as for its values, and no value has less
/// than a byte.
const BLOCK_OF_SLOTS: usize = BLOCK * size_of::<Slot>();

/// A copy of the record. Of one that can be used each verb makes another one that can be used.
pub fn record(data: &[u8]) {
    for bytes in [block(data), sealed(data, b"everboot")] {
        if let Copy::Valid { record, generation, .. } = within(BLOCK_OF_SLOTS, || Copy::decode(&bytes)) {
            comes_back(&record, generation);
            verbs(&record);
        }
    }
    if let Some(entry) = within(64 << 10, || history::decode(&sealed(data, b"evb-hist"))) {
        let again = history::decode(&history::encode(&entry));
        let cut = again.expect("an entry that was written");
        assert!(
            (cut.sequence, cut.kind) == (entry.sequence, entry.kind)
                && (cut.stamp.clock, cut.stamp.boot) == (entry.stamp.clock, entry.stamp.boot)
                && entry.stamp.program.starts_with(&cut.stamp.program)
                && entry.text.starts_with(&cut.text)
        );
    }
}

fn comes_back(record: &Record, generation: u64) {
    let bytes = record_bytes(record, generation);
    match Copy::decode(&bytes) {
        Copy::Valid { record: again, generation: number, .. } => {
            assert_eq!((&*again, number), (record, generation));
        }
        other => panic!("{record:?} was written, and is read as {other:?}"),
    }
}

fn record_bytes(record: &Record, generation: u64) -> Box<[u8; 4096]> {
    everboot_core::record::encode(record, generation, 1).expect("a record that was read fits")
}

fn verbs(record: &Record) {
    let policy = Config::default().policy();
    let mut next = Vec::new();
    next.extend(lifecycle::confirm(record).map(|confirmation| confirmation.record));
    next.extend(lifecycle::rollback(record, None, true, &|_| true).map(|(record, _)| record));
    next.extend(lifecycle::activate(record, &policy, &|_| true).map(|(record, _)| record));
    next.extend(lifecycle::begin_prepare(record, &|_| true).map(|(record, _)| record));
    next.extend(lifecycle::cancel(record));
    for (id, _) in record.ids() {
        next.extend(lifecycle::reject(record, id, &|_| true));
        next.extend(lifecycle::boot_once(record, id, true));
        next.extend(lifecycle::rollback(record, Some(id), true, &|_| true).map(|(record, _)| record));
    }
    for seen in [SlotObservation::Present, SlotObservation::Missing] {
        let seen = Observation {
            can_persist: true,
            slots: vec![seen; record.slots.len()],
            recovery: SlotObservation::Missing,
            request: None,
            apply: None,
            recovery_waited: false,
        };
        next.push(decide(record, &seen, &policy).record);
    }
    next.iter().for_each(|record| comes_back(record, 1));
}

/// The trailer of a slot, with its checksums repaired and as it is.
pub fn trailer(data: &[u8]) {
    let mut bytes = data.to_vec();
    bytes.resize(TRAILER_LEN as usize, 0);
    read(&bytes);
    let number = |at: usize, len: usize| {
        bytes[at..at + len].iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte))
    };
    let (signature, manifest) = (number(42, 2).min(4096), number(44, 4).min(8 * 4096));
    let content = [&bytes[4096..4096 + manifest], &bytes[9 * 4096..9 * 4096 + signature]].concat();
    bytes[48..52].copy_from_slice(&crc32fast::hash(&content).to_le_bytes());
    let (head, mark) = (sealed(&bytes[..4096], b"evb-slot"), sealed(&bytes[15 * 4096..], b"evb-mark"));
    bytes[..4096].copy_from_slice(&head);
    bytes[15 * 4096..].copy_from_slice(&mark);
    read(&bytes);
}

fn read(bytes: &[u8]) {
    let found = within(256 << 10, || read_trailer(&Bytes::of(bytes))).expect("a medium that can be read");
    let seal = read_seal(&Bytes::of(bytes)).expect("a medium that can be read");
    if seal.is_none_or(|seal| seal.is_newer()) {
        assert!(found.is_none(), "a trailer without a seal");
    }
    if let Some(trailer) = found {
        assert!(bytes[4096..].starts_with(&trailer.signed.manifest));
        assert!(bytes[9 * 4096..].starts_with(&trailer.signed.signature));
    }
}
