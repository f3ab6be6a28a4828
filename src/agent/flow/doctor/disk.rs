//! What disks, record and slots show. Pure.

use super::Findings;
use crate::flow::conflict::{overlaps, shown};
use crate::flow::{RecordFault, SeenSlot};
use crate::machine::{PartitionRef, Survey, matches};
use everboot_core::config::Config;
use everboot_core::lifecycle::below_floor;
use everboot_core::record::{BadCopy, Record, Slot};
use everboot_core::slot::{SlotName, SlotObservation, SlotState};
use everboot_storage::apply::Layout;

/// The smallest partition of the record, in bytes (`record/FORMAT.md`).
const SMALLEST_RECORD: u64 = 1 << 20;

/// A slot, and what is in it.
pub(super) struct SlotContent<'a> {
    pub(super) name: &'a SlotName,
    /// Its size in bytes.
    pub(super) len: u64,
    /// Size of its image in bytes, if it holds one that a trusted key has signed.
    pub(super) image: Option<u64>,
    /// Whether its trailer is the one that the record expects.
    pub(super) is_right: bool,
}

/// The partitions that the configuration names: there, once, and each for itself.
///
/// `disk` is the one that is this machine's, as far as that is known: those of others are not used.
pub(super) fn check_places(survey: &Survey, disk: Option<usize>, config: &Config, found: &mut Findings) {
    let mut taken: Vec<(&str, PartitionRef)> = Vec::new();
    let own = [("record", &config.record), ("staging", &config.staging), ("recovery", &config.recovery)];
    let of_slots = config
        .slots
        .iter()
        .flat_map(|slot| slot.parts.iter().map(|(_, locator)| (slot.name.as_str(), locator)));
    for (what, locator) in own.into_iter().chain(of_slots) {
        let (mut there, name) = (survey.find(|part| matches(locator, part)), shown(locator));
        let others: Vec<_> = match disk {
            Some(disk) if there.iter().any(|at| at.disk == disk) => {
                there.extract_if(.., |at| at.disk != disk).collect()
            }
            _ => Vec::new(),
        };
        if !others.is_empty() {
            let disks = disks(survey, &others);
            let text = format_args!("partition {name} is on {disks} as well, and is not used there");
            found.note("other-disk", what, &text);
        }
        let Some(&at) = there.first() else {
            // A machine may do without a recovery slot.
            if what == "recovery" {
                continue;
            }
            let text = format_args!("there is no partition {name}; make it, or correct everboot.conf");
            found.fault("missing", what, &text);
            continue;
        };
        if there.len() > 1 {
            let disks = disks(survey, &there);
            found.fault(
                "ambiguous",
                what,
                &format_args!("partition {name} is on {disks}; remove or rename all but one"),
            );
        }
        if let Some((other, _)) = taken.iter().find(|(_, taken)| *taken == at) {
            found.fault(
                "shared",
                what,
                &format_args!("it has the same partition as {other}; correct everboot.conf"),
            );
        }
        taken.push((what, at));
        if overlaps(survey, at) {
            found.fault(
                "overlap",
                what,
                &"its partition overlaps with another one; make the partitions anew",
            );
        }
        let len = survey.partition(at).len;
        if what == "record" && len < SMALLEST_RECORD {
            let text = format_args!("its partition has {len} bytes; make it at least {SMALLEST_RECORD}");
            found.fault("record-size", what, &text);
        }
    }
}

fn disks(survey: &Survey, parts: &[PartitionRef]) -> String {
    parts.iter().map(|at| &*survey.disks[at.disk].name).collect::<Vec<_>>().join(" and ")
}

/// What is wrong with the tables: on the machine's own disk, and where it was not found, something is to be done.
pub(super) fn check_tables(survey: &Survey, own: Option<usize>, found: &mut Findings) {
    for (at, disk) in survey.disks.iter().enumerate() {
        for complaint in disk.complaints() {
            if own.is_none_or(|own| own == at) {
                found.fault("table", &disk.name, &complaint);
            } else {
                found.note("table", &disk.name, &complaint);
            }
        }
    }
}

/// PARTUUIDs that are there twice, as on a copied disk.
pub(super) fn check_uuids(survey: &Survey, found: &mut Findings) {
    for at in survey.find(|_| true) {
        let guid = survey.partition(at).guid;
        let all = survey.find(|part| part.guid == guid);
        // Reported once, at its first place.
        if all.len() > 1 && all[0] == at {
            let (guid, disks) = (guid.to_string(), disks(survey, &all));
            found.fault(
                "part-uuid",
                &guid,
                &format_args!("this PARTUUID is on {disks}; remove or change the copy"),
            );
        }
    }
}

