//! A disk in memory: its partitions, the record on it, and what a boot of it depends on.

use super::partitions::Partitions;
use anyhow::{Context, Result};
use everboot_core::record::{Record, Selection};
use everboot_core::slot::SlotId;
use everboot_kit::sim::PageView;
use everboot_kit::sim::pages::{Pages, mix};
use everboot_storage::store;
use everboot_testbed::disk::Extent;
use std::fs;
use std::ops::Range;
use std::path::Path;

const PAGE: u64 = 4096;

/// A partition of a disk in memory, to be looked at.
pub fn view(disk: &Pages, at: Extent) -> PageView<'_> {
    PageView::part(disk, at.start, at.length)
}

/// The pages of a disk that a partition has.
pub fn pages_of(at: Extent) -> Range<usize> {
    (at.start / PAGE) as usize..((at.start + at.length) / PAGE) as usize
}

/// The current record on a disk.
pub fn record_on(disk: &Pages, parts: &Partitions) -> Option<Record> {
    match store::load(&view(disk, parts.record)).selection {
        Selection::Current { record, .. } => Some(*record),
        Selection::Newer { .. } | Selection::Lost => None,
    }
}

/// The default slot of a record, if it is good.
pub fn good_default(record: &Record) -> Option<SlotId> {
    record.default.filter(|id| record.is_good(*id))
}

/// The hash of all that a boot may depend on: copies of the record, and slots. No decision reads the history.
pub fn decisive(disk: &Pages, parts: &Partitions) -> u64 {
    let record = pages_of(parts.record);
    let copies = [record.start, record.end - 1];
    let slots = parts.slots.into_iter().flat_map(pages_of);
    copies.into_iter().chain(slots).fold(0, |hash, page| mix(hash, disk.hash_of_page(page)))
}

/// A file's bytes in pages.
pub fn pages(path: &Path) -> Result<Pages> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let mut pages = Pages::zeroed(bytes.len());
    for (number, page) in bytes.chunks(4096).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            pages.write(number * 4096, page);
        }
    }
    Ok(pages)
}
