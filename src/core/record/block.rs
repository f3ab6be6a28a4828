//! One copy of the record as a block of 4096 bytes. The layout is specified in `FORMAT.md`.

use super::{Formats, OutOfRange, Record, Unread, wire};
use crate::mutant::{self, Mutant};
use crate::slot::{BLOCK, MAX_SLOTS, Uuid, checksum};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

const MAGIC: [u8; 8] = *b"everboot";
/// The partitions that may be booted without counting.
const ORDER: usize = 20;
const UUID: usize = 16;
const BODY: usize = ORDER + MAX_SLOTS * UUID;
const CHECKSUM: usize = BLOCK - 4;

/// What one copy turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copy {
    /// Its record can be used.
    Valid {
        /// Its place in the sequence of saves.
        generation: u64,
        /// Its format version: the next save keeps it.
        version: u16,
        /// Its record.
        record: Box<Record>,
    },
    /// Its checksum is right, and it says what this agent does not know. Never overwritten unasked while it is the
    /// newest.
    Newer {
        /// What is not known.
        unread: Unread,
        /// Its place in the sequence of saves.
        generation: u64,
        /// Partitions that its writer would boot without counting, best first.
        order: Vec<Uuid>,
        /// Its record, where only an extension is not known.
        record: Option<Box<Record>>,
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
        write!(f, "the record does not fit: expected a body of at most {} bytes", CHECKSUM - BODY)
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
    /// Reads a block as this everboot does.
    pub fn decode(block: &[u8; BLOCK]) -> Self {
        Self::decode_with(block, &Formats::CURRENT)
    }

    /// Reads a block as an agent of these formats does.
    pub fn decode_with(block: &[u8; BLOCK], formats: &Formats) -> Self {
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
        if version > formats.newest {
            let unread = Unread::Version(version);
            return Self::Newer { unread, generation, order: order(block), record: None };
        }
        let length = usize::from(u16::from_le_bytes(number(block, 10)));
        let body = block[BODY..CHECKSUM].get(..length).filter(|_| version >= Formats::FIRST);
        let Some(record) = body.and_then(wire::read).map(Box::new) else {
            return Self::Bad(BadCopy::Malformed);
        };
        match (record.check(), formats.unknown_in(&record)) {
            (Err(out), _) => Self::Bad(BadCopy::OutOfRange(out)),
            (Ok(()), None) => Self::Valid { generation, version, record },
            (Ok(()), Some(unread)) => {
                Self::Newer { unread, generation, order: order(block), record: Some(record) }
            }
        }
    }
}

fn order(block: &[u8; BLOCK]) -> Vec<Uuid> {
    let all = block[ORDER..BODY].as_chunks::<UUID>().0;
    all.iter().take_while(|guid| **guid != [0; UUID]).map(|guid| Uuid(*guid)).collect()
}

/// The block that holds `record` as the save number `generation`, in the format of that version.
pub fn encode(record: &Record, generation: u64, version: u16) -> Result<Box<[u8; BLOCK]>, EncodeError> {
    let mut block = Box::new([0; BLOCK]);
    let body = wire::write(record).ok_or(EncodeError)?;
    let room = block[BODY..CHECKSUM].get_mut(..body.len()).ok_or(EncodeError)?;
    room.copy_from_slice(&body);
    block[..8].copy_from_slice(&MAGIC);
    block[8..10].copy_from_slice(&version.to_le_bytes());
    block[10..12].copy_from_slice(&(body.len() as u16).to_le_bytes());
    block[12..20].copy_from_slice(&generation.to_le_bytes());
    for (room, part) in block[ORDER..BODY].as_chunks_mut::<UUID>().0.iter_mut().zip(record.order()) {
        *room = part.0;
    }
    let checksum = checksum(&[&block[..CHECKSUM]]);
    block[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    Ok(block)
}