/// The record and its copies.
pub(super) fn check_record(
    trouble: &Option<RecordFault>,
    copies: &[Option<BadCopy>; 2],
    found: &mut Findings,
) {
    match trouble {
        // Reported with its partition.
        Some(RecordFault::NoPartition) => {}
        Some(trouble) => found.fault("record", "record", &trouble),
        None => {
            for why in copies.iter().flatten() {
                let text = format_args!("a copy is bad: {why}; run `everboot record repair`");
                found.fault("record-copy", "record", &text);
            }
        }
    }
}

/// A copy that its medium has taken back.
pub(super) fn check_lost_saves(lost_saves: u64, found: &mut Findings) {
    if lost_saves > 0 {
        let text = format_args!(
            "a copy has lost {lost_saves} saves that its disk reported as done; run `everboot record repair`, and replace \
             the disk if it happens again"
        );
        found.fault("record-copy", "record", &text);
    }
}

/// What the record says of the slots, against the configuration.
pub(super) fn check_slots(survey: &Survey, config: &Config, record: &Record, found: &mut Findings) {
    let parts =
        config.slots.iter().flat_map(|slot| slot.parts.iter().map(|(part, at)| (&slot.name, part, at)));
    for (name, part, locator) in parts {
        let known = record.find(name.as_str()).and_then(|id| {
            record.slot(id).parts.iter().find(|known| known.name == *part)?.location.partition()
        });
        let there = survey.find(|part| matches(locator, part));
        if !there.is_empty() && !there.iter().any(|at| Some(survey.partition(*at).guid) == known) {
            let text = "the record has another partition for it, or none; correct everboot.conf, or run \
                        `everboot record init --force`";
            found.fault("slot-moved", name.as_str(), &text);
        }
    }
    if !record.ids().any(|(id, _)| record.is_good(id)) {
        let is_booted = |id| record.last_boot.is_some_and(|boot| boot.slot == id);
        let text = match record.trial().or(record.update.target()) {
            Some(id) if is_booted(id) => {
                "none is good; run `everboot confirm` if this system works".to_owned()
            }
            Some(id) => {
                let name = &record.slot(id).name;
                format!(
                    "none is good yet; the next boot tries {name}: restart, and `everboot confirm` it there"
                )
            }
            None => "none is good; install an image".to_owned(),
        };
        found.fault("no-good-slot", "slots", &text);
    }
}

/// Trailers, and sizes: whatever is in one slot has to fit into the others, or it can never be upgraded.
pub(super) fn check_filled(slots: &[SlotContent<'_>], found: &mut Findings) {
    let largest = slots.iter().filter_map(|slot| slot.image).max();
    for SlotContent { name, len, is_right, .. } in slots {
        let name = name.as_str();
        if !is_right {
            let text = "it does not have the signed trailer of its image; install an image";
            found.fault("trailer", name, &text);
        }
        if let Some(Err(error)) = largest.map(|largest| Layout::new(*len, largest)) {
            found.fault(
                "slot-size",
                name,
                &format_args!("too small for the largest image that is installed: {error}"),
            );
        }
    }
}

/// Slots that the record counts on, and that the boot does not enter, or only when nothing else is left.
pub(super) fn check_bootable(record: &Record, slots: &[SeenSlot], found: &mut Findings) {
    let boots =
        |slot: &Slot| matches!(slot.state, SlotState::Good | SlotState::Trial { .. } | SlotState::Proven);
    let is_there = |seen: &SeenSlot| seen.seen != SlotObservation::Missing;
    for (slot, seen) in record.slots.iter().zip(slots).filter(|(slot, seen)| boots(slot) && is_there(seen)) {
        if seen.seen == SlotObservation::OtherKernel {
            let text = format_args!("{}; install an image for this kernel", seen.why);
            found.fault("boot-last", slot.name.as_str(), &text);
        } else if !seen.seen.can_enter() {
            let text = format_args!("the boot does not enter it: {}; install an image", seen.why);
            found.fault("boot-refused", slot.name.as_str(), &text);
        }
    }
}

/// Images that nobody vouches for, and old ones.
pub(super) fn check_warnings(record: &Record, found: &mut Findings) {
    for (id, slot) in record.ids() {
        if slot.image.as_ref().is_some_and(|image| image.insecure) {
            let text = "no trusted key has signed its image; install another";
            found.fault("insecure", slot.name.as_str(), &text);
        }
        if below_floor(record, id) {
            found.note("floor", slot.name.as_str(), &"below the floor: it boots when no other can");
        }
    }
}

/// Room for another bundle beside the staged one.
pub(super) fn check_free_space(staged: u64, free_space: u64, found: &mut Findings) {
    if free_space < staged {
        let text = format_args!(
            "another bundle of {staged} bytes does not fit: {free_space} are free; remove files there"
        );
        found.fault("staging-room", "staging area", &text);
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
