//! What every crash image of a real disk and every boot of it is held against: the promises that the test kit has, with
//! what the pages of a disk and the words of a program show.

use super::agent::Ending;
use super::disk::pages_of;
use super::known::{Known, NEW, OLD};
use super::partitions::Partitions;
use everboot_core::record::Update;
use everboot_core::slot::{ImageId, SlotId, SlotState};
use everboot_kit::facts::Facts;
use everboot_kit::invariants::*;
use everboot_kit::sim::pages::Pages;
use everboot_kit::violation::{Check, Violation, hold};
use std::ops::Range;

/// A disk, and what is on it.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Its bytes.
    pub pages: Pages,
    /// What they say.
    pub facts: Facts,
}

/// What a boot made of a disk.
#[derive(Debug)]
pub struct Boot<'a> {
    /// Before.
    pub was: &'a Disk,
    /// After.
    pub is: &'a Disk,
    /// How the agent ended.
    pub ending: &'a Ending,
    /// Where everything is.
    pub parts: &'a Partitions,
    /// What may be in the slots.
    pub known: &'a Known,
}

/// A crash image before anything runs on it; `durable` is what the last flush had made sure, `live` what there would
/// be if nothing had been lost.
pub fn check_image(durable: &Disk, live: &Disk, is: &Disk, parts: &Partitions, known: &Known) -> Check {
    invariant_record_survives(&durable.facts, &is.facts)?;
    invariant_no_regress(&durable.facts, &live.facts, &is.facts)?;
    untouched(durable, is, parts, known)?;
    invariant_eligible_slots_are_whole(&is.facts)?;
    invariant_trailers_tell_the_truth(&is.facts)
}

/// A boot without faults.
pub fn check_boot(boot: &Boot<'_>) -> Check {
    let (was, is) = (&boot.was.facts, &boot.is.facts);
    invariant_record_survives(was, is)?;
    let slot = entered(was, boot.ending, boot.parts)?;
    let entered = Some(Entered { slot: Some(slot), after_recovery: false });
    invariant_atomic_choice(entered, is)?;
    invariant_entered_slot_is_whole(slot, boot)?;
    invariant_proof_before_entry(entered, is)?;
    untouched(boot.was, boot.is, boot.parts, boot.known)?;
    invariant_eligible_slots_are_whole(is)?;
    invariant_attempts_are_durable(was, entered, is)?;
    invariant_attempts_are_counted(entered, is)?;
    invariant_good_stays_good(was, is)?;
    invariant_redundancy_restored(is, [true, true])?;
    invariant_nothing_else_is_written(boot)
}

/// A boot of a disk whose flush did not cover a write.
pub fn check_unsure_boot(boot: &Boot<'_>) -> Result<SlotId, Violation> {
    let (was, is) = (&boot.was.facts, &boot.is.facts);
    invariant_record_survives(was, is)?;
    let slot = entered(was, boot.ending, boot.parts)?;
    invariant_entered_slot_is_whole(slot, boot)?;
    invariant_proof_before_entry(Some(Entered { slot: Some(slot), after_recovery: false }), is)?;
    invariant_redundancy_restored(is, [true, true])?;
    Ok(slot)
}

/// [`invariant_known_good_untouched`], by the pages of image and tree.
pub fn untouched(was: &Disk, is: &Disk, parts: &Partitions, known: &Known) -> Check {
    invariant_known_good_untouched(&was.facts, |id| {
        let Some(version) = known.version(was.facts.whole[id.index()]) else { return true };
        is.pages.equal_in(&was.pages, known.sealed_pages(version, parts.slots[id.index()]))
    })
}

/// The slot that the agent says it entered. [`invariant_no_strand`]: a recording has a good slot at every moment, so
/// that a boot which names none has broken it, whatever else is found on the disk.
pub fn entered(was: &Facts, ending: &Ending, parts: &Partitions) -> Result<SlotId, Violation> {
    let name = ending.output.split_once(':').map_or("", |(name, _)| name);
    let slot = parts.slot(name).filter(|_| ending.code == Some(0)).map(|slot| SlotId(slot as u8));
    let output = || format!("{:?}: {}{}", ending.code, ending.output, ending.errors);
    let entered = slot.map(|slot| Entered { slot: Some(slot), after_recovery: false });
    invariant_no_strand(was, entered, output)?;
    slot.ok_or_else(|| Violation {
        invariant: "no_strand",
        what: format!("the boot ended with {}", output()),
    })
}

/// What is entered holds the version that was good, or the one that was brought. Particular to a recording: the other
/// slot may hold an older version, which a boot never goes back to.
fn invariant_entered_slot_is_whole(entered: SlotId, boot: &Boot<'_>) -> Check {
    let found = boot.known.version(boot.is.facts.whole[entered.index()]);
    hold(found == Some(OLD) || found == Some(NEW), "entered_slot_is_whole", || {
        format!("{}, and the slot holds version {found:?}", boot.ending.output.trim())
    })
}

/// A trial that is never confirmed ends in the version that was good. Particular to a recording, which knows its
/// versions.
pub fn invariant_rollback_ends_in_the_old_version(last: Option<ImageId>, known: &Known) -> Check {
    let found = known.version(last);
    hold(found == Some(OLD), "bounded_rollback", || format!("the last boot entered version {found:?}"))
}

/// The pages that differ.
fn changed(was: &Pages, is: &Pages) -> impl Iterator<Item = usize> {
    (0..is.count()).filter(move |page| !is.equal_in(was, *page..page + 1))
}

/// A boot writes the record, and the slot that an update that is due takes. Particular to a real disk: media in
/// memory are one for each partition, and here everything beside the partitions is looked at, too.
fn invariant_nothing_else_is_written(boot: &Boot<'_>) -> Check {
    let record = boot.was.facts.record.as_ref().map(|(_, record)| record);
    let due = record.filter(|record| matches!(record.update, Update::Due { .. }));
    let target = due.and_then(|record| record.update.target()).map(|id| boot.parts.slots[id.index()]);
    let allowed: Vec<Range<usize>> =
        [Some(boot.parts.record), target].into_iter().flatten().map(pages_of).collect();
    let stray =
        changed(&boot.was.pages, &boot.is.pages).find(|page| !allowed.iter().any(|part| part.contains(page)));
    hold(stray.is_none(), "nothing_else_is_written", || format!("page {stray:?} of the disk was written"))
}

/// What was written beside the record, for [`invariant_quiescent`].
pub fn written(was: &Disk, is: &Disk, parts: &Partitions) -> Option<String> {
    let record = pages_of(parts.record);
    let other = changed(&was.pages, &is.pages).find(|page| !record.contains(page));
    other.map(|page| format!("page {page} of the disk"))
}

/// What a boot of a disk without faults enters is a trial, whose attempt the record has, or good. Not for the search in
/// memory, in which devices fail and a trial may have ended in the same boot.
pub fn invariant_attempts_are_counted(entered: Option<Entered>, is: &Facts) -> Check {
    let (Some(Entered { slot: Some(id), .. }), Some((_, record))) = (entered, &is.record) else {
        return Ok(());
    };
    let state = record.slot(id).state;
    let is_known = matches!(state, SlotState::Good | SlotState::Trial { .. });
    hold(is_known, "attempts_are_counted", || format!("{} is entered, and is {state}", record.slot(id).name))
}
