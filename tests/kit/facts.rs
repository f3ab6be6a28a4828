//! What is on a disk, as the invariants see it.

use everboot_core::manifest::Manifest;
use everboot_core::record::{Copy, Formats, Record, Selection, Side};
use everboot_core::slot::{BLOCK, ImageId, SlotId};
use everboot_storage::apply::Trailer;
use everboot_storage::medium::Medium;
use everboot_storage::store;
use std::sync::Arc;

/// An agent of the next format version, which understands one critical extension. Facts are read as it does.
pub const NEXT: Formats = Formats { newest: 2, extensions: &[900] };

/// What both copies of the record say together.
#[derive(Debug, Clone, PartialEq)]
pub struct BothCopies {
    /// The current record, and its generation.
    pub current: Option<(u64, Arc<Record>)>,
    /// The record in the other copy.
    pub older: Option<Arc<Record>>,
    /// Whether each copy can be used.
    pub copies: [bool; 2],
}

impl BothCopies {
    /// Reads the record's partition.
    pub fn of(record: &impl Medium) -> Self {
        let loaded = store::load_with(record, NEXT);
        let copies = loaded.faults.map(|fault| fault.is_none());
        let (current, older) = match loaded.selection {
            Selection::Current { generation, record: current, side, .. } => {
                let other = if side == Side::First { record.len() - BLOCK as u64 } else { 0 };
                let mut block = [0; BLOCK];
                let older = record.read_at(other, &mut block).ok().and_then(|()| {
                    match Copy::decode_with(&block, &NEXT) {
                        Copy::Valid { record, .. } => Some(Arc::new(*record)),
                        Copy::Newer { .. } | Copy::Bad(_) => None,
                    }
                });
                (Some((generation, Arc::from(current))), older)
            }
            Selection::Newer { .. } | Selection::Lost => (None, None),
        };
        Self { current, older, copies }
    }
}

/// What a disk says.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The current record, and its generation.
    pub record: Option<(u64, Arc<Record>)>,
    /// The record in the other copy.
    pub older: Option<Arc<Record>>,
    /// Whether each copy can be used.
    pub copies: [bool; 2],
    /// The image every block of which is in each slot, its tree included: found by the bytes, whatever the record says.
    pub whole: [Option<ImageId>; 2],
    /// Each slot's trailer.
    pub trailers: [Option<Arc<Trailer>>; 2],
}

impl Facts {
    pub fn new(said: BothCopies, whole: [Option<ImageId>; 2], trailers: [Option<Arc<Trailer>>; 2]) -> Self {
        let BothCopies { current: record, older, copies } = said;
        Self { record, older, copies, whole, trailers }
    }

    /// Of the record; 0 without one.
    pub fn generation(&self) -> u64 {
        self.record.as_ref().map_or(0, |(generation, _)| *generation)
    }

    /// The last slot that can boot: the default, if it is good and a boot enters it.
    pub fn known_good(&self) -> Option<SlotId> {
        let (_, record) = self.record.as_ref()?;
        record.default.filter(|id| self.can_boot(*id))
    }

    /// Whether a boot enters a good slot: it has all its bytes, and its trailer names the image that the record names.
    pub fn can_boot(&self, id: SlotId) -> bool {
        let named = self.trailers[id.index()].as_ref();
        let named = named.and_then(|trailer| Manifest::parse(&trailer.signed.manifest).ok());
        let named = named.map(|manifest| manifest.image_id());
        let expected = self.record.as_ref().and_then(|(_, record)| record.slot(id).image_id());
        self.is_good(id.index()) && (expected.is_none() || named == expected)
    }

    /// Whether a slot is good that has all its bytes, by the record or, without one, by its mark.
    pub fn is_good(&self, slot: usize) -> bool {
        let good = match &self.record {
            Some((_, record)) => record.is_good(SlotId(slot as u8)),
            None => self.trailers[slot].as_ref().is_some_and(|trailer| trailer.mark.is_some()),
        };
        good && self.whole[slot].is_some()
    }

    /// Whether one is.
    pub fn has_good(&self) -> bool {
        (0..2).any(|slot| self.is_good(slot))
    }
}
