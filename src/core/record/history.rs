//! What happened, for people: a ring of blocks beside the record that no decision ever reads.
//!
//! An entry is one block with its own checksum. Losing one, or all, changes nothing about a boot.

use crate::slot::{BLOCK, checksum};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use serde::{Deserialize, Serialize};

const MAGIC: [u8; 8] = *b"evb-hist";
const BODY: usize = 12;
const CHECKSUM: usize = BLOCK - 4;
/// Longest text of an entry in bytes; longer ones are cut.
const MAX_TEXT: usize = 3000;

/// What an entry tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The way of a boot, up to its hand-off.
    Boot,
    /// An apply, a prepare, or why one was given up.
    Update,
    /// A verb that changed the record.
    Verb,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the sequence of entries, from 1.
    pub sequence: u64,
    /// What it tells of.
    pub kind: Kind,
    /// Lines for a reader; the first says all that matters.
    pub text: String,
}

/// The block of an entry. Text that is too long is cut at a character's end.
pub fn encode(entry: &Entry) -> Box<[u8; BLOCK]> {
    let mut end = entry.text.len().min(MAX_TEXT);
    while !entry.text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = Entry { text: entry.text[..end].to_owned(), ..*entry };
    let mut block = Box::new([0; BLOCK]);
    let length = postcard::to_slice(&cut, &mut block[BODY..CHECKSUM]).map_or(0, |body| body.len());
    block[..8].copy_from_slice(&MAGIC);
    block[8..12].copy_from_slice(&(length as u32).to_le_bytes());
    let checksum = checksum(&[&block[..CHECKSUM]]);
    block[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    block
}

/// The entry in a block, if it holds one.
pub fn decode(block: &[u8; BLOCK]) -> Option<Entry> {
    let stored = u32::from_le_bytes([block[4092], block[4093], block[4094], block[4095]]);
    if block[..8] != MAGIC || checksum(&[&block[..CHECKSUM]]) != stored {
        return None;
    }
    let length = u32::from_le_bytes([block[8], block[9], block[10], block[11]]) as usize;
    postcard::from_bytes(block[BODY..CHECKSUM].get(..length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_a_torn_one_is_none() {
        let entry = Entry { sequence: 7, kind: Kind::Verb, text: "slot-b: confirmed".into() };
        let mut block = encode(&entry);
        assert_eq!(decode(&block), Some(entry));
        block[2000] ^= 1;
        assert_eq!(decode(&block), None);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let entry = Entry { sequence: 1, kind: Kind::Boot, text: "ä".repeat(4000) };
        let read = decode(&encode(&entry)).unwrap();
        assert_eq!(read.text.len(), MAX_TEXT);
    }
}
