//! The crash space of a recording as a strip: a column for each epoch of its log.

use super::crash_images::CrashImages;
use super::image::Coverage;
use super::known::NEW;
use super::partitions::Area;
use super::sample::Checked;
use serde::Serialize;
use std::collections::BTreeSet;

/// What the colours of a column are.
pub const OUTCOMES: [&str; 2] = ["the old version", "the new version"];

/// One.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Strip {
    /// The recording, and what was done in it, in order.
    pub act: String,
    /// How many images of each epoch boot into which version.
    pub outcomes: Vec<[u64; OUTCOMES.len()]>,
    /// What each epoch writes: `r` the record, `w` a slot, `d` the data partition, `t` anything else.
    pub changes: String,
}

/// The strips of all recordings, out of the images that passed.
pub fn strips(all_images: &[CrashImages<'_>], checked: &[Checked]) -> Vec<Strip> {
    all_images.iter().map(|images| strip(images, checked)).collect()
}

fn strip(images: &CrashImages<'_>, checked: &[Checked]) -> Strip {
    let recording = images.context().recording;
    let sure = || images.places.iter().filter(|place| place.coverage == Coverage::All);
    let mut outcomes = vec![[0; OUTCOMES.len()]; sure().count()];
    for one in checked.iter().filter(|one| images.has(&one.address) && one.address.coverage == Coverage::All)
    {
        if let Some(column) = outcomes.get_mut(one.address.epoch) {
            column[usize::from(one.outcome.version == NEW)] += 1;
        }
    }
    let phases: Vec<&str> = recording.phases.iter().map(|phase| &*phase.name).collect();
    let changes = sure().map(|place| place.epoch.areas(&recording.parts)).map(letter).collect();
    Strip { act: format!("{}: {}", recording.name, phases.join(", ")), outcomes, changes }
}

/// What matters most of what an epoch writes.
pub fn letter(areas: BTreeSet<Area>) -> char {
    match areas.first() {
        Some(Area::Record | Area::History) => 'r',
        Some(Area::Slot(_) | Area::Trailer(_)) => 'w',
        Some(Area::Data) => 'd',
        Some(Area::Table) | None => 't',
    }
}
