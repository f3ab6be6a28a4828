//! The ring of the history. Every failure here is the reader's loss only: nothing depends on it.

use crate::medium::{self, Medium};
use crate::store::MIN_LEN;
use everboot_core::record::history::{Entry, Kind, Stamp, decode, encode};
use everboot_core::slot::BLOCK;

const BLOCKS: u64 = 64;

/// The entries that can still be read, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The entries.
    pub entries: Vec<Entry>,
}

fn offset(len: u64, sequence: u64) -> u64 {
    (len / BLOCK as u64 / 2 + sequence % BLOCKS) * BLOCK as u64
}

impl History {
    /// Reads the ring. Blocks that cannot be read are passed over.
    pub fn load(medium: &impl Medium) -> Self {
        let mut entries = Vec::new();
        if medium.len() >= MIN_LEN {
            let mut block = Box::new([0; BLOCK]);
            for at in 0..BLOCKS {
                if medium.read_at(offset(medium.len(), at), &mut block[..]).is_ok() {
                    entries.extend(decode(&block).filter(|entry| entry.sequence % BLOCKS == at));
                }
            }
        }
        entries.sort_unstable_by_key(|entry| entry.sequence);
        Self { entries }
    }

    /// Adds an entry. No barrier: the next one of the record, or of the file system, carries it along.
    pub fn append(
        &mut self,
        medium: &impl Medium,
        stamp: Stamp,
        kind: Kind,
        text: String,
    ) -> Result<(), medium::Error> {
        let sequence = self.entries.last().map_or(1, |entry| entry.sequence.saturating_add(1));
        let entry = Entry { sequence, stamp, kind, text };
        if medium.len() >= MIN_LEN {
            medium.write_at(offset(medium.len(), sequence), &encode(&entry)[..])?;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The latest entry of a kind.
    pub fn latest(&self, kind: Kind) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.kind == kind)
    }
}
