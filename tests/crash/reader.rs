//! Reads disks, and remembers what it read: the many disks of a search are made of few different pieces.
//!
//! A planted bug may change what is read, so each search has a reader of its own.

use super::known::whole;
use everboot_core::record::{BadCopy, Copy};
use everboot_kit::facts::{BothCopies, Facts};
use everboot_kit::sim::pages::{Pages, mix};
use everboot_kit::sim::{DurableState, PageView, RECORD, SLOT_A, SLOT_B, UNREADABLE};
use everboot_storage::apply::{Trailer, read_trailer};
use std::collections::HashMap;
use std::sync::Arc;

/// Pages of a trailer.
pub const TRAILER_PAGES: usize = 16;

/// What was read, by the hashes of the pages that it was read from.
#[derive(Debug, Default)]
pub struct Reader {
    copies: HashMap<u64, Arc<Copy>>,
    records: HashMap<[u64; 2], BothCopies>,
    trailers: HashMap<u64, Option<Arc<Trailer>>>,
    /// Whether a slot counts as whole whose superblock has a bit wrong.
    pub spoilt_superblock: bool,
}

impl Reader {
    /// What a disk says.
    pub fn facts(&mut self, durable: &DurableState) -> Facts {
        let said = self.record(&durable.parts[RECORD]);
        let slots = [&durable.parts[SLOT_A], &durable.parts[SLOT_B]];
        let whole = slots.map(|slot| whole(slot, self.spoilt_superblock).map(|known| known.id));
        Facts::new(said, whole, slots.map(|slot| self.trailer(slot)))
    }

    /// Both copies of the record.
    pub fn copies(&mut self, record: &Pages) -> [Arc<Copy>; 2] {
        [0, record.count() - 1].map(|page| {
            let decode = || {
                Arc::new(match record.page(page) {
                    &UNREADABLE => Copy::Bad(BadCopy::Unreadable(String::new())),
                    page => Copy::decode(page),
                })
            };
            self.copies.entry(record.hash_of_page(page)).or_insert_with(decode).clone()
        })
    }

    /// The trailer of a slot.
    pub fn trailer(&mut self, slot: &Pages) -> Option<Arc<Trailer>> {
        let first = slot.count() - TRAILER_PAGES;
        let hash = (first..slot.count()).fold(0, |hash, page| mix(hash, slot.hash_of_page(page)));
        let read = || read_trailer(&PageView::all(slot)).ok().flatten().map(Arc::new);
        self.trailers.entry(hash).or_insert_with(read).clone()
    }

    fn record(&mut self, record: &Pages) -> BothCopies {
        let key = [0, record.count() - 1].map(|page| record.hash_of_page(page));
        if let Some(said) = self.records.get(&key) {
            return said.clone();
        }
        let said = BothCopies::of(&PageView::all(record));
        self.records.insert(key, said.clone());
        said
    }
}
