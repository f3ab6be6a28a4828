//! The images that the slots of a recording may hold, and what a disk says.

use super::disk::{pages_of, view};
use super::partitions::Partitions;
use super::recording::Recording;
use anyhow::{Result, ensure};
use everboot_core::manifest::Manifest;
use everboot_core::slot::ImageId;
use everboot_kit::facts::{BothCopies, Facts};
use everboot_kit::sim::pages::Pages;
use everboot_storage::apply::{Layout, read_trailer};
use everboot_storage::bundle::write::tree;
use everboot_storage::medium::Medium;
use everboot_testbed::disk::Extent;
use std::ops::Range;
use std::sync::Arc;

const PAGE: u64 = 4096;

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
    id: ImageId,
    /// The hashes of the pages of image and tree.
    pages: Vec<u64>,
}

impl Known {
    /// What is in the slots before the update and after it. The oldest image is not there on a machine that never
    /// had one, or when the update brings it again.
    pub fn of(recording: &Recording) -> Result<Self> {
        let (old, new) = (recording.parts.slots[recording.old], recording.parts.slots[1 - recording.old]);
        let oldest = Image::of(&recording.before, new)?.filter(|image| image.id != recording.image);
        let good = Image::of(&recording.before, old)?;
        let user_machine = Image::of(&recording.after, new)?;
        ensure!(good.is_some(), "{}: the good slot does not hold its image", recording.name);
        let is_brought = user_machine.as_ref().is_some_and(|image| image.id == recording.image);
        ensure!(is_brought, "{}: the other slot does not hold the bundle's image", recording.name);
        let mut versions: [Option<Image>; VERSIONS] = Default::default();
        (versions[OLDEST], versions[OLD], versions[NEW]) = (oldest, good, user_machine);
        Ok(Self { versions })
    }

    /// What a disk says.
    pub fn facts(&self, disk: &Pages, parts: &Partitions) -> Facts {
        let trailer = |at| read_trailer(&view(disk, at)).ok().flatten().map(Arc::new);
        let whole = parts.slots.map(|slot| self.whole(disk, slot));
        Facts::new(BothCopies::of(&view(disk, parts.record)), whole, parts.slots.map(trailer))
    }

    /// The image whose every byte of image and tree is in a slot.
    fn whole(&self, disk: &Pages, slot: Extent) -> Option<ImageId> {
        let from = pages_of(slot).start;
        let holds = |image: &&Image| {
            let mut pages = image.pages.iter().enumerate();
            pages.all(|(number, hash)| disk.hash_of_page(from + number) == *hash)
        };
        self.versions.iter().flatten().find(holds).map(|image| image.id)
    }

    /// The version of that root hash.
    pub fn version(&self, id: Option<ImageId>) -> Option<usize> {
        let is = |image: &Option<Image>| image.as_ref().is_some_and(|image| Some(image.id) == id);
        self.versions.iter().position(is)
    }

    /// The root hash of a version.
    pub fn image(&self, version: usize) -> Option<ImageId> {
        self.versions.get(version)?.as_ref().map(|image| image.id)
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
        let Some(trailer) = read_trailer(&view(disk, slot))? else { return Ok(None) };
        let manifest = Manifest::parse(&trailer.signed.manifest)?;
        let root = manifest.root();
        let Ok(layout) = Layout::new(slot.length, root.size) else { return Ok(None) };
        let mut image = vec![0; (layout.image_len + layout.tree_len) as usize];
        view(disk, slot).read_at(0, &mut image)?;
        let (image, there) = image.split_at(layout.image_len as usize);
        let made = tree(image, &root.salt);
        if !made.is_some_and(|(tree, hash)| tree == there && hash == root.root_hash) {
            return Ok(None);
        }
        let (from, count) = (pages_of(slot).start, (layout.image_len + layout.tree_len) / PAGE);
        let pages = (0..count as usize).map(|page| disk.hash_of_page(from + page)).collect();
        Ok(Some(Self { id: manifest.image_id(), pages }))
    }
}
