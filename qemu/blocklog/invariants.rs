//! What must hold on every crash image of a real disk, and after every boot of it. Each is a promise of the design.

use super::agent::Ending;
use super::facts::{Facts, Known, NEW, OLD, pages_of};
use super::parts::Parts;
use everboot_core::manifest::Manifest;
use everboot_core::record::Update;
use everboot_core::slot::{SlotId, SlotState};
use everboot_kit::sim::pages::Pages;
pub use everboot_kit::violation::{Check, Violation, hold};
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
    pub parts: &'a Parts,
    /// What may be in the slots.
    pub known: &'a Known,
}

/// A crash image before anything runs on it; `durable` is what the last flush had made sure, `live` what there would
/// be if nothing had been lost.
pub fn check_image(durable: &Disk, live: &Disk, is: &Disk, parts: &Parts, known: &Known) -> Check {
    invariant_record_survives(&durable.facts, &live.facts, &is.facts)?;
    invariant_known_good_untouched(durable, is, parts, known)?;
    invariant_eligible_slots_are_whole(&is.facts, known)?;
    invariant_trailers_tell_the_truth(&is.facts, parts)
}

/// A boot without faults.
pub fn check_boot(boot: &Boot<'_>) -> Check {
    let entered = invariant_no_strand(boot.ending, boot.parts)?;
    invariant_entered_slot_is_whole(entered, boot.ending, &boot.is.facts)?;
    invariant_proof_before_entry(entered, &boot.is.facts)?;
    invariant_known_good_untouched(boot.was, boot.is, boot.parts, boot.known)?;
    invariant_eligible_slots_are_whole(&boot.is.facts, boot.known)?;
    invariant_attempts_are_counted(entered, &boot.was.facts, &boot.is.facts)?;
    invariant_good_stays_good(&boot.was.facts, &boot.is.facts)?;
    invariant_redundancy_restored(&boot.is.facts)?;
    invariant_nothing_else_is_written(boot)
}

/// A boot of a disk whose flush did not cover a write.
pub fn check_unsure_boot(ending: &Ending, is: &Facts, parts: &Parts) -> Result<SlotId, Violation> {
    let entered = invariant_no_strand(ending, parts)?;
    invariant_entered_slot_is_whole(entered, ending, is)?;
    invariant_proof_before_entry(entered, is)?;
    invariant_redundancy_restored(is)?;
    Ok(entered)
}

/// One copy of the record can always be read, and what a completed save had made sure is never lost.
pub fn invariant_record_survives(durable: &Facts, live: &Facts, is: &Facts) -> Check {
    let (least, most, found) = (durable.generation(), live.generation(), is.generation());
    hold(found > 0 && (least..=most).contains(&found), "record_survives", || {
        format!("expected a record of generation {least} to {most}, found {found}")
    })
}

/// Image and tree of the last good slot never change; its trailer may get a mark.
pub fn invariant_known_good_untouched(was: &Disk, is: &Disk, parts: &Parts, known: &Known) -> Check {
    let Some(id) = was.facts.known_good() else { return Ok(()) };
    let Some(version) = was.facts.whole[id.index()] else { return Ok(()) };
    let same = is.pages.equal_in(&was.pages, known.sealed_pages(version, parts.slots[id.index()]));
    hold(same, "known_good_untouched", || {
        format!("{} was the last good slot, and was written", parts.names[id.index()])
    })
}

/// What the record calls proven, on trial or good has every byte of its image.
pub fn invariant_eligible_slots_are_whole(is: &Facts, known: &Known) -> Check {
    let Some((_, record)) = &is.record else { return Ok(()) };
    for (id, slot) in record.ids() {
        let claims = slot.state == SlotState::Proven || slot.state.is_eligible();
        // One that was filled by other means has no root hash, and nothing to be held against.
        let Some(root) = slot.image.as_ref().and_then(|image| image.root_hash) else { continue };
        let found = is.whole[id.index()].and_then(|version| known.root(version));
        hold(!claims || found == Some(root), "eligible_slots_are_whole", || {
            format!("{} is {} with image {root}, and holds {found:?}", slot.name, slot.state)
        })?;
    }
    Ok(())
}

/// A slot with a trailer has every byte of its image.
pub fn invariant_trailers_tell_the_truth(is: &Facts, parts: &Parts) -> Check {
    for (slot, trailer) in is.trailers.iter().enumerate() {
        let lies = trailer.is_some() && is.whole[slot].is_none();
        hold(!lies, "trailers_tell_the_truth", || {
            format!("{} has a trailer, and no image", parts.names[slot])
        })?;
    }
    Ok(())
}

/// The boot ends well, in a slot.
pub fn invariant_no_strand(ending: &Ending, parts: &Parts) -> Result<SlotId, Violation> {
    let name = ending.said.split_once(':').map_or("", |(name, _)| name);
    let slot = parts.slot(name).filter(|_| ending.code == Some(0));
    slot.map(|slot| SlotId(slot as u8)).ok_or_else(|| Violation {
        invariant: "no_strand",
        what: format!("the boot ended with {:?}: {}{}", ending.code, ending.said, ending.errors),
    })
}

