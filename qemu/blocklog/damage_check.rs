//! Tests the oracle: it is given disks that are damaged as no power cut can damage them, and has to reject each, for
//! the promise that the damage breaks.

use super::campaign::Sandbox;
use super::crash_images::CrashImages;
use super::disk::pages_of;
use super::recording::Recording;
use super::replay::ReplayFailure;
use anyhow::{Result, bail, ensure};
use everboot_kit::epoch::{Loss, SectorDamage};
use everboot_kit::sim::pages::{PAGE, Pages};
use std::ops::Range;

/// The promise that is broken, and the pages that are destroyed for it.
type Damage = (&'static str, fn(&Recording) -> Vec<Range<usize>>);

const DAMAGES: [Damage; 4] = [
    ("known_good_untouched", |recording| vec![first(pages_of(recording.parts.slots[recording.old]))]),
    ("eligible_slots_are_whole", |recording| vec![first(pages_of(recording.parts.slots[1 - recording.old]))]),
    ("record_survives", |recording| {
        let record = pages_of(recording.parts.record);
        vec![record.start..record.start + 1, record.end - 1..record.end]
    }),
    ("named_bundle_is_there", |recording| vec![pages_of(recording.parts.data)]),
];

fn first(pages: Range<usize>) -> Range<usize> {
    pages.start..pages.start + 1
}

/// Gives the oracle damaged copies of the disk on which an apply is due. Returns how many it rejected; one that it
/// accepts is an error.
pub fn run(images: &CrashImages<'_>, sandbox: &Sandbox<'_>) -> Result<u64> {
    let Some(place) = images.places.first() else { bail!("there is no epoch to damage") };
    let none = Loss { kept: Vec::new(), damage: SectorDamage::None };
    let recording = images.context().recording;
    // A machine may never have had an image in its other slot.
    let has_other = images.context().has_oldest();
    let damages = DAMAGES.iter().filter(|(promise, _)| has_other || *promise != "eligible_slots_are_whole");
    let (mut oracle, mut seen) = (sandbox.oracle("damage-check", images.context())?, 0);
    for (promise, damage) in damages {
        let mut disk: Pages = place.epoch.base.clone();
        for page in damage(recording).into_iter().flatten() {
            disk.write(page * PAGE, &[0xa5; PAGE]);
        }
        match oracle.check(&place.case(&none, disk)) {
            Err(ReplayFailure::Broken(violation)) => ensure!(
                violation.invariant == *promise,
                "a damage that breaks {promise} was taken for {violation:?}"
            ),
            Err(ReplayFailure::Harness(error)) => return Err(error),
            Ok(outcome) => bail!("a damage that breaks {promise} was not seen: {outcome:?}"),
        }
        seen += 1;
    }
    Ok(seen)
}
