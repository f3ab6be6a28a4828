//! What QEMU's `blklogwrites` writes down: every write, discard and flush of a disk, in the order in which they
//! were completed. The format is that of Linux's dm-log-writes.
//!
//! The number of entries in the first sector is brought up to date by a flush only, so it is not looked at, and
//! neither is the length of an entry's data, which QEMU leaves zero: what counts is what is there. An entry that is
//! not there as a whole is the last one, and was never completed.

use anyhow::{Context, Result, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;
const MARK: u64 = 8;
/// The disk's unit, whatever that of the log is.
const SECTOR: u64 = 512;

/// One thing that was done to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Bytes were written.
    Write {
        /// From this byte of the disk on.
        at: u64,
        /// They.
        data: Vec<u8>,
        /// Whether they were durable when it was completed (FUA).
        durable: bool,
    },
    /// Bytes were given up: they may be anything that they were, or zero.
    Discard {
        /// From this byte on.
        at: u64,
        /// So many.
        len: u64,
    },
    /// All writes completed before are durable.
    Flush,
}

/// Reads a log; one of which nothing was written has no bytes at all, and is an error.
pub fn parse(log: &[u8]) -> Result<Vec<Entry>> {
    let word =
        |at: usize| log.get(at..at + 8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or([0; 8])));
    let (magic, version) = (word(0).context("the log is empty: nothing was recorded")?, word(8));
    ensure!(magic == MAGIC, "expected a log of block writes, found {magic:#x} at its start");
    ensure!(version == Some(VERSION), "expected a log of version {VERSION}, found {version:?}");
    let unit = log.get(24..28).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap_or([0; 4])));
    let unit = unit.context("the log ends in its first sector")? as usize;
    ensure!(
        unit.is_power_of_two() && (512..=4096).contains(&unit),
        "expected sectors of 512 to 4096 bytes, found {unit}"
    );
    let mut entries = Vec::new();
    let mut at = unit;
    while let (Some(sector), Some(count), Some(flags)) = (word(at), word(at + 8), word(at + 16)) {
        ensure!(
            flags & !(FLUSH | FUA | DISCARD | MARK) == 0,
            "expected an entry at byte {at}, found flags {flags:#x}"
        );
        let data = at + unit;
        let (place, bytes) = (sector * SECTOR, count * SECTOR);
        let has_data = flags & (DISCARD | MARK) == 0 && bytes > 0;
        let stored = if has_data { usize::try_from(bytes)? } else { 0 };
        if log.len() < data + stored {
            break;
        }
        if flags & FLUSH != 0 {
            entries.push(Entry::Flush);
        }
        if flags & DISCARD != 0 {
            entries.push(Entry::Discard { at: place, len: bytes });
        } else if has_data {
            let durable = flags & FUA != 0;
            entries.push(Entry::Write { at: place, data: log[data..data + stored].to_vec(), durable });
        }
        at = data + stored.next_multiple_of(unit);
    }
    Ok(entries)
}
