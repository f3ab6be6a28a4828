//! Whether the partitions that everboot writes are what they seem to be: each for itself, and named once. Pure.

use crate::machine::{Partition, PartitionRef, Survey, matches};
use everboot_core::config::{Config, Locator};

/// A locator as the configuration has it.
pub(super) fn shown(locator: &Locator) -> String {
    match locator {
        Locator::PartLabel(label) => format!("PARTLABEL={label}"),
        Locator::PartUuid(guid) => format!("PARTUUID={guid}"),
    }
}

/// Whether the partition at `at` shares a byte with another one of its disk.
pub(super) fn overlaps(survey: &Survey, at: PartitionRef) -> bool {
    let one = survey.partition(at);
    let meets = |other: &Partition| one.start < other.start + other.len && other.start < one.start + one.len;
    has_other(survey, at, &meets)
}

fn has_other(survey: &Survey, at: PartitionRef, is_it: &dyn Fn(&Partition) -> bool) -> bool {
    let parts = survey.disks[at.disk].parts.iter().enumerate();
    parts.filter(|(index, _)| *index != at.part).any(|(_, other)| is_it(other))
}

/// Why nothing may be written to this disk: an image that is written to one slot would destroy another one, or which
/// partition is meant is not known. `parts` are those of the slots.
pub(super) fn conflict(
    survey: &Survey,
    disk: usize,
    config: &Config,
    parts: &[Vec<Option<PartitionRef>>],
) -> Option<String> {
    let of_slots = config.slots.iter().flat_map(|slot| &slot.parts).map(|(_, locator)| locator);
    for locator in [&config.record, &config.staging].into_iter().chain(of_slots) {
        let found = survey.disks[disk].parts.iter().filter(|part| matches(locator, part)).count();
        if found > 1 {
            return Some(format!("{found} partitions are {}", shown(locator)));
        }
    }
    let record = survey.find(|part| matches(&config.record, part)).into_iter().find(|at| at.disk == disk);
    let mut taken = Vec::new();
    for at in record.into_iter().chain(parts.iter().flatten().flatten().copied()) {
        let part = survey.partition(at);
        let name = &part.label;
        if taken.contains(&at) {
            return Some(format!("two slots have the partition {name}"));
        }
        if overlaps(survey, at) {
            return Some(format!("the partition {name} overlaps with another one"));
        }
        if has_other(survey, at, &|other| other.guid == part.guid) {
            return Some(format!("two partitions have the PARTUUID {}", part.guid));
        }
        taken.push(at);
    }
    None
}
