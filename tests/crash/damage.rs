//! Damage that comes by itself, while power is off: a copy of the record that is lost, a bit of a slot that is wrong, a
//! block that forgets at each power cycle.

use super::known::SUPERBLOCK;
use super::reader::TRAILER_PAGES;
use everboot_kit::sim::pages::PAGE;
use everboot_kit::sim::{DurableState, RECORD, SLOT_A, SLOT_B, UNREADABLE};

/// Which copies of the record are lost by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDamage {
    First,
    Last,
    Both,
    /// The medium does not give it any more until it is written.
    UnreadableFirst,
    UnreadableLast,
}

impl CopyDamage {
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::First, "lose-first-copy"),
        (Self::Last, "lose-last-copy"),
        (Self::Both, "lose-both-copies"),
        (Self::UnreadableFirst, "unreadable-first-copy"),
        (Self::UnreadableLast, "unreadable-last-copy"),
    ];

    /// One block of the record, which forgets at each power cycle.
    pub const FORGETS: [Self; 2] = [Self::First, Self::Last];

    /// The disk with that block as it was before.
    pub fn back_to(self, before: &DurableState, durable: &DurableState) -> DurableState {
        let mut durable = durable.clone();
        let page = self.page(before);
        durable.parts[RECORD].write(page * PAGE, before.parts[RECORD].page(page));
        durable
    }

    /// The page of that block.
    fn page(self, durable: &DurableState) -> usize {
        if self == Self::First { 0 } else { durable.parts[RECORD].count() - 1 }
    }

    /// Whether the copy may be read another time.
    pub fn is_unreadable(self) -> bool {
        matches!(self, Self::UnreadableFirst | Self::UnreadableLast)
    }

    /// The disk without them.
    pub fn of(self, durable: &DurableState) -> DurableState {
        let mut durable = durable.clone();
        let record = &mut durable.parts[RECORD];
        let last = record.len() - PAGE;
        let lost = [0xff; PAGE];
        let (first, other) = match self {
            Self::First => (Some(&lost), None),
            Self::Last => (None, Some(&lost)),
            Self::Both => (Some(&lost), Some(&lost)),
            Self::UnreadableFirst => (Some(&UNREADABLE), None),
            Self::UnreadableLast => (None, Some(&UNREADABLE)),
        };
        for (at, page) in [(0, first), (last, other)] {
            page.into_iter().for_each(|page| record.write(at, page));
        }
        durable
    }
}

/// A block of the record that does not keep what is written to it, at each power cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forgets {
    /// It has lost its bytes.
    All(CopyDamage),
    /// It has those again that it held at the beginning.
    Since(CopyDamage, Box<[u8; PAGE]>),
}

impl Forgets {
    /// Each block, in each way.
    pub fn all(began: &DurableState) -> Vec<Self> {
        let since =
            |which: CopyDamage| Self::Since(which, Box::new(*began.parts[RECORD].page(which.page(began))));
        CopyDamage::FORGETS.into_iter().flat_map(|which| [Self::All(which), since(which)]).collect()
    }

    /// The disk after a power cycle.
    pub fn of(&self, durable: &DurableState) -> DurableState {
        match self {
            Self::All(which) => which.of(durable),
            Self::Since(which, bytes) => {
                let mut durable = durable.clone();
                let page = which.page(&durable);
                durable.parts[RECORD].write(page * PAGE, &bytes[..]);
                durable
            }
        }
    }
}

/// One bit of a slot is wrong, while the record is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotDamage {
    TrailerA,
    TrailerB,
    SuperblockA,
    SuperblockB,
}

impl SlotDamage {
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::SuperblockA, "superblock-bit-a"),
        (Self::SuperblockB, "superblock-bit-b"),
        (Self::TrailerA, "trailer-bit-a"),
        (Self::TrailerB, "trailer-bit-b"),
    ];

    /// The number of the slot.
    pub fn slot(self) -> usize {
        usize::from(matches!(self, Self::TrailerB | Self::SuperblockB))
    }

    /// Whether it is the superblock of the tree, without which a slot counts as whole.
    pub fn is_superblock(self) -> bool {
        matches!(self, Self::SuperblockA | Self::SuperblockB)
    }

    /// The disk with that bit wrong.
    pub fn of(self, durable: &DurableState) -> DurableState {
        let mut durable = durable.clone();
        let slot = &mut durable.parts[[SLOT_A, SLOT_B][self.slot()]];
        // In the trailer the bit is one of the image id.
        let page = if self.is_superblock() { SUPERBLOCK } else { slot.count() - TRAILER_PAGES };
        let bit = slot.page(page)[20] ^ 1;
        slot.write(page * PAGE + 20, &[bit]);
        durable
    }
}