/// What is entered holds every byte of the version that was good, or of the one that was brought.
pub fn invariant_entered_slot_is_whole(entered: SlotId, ending: &Ending, is: &Facts) -> Check {
    let found = is.whole[entered.index()];
    hold(found == Some(OLD) || found == Some(NEW), "entered_slot_is_whole", || {
        format!("{}, and the slot holds version {found:?}", ending.said.trim())
    })
}

/// A root is entered only when its trailer names the image that the record names.
pub fn invariant_proof_before_entry(entered: SlotId, is: &Facts) -> Check {
    let expected = is.record.as_ref().and_then(|(_, record)| record.slot(entered).image.as_ref()?.root_hash);
    let trailer = is.trailers[entered.index()].as_ref();
    let named = trailer.and_then(|trailer| Manifest::parse(&trailer.signed.manifest).ok());
    let named = named.map(|manifest| manifest.payload.root_hash);
    hold(expected.is_some() && named == expected, "proof_before_entry", || {
        format!("the record names {expected:?}, the trailer {named:?}")
    })
}

/// An attempt is in the record when a trial is entered.
pub fn invariant_attempts_are_counted(entered: SlotId, was: &Facts, is: &Facts) -> Check {
    let left = |facts: &Facts| match facts.record.as_ref()?.1.slot(entered).state {
        SlotState::Trial { handoffs_left, .. } => Some(handoffs_left),
        _ => None,
    };
    let counted = match (left(was), left(is)) {
        (Some(before), Some(after)) => after < before,
        (None, Some(_)) => true,
        (_, None) => is.record.as_ref().is_some_and(|(_, record)| record.is_good(entered)),
    };
    hold(counted, "attempts_are_counted", || {
        format!("slot {} is entered with {:?} hand-offs left, it had {:?}", entered.0, left(is), left(was))
    })
}

/// No boot makes a good slot less than good, but for the one that an update that is due takes.
pub fn invariant_good_stays_good(was: &Facts, is: &Facts) -> Check {
    let (Some((_, was)), Some((_, is))) = (&was.record, &is.record) else { return Ok(()) };
    for (id, slot) in was.ids().filter(|(id, _)| was.is_good(*id)) {
        let taken = was.update.target() == Some(id);
        hold(taken || is.is_good(id), "good_stays_good", || {
            format!("{} was good, and is {}", slot.name, is.slot(id).state)
        })?;
    }
    Ok(())
}

/// After one boot both copies of the record can be used.
pub fn invariant_redundancy_restored(is: &Facts) -> Check {
    hold(is.copies == [true, true], "redundancy_restored", || {
        format!("copies of the record that can be used: {:?}", is.copies)
    })
}

/// The pages that differ.
fn changed(was: &Pages, is: &Pages) -> impl Iterator<Item = usize> {
    (0..is.count()).filter(move |page| !is.equal_in(was, *page..page + 1))
}

/// A boot writes the record, and the slot that an update that is due takes.
pub fn invariant_nothing_else_is_written(boot: &Boot<'_>) -> Check {
    let record = boot.was.facts.record.as_ref().map(|(_, record)| record);
    let due = record.filter(|record| matches!(record.update, Update::Due { .. }));
    let target = due.and_then(|record| record.update.target()).map(|id| boot.parts.slots[id.index()]);
    let allowed: Vec<Range<usize>> =
        [Some(boot.parts.record), target].into_iter().flatten().map(pages_of).collect();
    let stray =
        changed(&boot.was.pages, &boot.is.pages).find(|page| !allowed.iter().any(|part| part.contains(page)));
    hold(stray.is_none(), "nothing_else_is_written", || format!("page {stray:?} of the disk was written"))
}

/// A boot with nothing due changes nothing but the record.
pub fn invariant_quiescent(was: &Disk, is: &Disk, parts: &Parts) -> Check {
    let record = pages_of(parts.record);
    let other = changed(&was.pages, &is.pages).find(|page| !record.contains(page));
    hold(other.is_none(), "quiescent", || format!("nothing is due, and page {other:?} was written"))
}

/// A bundle that the record names is there, every byte of it.
pub fn invariant_named_bundle_is_there(is: &Facts, is_whole: bool) -> Check {
    let named = is.record.as_ref().is_some_and(|(_, record)| record.update.bundle().is_some());
    hold(!named || is_whole, "named_bundle_is_there", || "a bundle is named, and is not there".to_owned())
}

/// Uninterrupted, an update that was staged is brought to its end.
pub fn invariant_update_finishes(is: &Facts, said: &str) -> Check {
    let done = is.known_good().is_some_and(|id| is.whole[id.index()] == Some(NEW));
    hold(done, "update_finishes", || format!("the new version is not the default after: {said}"))
}

/// A trial that is never confirmed ends in the slot that was good, and stays there.
pub fn invariant_bounded_rollback(entered: &[Option<usize>], tries: usize) -> Check {
    let fell = entered.iter().position(|version| *version == Some(OLD));
    let stays =
        fell.is_some_and(|at| at <= tries && entered[at..].iter().all(|version| *version == Some(OLD)));
    hold(stays, "bounded_rollback", || format!("versions entered, boot by boot: {entered:?}"))
}
