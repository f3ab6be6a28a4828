//! One copy of the record as a block of 4096 bytes. The layout is specified in `FORMAT.md`.

use super::{MAX_VERSION, OutOfRange, Record};
use crate::mutant::{self, Mutant};
use crate::slot::{BLOCK, MAX_SLOTS, SlotId, checksum};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// The format version that this everboot writes, and the newest that it reads.
pub const FORMAT_VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"everboot";
const BODY: usize = 20;
const CHECKSUM: usize = BLOCK - 4;
/// The slot that is booted once: its position plus one, or zero.
const ONCE: usize = CHECKSUM - 1;
/// Whether the staged image is insecure, and that of each slot.
const INSECURE_STAGED: usize = ONCE - 1;
const INSECURE: usize = INSECURE_STAGED - MAX_SLOTS;
/// The floor.
const FLOOR: usize = INSECURE - MAX_VERSION;

/// What one copy turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copy {
    /// Its record can be used.
    Valid {
        /// Its place in the sequence of saves.
        generation: u64,
        /// Its record.
        record: Box<Record>,
    },
    /// Its checksum is right, and its format is newer than this everboot reads. Never overwritten unasked
    /// while it is the newest.
    Newer {
        /// Its format version.
        version: u16,
        /// Its place in the sequence of saves.
        generation: u64,
    },
    /// It cannot be used.
    Bad(BadCopy),
}

/// Why a copy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadCopy {
    /// The medium did not give the bytes.
    Unreadable(String),
    /// The block is not a record: never written, or overwritten.
    NoRecord,
    /// The checksum does not fit: a torn or damaged write.
    Checksum {
        /// As computed over the block.
        expected: u32,
        /// As stored in it.
        found: u32,
    },
    /// The checksum fits, and the body is no record of that format version.
    Malformed,
    /// The checksum fits, and a value is out of its range.
    OutOfRange(OutOfRange),
}

/// The record does not fit into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeError;

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record does not fit: expected a body of at most {} bytes", FLOOR - BODY)
    }
}

impl core::error::Error for EncodeError {}

impl fmt::Display for BadCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "unreadable: {why}"),
            Self::NoRecord => f.write_str("no record"),
            Self::Checksum { expected, found } => {
                write!(f, "torn or damaged: checksum expected {expected:08x}, found {found:08x}")
            }
            Self::Malformed => f.write_str("malformed under a valid checksum"),
            Self::OutOfRange(OutOfRange(what)) => write!(f, "out of range under a valid checksum: {what}"),
        }
    }
}

fn number<const N: usize>(block: &[u8; BLOCK], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&block[at..at + N]);
    bytes
}

impl Copy {
    /// Reads a block.
    pub fn decode(block: &[u8; BLOCK]) -> Self {
        if number(block, 0) != MAGIC {
            return Self::Bad(BadCopy::NoRecord);
        }
        let (expected, found) =
            (checksum(&[&block[..CHECKSUM]]), u32::from_le_bytes(number(block, CHECKSUM)));
        if expected != found && !mutant::is(Mutant::NoChecksum) {
            return Self::Bad(BadCopy::Checksum { expected, found });
        }
        let version = u16::from_le_bytes(number(block, 8));
        let generation = u64::from_le_bytes(number(block, 12));
        if version > FORMAT_VERSION {
            return Self::Newer { version, generation };
        }
        let length = usize::from(u16::from_le_bytes(number(block, 10)));
        if version != FORMAT_VERSION || length > FLOOR - BODY {
            return Self::Bad(BadCopy::Malformed);
        }
        let Ok((mut record, [])) = postcard::take_from_bytes::<Record>(&block[BODY..BODY + length]) else {
            return Self::Bad(BadCopy::Malformed);
        };
        record.once = block[ONCE].checked_sub(1).map(SlotId);
        for (slot, insecure) in record.slots.iter_mut().zip(&block[INSECURE..INSECURE_STAGED]) {
            if let Some(image) = &mut slot.image {
                image.insecure = *insecure != 0;
            }
        }
        if let Some(bundle) = record.update.bundle_mut() {
            bundle.image.insecure = block[INSECURE_STAGED] != 0;
        }
        match core::str::from_utf8(&block[FLOOR..INSECURE]) {
            Ok(floor) => record.floor = floor.trim_end_matches('\0').to_owned(),
            Err(_) => return Self::Bad(BadCopy::Malformed),
        }
        match record.check() {
            Ok(()) => Self::Valid { generation, record: Box::new(record) },
            Err(out) => Self::Bad(BadCopy::OutOfRange(out)),
        }
    }
}

/// The block that holds `record` as the save number `generation`.
pub fn encode(record: &Record, generation: u64) -> Result<Box<[u8; BLOCK]>, EncodeError> {
    let mut block = Box::new([0; BLOCK]);
    let length = postcard::to_slice(record, &mut block[BODY..FLOOR]).map_err(|_| EncodeError)?.len();
    block[..8].copy_from_slice(&MAGIC);
    block[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    block[10..12].copy_from_slice(&(length as u16).to_le_bytes());
    block[12..20].copy_from_slice(&generation.to_le_bytes());
    let floor = record.floor.as_bytes();
    block[FLOOR..INSECURE].get_mut(..floor.len()).ok_or(EncodeError)?.copy_from_slice(floor);
    for (slot, insecure) in record.slots.iter().zip(&mut block[INSECURE..INSECURE_STAGED]) {
        *insecure = slot.image.as_ref().is_some_and(|image| image.insecure).into();
    }
    block[INSECURE_STAGED] = record.update.bundle().is_some_and(|bundle| bundle.image.insecure).into();
    block[ONCE] = record.once.map_or(0, |id| id.0 + 1);
    let checksum = checksum(&[&block[..CHECKSUM]]);
    block[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    Ok(block)
}
