//! What is on a disk: the record, the trailers, and which image's bytes are in each slot.

use super::recording::{Parts, Recording};
use super::sim::Looked;
use super::sim::pages::{Pages, mix};
use crate::harness::disk::Extent;
use anyhow::{Context, Result, ensure};
use everboot::apply::{Layout, Trailer, read_trailer};
use everboot::record::{Record, Selection};
use everboot::slot::SlotId;
use everboot::store;
use std::fs;
use std::ops::Range;
use std::path::Path;

const PAGE: u64 = 4096;

/// A partition of a disk in memory, to be looked at.
pub fn looked(disk: &Pages, at: Extent) -> Looked<'_> {
    Looked::part(disk, at.start, at.length)
}

/// The pages of a disk that a partition has.
pub fn pages_of(at: Extent) -> Range<usize> {
    (at.start / PAGE) as usize..((at.start + at.length) / PAGE) as usize
}

/// The images that a slot may hold, with their trees, as hashes of their pages.
#[derive(Debug, Clone)]
pub struct Known {
    versions: Vec<Vec<u64>>,
}

impl Known {
    /// The images' bytes come from their files; their trees from the slots that hold them, before the update and
    /// after it.
    pub fn of(recording: &Recording) -> Result<Self> {
        let [first, other] = recording.parts.slots;
        let places = [(&recording.before, first), (&recording.before, other), (&recording.after, first)];
        let all = recording.images.iter().zip(places);
        let versions = all.map(|(image, (disk, slot))| sealed(image, disk, slot));
        Ok(Self { versions: versions.collect::<Result<_>>()? })
    }

    /// The version whose every byte of image and tree is in a slot.
    pub fn whole(&self, disk: &Pages, slot: Extent) -> Option<usize> {
        let from = pages_of(slot).start;
        let holds = |pages: &Vec<u64>| {
            pages.iter().enumerate().all(|(number, hash)| disk.hash_of_page(from + number) == *hash)
        };
        self.versions.iter().position(holds)
    }

    /// Pages of image and tree.
    pub fn sealed_pages(&self, slot: Extent) -> Range<usize> {
        let from = pages_of(slot).start;
        from..from + self.versions.first().map_or(0, Vec::len)
    }
}

fn sealed(image: &Path, disk: &Pages, slot: Extent) -> Result<Vec<u64>> {
    let bytes = fs::read(image).with_context(|| format!("read {}", image.display()))?;
    let layout = Layout::new(slot.length, bytes.len() as u64)?;
    let pages = Pages::of(&bytes);
    let from = pages_of(slot).start;
    let same = (0..pages.count()).all(|page| pages.page(page) == disk.page(from + page));
    ensure!(same, "{} is not in its slot", image.display());
    let count = (layout.image_len + layout.tree_len) / PAGE;
    Ok((0..count as usize).map(|page| disk.hash_of_page(from + page)).collect())
}

/// What a disk says.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The current record, and its generation.
    pub record: Option<(u64, Record)>,
    /// Whether each copy can be used.
    pub copies: [bool; 2],
    /// The version that is whole in each slot.
    pub whole: [Option<usize>; 2],
    /// Each slot's trailer.
    pub trailers: [Option<Trailer>; 2],
}

impl Facts {
    /// Looks.
    pub fn of(disk: &Pages, parts: &Parts, known: &Known) -> Self {
        let loaded = store::load(&looked(disk, parts.record));
        let record = match loaded.selection {
            Selection::Current { generation, record, .. } => Some((generation, *record)),
            Selection::Newer { .. } | Selection::Lost => None,
        };
        Self {
            record,
            copies: loaded.faults.map(|fault| fault.is_none()),
            whole: parts.slots.map(|slot| known.whole(disk, slot)),
            trailers: parts.slots.map(|at| read_trailer(&looked(disk, at)).ok().flatten()),
        }
    }

    /// Of the record; 0 without one.
    pub fn generation(&self) -> u64 {
        self.record.as_ref().map_or(0, |(generation, _)| *generation)
    }

    /// The default slot, if it is good.
    pub fn known_good(&self) -> Option<SlotId> {
        let (_, record) = self.record.as_ref()?;
        record.default.filter(|id| record.is_good(*id))
    }
}

/// The hash of all that a boot may depend on: copies of the record, and slots. No decision reads the history.
pub fn decisive(disk: &Pages, parts: &Parts) -> u64 {
    let record = pages_of(parts.record);
    let copies = [record.start, record.end - 1];
    let slots = parts.slots.into_iter().flat_map(pages_of);
    copies.into_iter().chain(slots).fold(0, |hash, page| mix(hash, disk.hash_of_page(page)))
}
