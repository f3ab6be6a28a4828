//! What happened, for people: a ring of blocks beside the record that no decision ever reads.
//!
//! An entry is one block with its own checksum. Losing one, or all, changes nothing about a boot. An older program
//! reads the entry of a newer one as far as it knows it: a kind that it does not know is a number, and what stands
//! behind the fields that it knows is not looked at. No program rewrites an entry, so nothing is lost by that.

use super::bytes::{Reader, Writer};
use crate::slot::{BLOCK, Uuid, checksum};
use crate::wall_clock::WallClock;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

const MAGIC: [u8; 8] = *b"evb-hist";
const BODY: usize = 12;
const CHECKSUM: usize = BLOCK - 4;
/// Longest text of an entry in bytes; longer ones are cut.
const MAX_TEXT: usize = 3000;
/// Longest version of a program in bytes; longer ones are cut.
const MAX_PROGRAM: usize = 64;

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The way of a boot, up to its hand-off.
    Boot,
    /// An apply, a prepare, or why one was given up.
    Update,
    /// A verb that changed the record.
    Verb,
    /// A kind of that number, from 3, which this program does not know.
    Other(u32),
}

/// Where an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// What the wall clock showed.
    pub clock: WallClock,
    /// The kernel's id of the boot in which it was written; absent where that is not known, or where the entry was
    /// written from another machine, into a disk image in a file.
    pub boot: Option<Uuid>,
    /// Version of the program that wrote it.
    pub program: String,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position in the sequence of entries, from 1.
    pub sequence: u64,
    /// When it was written, in which boot, and by what.
    pub stamp: Stamp,
    /// What it tells of.
    pub kind: Kind,
    /// Lines for a reader; the first says all that matters.
    pub text: String,
}

impl Kind {
    fn of_number(number: u32) -> Self {
        match number {
            0 => Self::Boot,
            1 => Self::Update,
            2 => Self::Verb,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Boot => 0,
            Self::Update => 1,
            Self::Verb => 2,
            Self::Other(number) => number,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot => f.write_str("boot"),
            Self::Update => f.write_str("update"),
            Self::Verb => f.write_str("verb"),
            Self::Other(number) => write!(f, "kind {number}"),
        }
    }
}

/// The block of an entry. What is too long is cut at a character's end. Fields are added at the end of the body only.
pub fn encode(entry: &Entry) -> Box<[u8; BLOCK]> {
    let mut body = Writer::default();
    body.number(entry.sequence);
    body.number(entry.stamp.clock.seconds());
    body.byte(entry.stamp.clock.is_set().into());
    body.option(entry.stamp.boot, |body, Uuid(id)| body.array(&id));
    body.bytes(cut(&entry.stamp.program, MAX_PROGRAM).as_bytes());
    body.number(entry.kind.number().into());
    body.bytes(cut(&entry.text, MAX_TEXT).as_bytes());
    let mut block = Box::new([0; BLOCK]);
    block[BODY..][..body.0.len()].copy_from_slice(&body.0);
    seal(&mut block, body.0.len());
    block
}

/// The entry in a block, if it holds one.
pub fn decode(block: &[u8; BLOCK]) -> Option<Entry> {
    let stored = u32::from_le_bytes([block[4092], block[4093], block[4094], block[4095]]);
    if block[..8] != MAGIC || checksum(&[&block[..CHECKSUM]]) != stored {
        return None;
    }
    let length = u32::from_le_bytes([block[8], block[9], block[10], block[11]]) as usize;
    // What a newer program has put behind these fields stays unread.
    let mut body = Reader(block[BODY..CHECKSUM].get(..length)?);
    let (sequence, seconds) = (body.number()?, body.number()?);
    let clock = if body.flag()? { WallClock::Set(seconds) } else { WallClock::NotSet(seconds) };
    let boot = body.option(|body| body.array().map(Uuid))?;
    Some(Entry {
        sequence,
        stamp: Stamp { clock, boot, program: body.text()?.to_owned() },
        kind: Kind::of_number(body.number()?.try_into().ok()?),
        text: body.text()?.to_owned(),
    })
}

fn seal(block: &mut [u8; BLOCK], length: usize) {
    block[..8].copy_from_slice(&MAGIC);
    block[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    let checksum = checksum(&[&block[..CHECKSUM]]);
    block[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
}

fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, text: &str) -> Entry {
        let (clock, boot) = (WallClock::Set(1_796_040_191), Some(Uuid([7; 16])));
        let stamp = Stamp { clock, boot, program: "0.1.0".into() };
        Entry { sequence: 7, stamp, kind, text: text.into() }
    }

    #[test]
    fn an_entry_reads_back_and_a_torn_one_is_none() {
        let entry = entry(Kind::Verb, "slot-b: confirmed");
        let mut block = encode(&entry);
        assert_eq!(decode(&block), Some(entry));
        block[2000] ^= 1;
        assert_eq!(decode(&block), None);
    }

    #[test]
    fn an_entry_without_clock_and_boot_reads_back() {
        let mut entry = entry(Kind::Boot, "slot-a");
        entry.stamp = Stamp { clock: WallClock::NotSet(12), boot: None, program: String::new() };
        assert_eq!(decode(&encode(&entry)), Some(entry));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let mut entry = entry(Kind::Boot, &"ä".repeat(4000));
        entry.stamp.program = "ä".repeat(100);
        entry.stamp.clock = WallClock::Set(u64::MAX);
        (entry.sequence, entry.kind) = (u64::MAX, Kind::Other(u32::MAX));
        let read = decode(&encode(&entry)).unwrap();
        assert_eq!((read.text.len(), read.stamp.program.len()), (MAX_TEXT, MAX_PROGRAM));
    }

    #[test]
    fn an_entry_of_a_newer_program_is_read_as_far_as_it_is_known() {
        let newer = entry(Kind::Other(9), "slot-b: assessed");
        let mut block = encode(&newer);
        let length = u32::from_le_bytes([block[8], block[9], block[10], block[11]]) as usize;
        block[BODY + length..][..5].copy_from_slice(b"\x04more");
        seal(&mut block, length + 5);
        let read = decode(&block).unwrap();
        assert_eq!((read.kind.to_string(), &read), ("kind 9".into(), &newer));
        // It is written again as the kind that it is.
        assert_eq!(encode(&read), encode(&newer));
    }
}
