//! What is on a disk: the record, the trailers, and which image's bytes are in each slot.

use super::parts::Parts;
use super::recording::Recording;
use anyhow::{Result, ensure};
use everboot_bed::disk::Extent;
use everboot_core::manifest::Manifest;
use everboot_core::record::{Record, Selection};
use everboot_core::slot::{RootHash, SlotId};
use everboot_kit::sim::Looked;
use everboot_kit::sim::pages::{Pages, mix};
use everboot_storage::apply::{Layout, Trailer, read_trailer};
use everboot_storage::bundle::write::tree;
use everboot_storage::medium::Medium;
use everboot_storage::store;
use std::ops::Range;

const PAGE: u64 = 4096;

/// A partition of a disk in memory, to be looked at.
pub fn looked(disk: &Pages, at: Extent) -> Looked<'_> {
    Looked::part(disk, at.start, at.length)
}

/// The pages of a disk that a partition has.
pub fn pages_of(at: Extent) -> Range<usize> {
    (at.start / PAGE) as usize..((at.start + at.length) / PAGE) as usize
}

/// The current record on a disk.
pub fn record_on(disk: &Pages, parts: &Parts) -> Option<Record> {
    current(store::load(&looked(disk, parts.record)).selection).map(|(_, record)| record)
}

fn current(selection: Selection) -> Option<(u64, Record)> {
    match selection {
        Selection::Current { generation, record, .. } => Some((generation, *record)),
        Selection::Newer { .. } | Selection::Lost => None,
    }
}

/// The default slot of a record, if it is good.
pub fn good_default(record: &Record) -> Option<SlotId> {
    record.default.filter(|id| record.is_good(*id))
}

/// The version that was in the other slot before the update, if there was one.
pub const OLDEST: usize = 0;
/// The version that is good before the update.
pub const OLD: usize = 1;
/// The version that the update brings.
pub const NEW: usize = 2;
const VERSIONS: usize = 3;

/// The images that a slot may hold, with their trees.
#[derive(Debug, Clone)]
pub struct Known {
    versions: [Option<Image>; VERSIONS],
}

#[derive(Debug, Clone)]
struct Image {
    root: RootHash,
    /// The hashes of the pages of image and tree.
    pages: Vec<u64>,
}

impl Known {
    /// What is in the slots before the update and after it. The oldest image is not there on a machine that never
    /// had one, or when the update brings it again.
    pub fn of(recording: &Recording) -> Result<Self> {
        let (old, new) = (recording.parts.slots[recording.old], recording.parts.slots[1 - recording.old]);
        let oldest = Image::of(&recording.before, new)?.filter(|image| image.root != recording.root);
        let good = Image::of(&recording.before, old)?;
        let brought = Image::of(&recording.after, new)?;
        ensure!(good.is_some(), "{}: the good slot does not hold its image", recording.name);
        let is_brought = brought.as_ref().is_some_and(|image| image.root == recording.root);
        ensure!(is_brought, "{}: the other slot does not hold the bundle's image", recording.name);
        let mut versions: [Option<Image>; VERSIONS] = Default::default();
        (versions[OLDEST], versions[OLD], versions[NEW]) = (oldest, good, brought);
        Ok(Self { versions })
    }

    /// The version whose every byte of image and tree is in a slot.
    pub fn whole(&self, disk: &Pages, slot: Extent) -> Option<usize> {
        let from = pages_of(slot).start;
        let holds = |image: &Image| {
            let mut pages = image.pages.iter().enumerate();
            pages.all(|(number, hash)| disk.hash_of_page(from + number) == *hash)
        };
        self.versions.iter().position(|image| image.as_ref().is_some_and(holds))
    }

    /// The root hash of a version.
    pub fn root(&self, version: usize) -> Option<RootHash> {
        self.versions.get(version)?.as_ref().map(|image| image.root)
    }

    /// Pages of image and tree of a version, in a slot.
    pub fn sealed_pages(&self, version: usize, slot: Extent) -> Range<usize> {
        let from = pages_of(slot).start;
        let count =
            self.versions.get(version).and_then(|image| image.as_ref().map(|image| image.pages.len()));
        from..from + count.unwrap_or(0)
    }
}

impl Image {
    /// The image that a slot's trailer names, when the slot holds it: its tree is made anew, and has to be there, and
    /// to have the root hash that is signed.
    fn of(disk: &Pages, slot: Extent) -> Result<Option<Self>> {
        let Some(trailer) = read_trailer(&looked(disk, slot))? else { return Ok(None) };
        let payload = Manifest::parse(&trailer.signed.manifest)?.payload;
        let Ok(layout) = Layout::new(slot.length, payload.size) else { return Ok(None) };
        let mut image = vec![0; (layout.image_len + layout.tree_len) as usize];
        looked(disk, slot).read_at(0, &mut image)?;
        let (image, there) = image.split_at(layout.image_len as usize);
        let made = tree(image, &payload.salt);
        if !made.is_some_and(|(tree, root)| tree == there && root == payload.root_hash) {
            return Ok(None);
        }
        let (from, count) = (pages_of(slot).start, (layout.image_len + layout.tree_len) / PAGE);
        let pages = (0..count as usize).map(|page| disk.hash_of_page(from + page)).collect();
        Ok(Some(Self { root: payload.root_hash, pages }))
    }
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
        Self {
            record: current(loaded.selection),
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
        good_default(&self.record.as_ref()?.1)
    }
}

/// The hash of all that a boot may depend on: copies of the record, and slots. No decision reads the history.
pub fn decisive(disk: &Pages, parts: &Parts) -> u64 {
    let record = pages_of(parts.record);
    let copies = [record.start, record.end - 1];
    let slots = parts.slots.into_iter().flat_map(pages_of);
    copies.into_iter().chain(slots).fold(0, |hash, page| mix(hash, disk.hash_of_page(page)))
}
