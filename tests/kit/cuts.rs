//! Runs every flow test again with power cuts. The test needs no code for it.
//!
//! A [`World`](super::world::World) keeps, of each verb and each boot of a story, the disk before and what was
//! changed on it. When the story is over and went well, each of these acts is cut after each of its changes, with
//! every kind of loss in [`SURVIVORS`]; each disk that this leaves is held against the invariants, booted, and booted
//! on, by a system that confirms itself and by one that never does. What the test itself does to a disk belongs to
//! the disk before the next act, and is never cut.
//!
//! A disk that an earlier story of the same process has left too is not booted again. Of an act with more than
//! [`MOST`] changes a sample at a fixed stride is cut, its first and its last change among it.

use super::facts::{BothCopies, Facts};
use super::invariants::*;
use super::owned::{Outcome, Owned};
use super::sim::pages::{hash_of, mix};
use super::sim::power::{Event, MediumId};
use super::sim::{
    DurableState, PageView, RECORD, SLOT_A, SLOT_B, SURVIVORS, SimMachine, SimOperator, UNREADABLE,
};
use super::timeline::{Timeline, hash, without_history};
use super::violation::Check;

use everboot_agent::flow::{self, Destination};
use everboot_core::decide::Reason;
use everboot_core::manifest::Manifest;
use everboot_core::record::Selection;
use everboot_core::slot::{ImageId, SlotId};
use everboot_storage::apply::{Layout, read_trailer};
use everboot_storage::bundle::write::tree;
use everboot_storage::store;
use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Changes of an act up to which it is cut after each.
const MOST: usize = 24;
/// Boots after the first one: more than a trial has tries.
const MORE_BOOTS: usize = 6;
/// Of these, boots after which a machine whose trial is never confirmed stays where it is.
const SETTLED: usize = 4;

/// One verb, or one boot, of a story.
pub struct Act {
    /// The machine before it, with all that the test had done to it.
    pub before: Owned,
    /// The numbers of the files that were staged then.
    pub files: Vec<(String, MediumId)>,
    /// Where the test began it.
    pub at: &'static Location<'static>,
    /// What it changed.
    pub events: Vec<Event>,
}

/// The acts of a story; run again with power cuts when it is dropped.
#[derive(Default)]
pub struct Tape {
    pub acts: Vec<Act>,
    /// Disks that power cuts left.
    pub crashes: u64,
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.play(MOST);
        }
    }
}

impl Tape {
    /// Cuts every act that waits, one with more than `most` changes at a fixed stride. Panics when a promise is broken.
    pub fn play(&mut self, most: usize) {
        for act in std::mem::take(&mut self.acts) {
            self.crashes += act.cut_everywhere(most);
        }
    }
}

impl Act {
    fn cut_everywhere(&self, most: usize) -> u64 {
        let (before, mut crashes) = (self.before.machine.durable(), 0);
        let was = facts(&before);
        let stride = self.events.len().div_ceil(most).max(1);
        for cut in 0..=self.events.len() {
            if cut % stride != 0 && cut != self.events.len() {
                continue;
            }
            let mut timeline = Timeline::with_files(&before, &self.files);
            self.events[..cut].iter().for_each(|event| timeline.push(event));
            let open = timeline.open();
            for survives in SURVIVORS {
                let now = timeline.image(&survives.of(&open), 0);
                let checked = self.crash(&before, &was, &timeline, &now);
                if let Err(violation) = checked {
                    panic!(
                        "the act at {}, power cut after change {cut} of {}, {survives:?} survives: invariant_{}: {}",
                        self.at,
                        self.events.len(),
                        violation.invariant,
                        violation.what
                    );
                }
                crashes += 1;
            }
        }
        crashes
    }

    /// A disk that a cut left.
    fn crash(&self, before: &DurableState, was: &Facts, durable: &Timeline, now: &DurableState) -> Check {
        let is = facts(now);
        untouched(was, before, now)?;
        // What the test itself has spoilt is not held against the act.
        if invariant_eligible_slots_are_whole(was).is_ok() {
            invariant_eligible_slots_are_whole(&is)?;
        }
        if invariant_trailers_tell_the_truth(was).is_ok() {
            invariant_trailers_tell_the_truth(&is)?;
        }
        invariant_record_survives(&facts(&durable.durable()), &is)?;
        let key = mix(hash(&without_history(now)), self.place());
        if is_new(key) { self.recover(now, &is) } else { Ok(()) }
    }

    /// A number for all that a boot depends on beside the disk.
    fn place(&self) -> u64 {
        let Owned { machine, config, keys, formats, .. } = &self.before;
        let SimMachine { survey, kernel, dead, unbootable, has_staging, .. } = machine;
        hash_of(
            format!("{survey:?}{kernel:?}{dead:?}{unbootable:?}{has_staging}{config:?}{keys:?}{formats:?}")
                .as_bytes(),
        )
    }

    /// The machine with another disk.
    fn machine(&self, durable: &DurableState) -> Owned {
        let old = &self.before.machine;
        let mut machine = SimMachine::of(old.survey.clone(), durable);
        (machine.kernel, machine.dead) = (old.kernel.clone(), old.dead.clone());
        (machine.unbootable, machine.has_staging) = (old.unbootable.clone(), old.has_staging);
        let Owned { config, keys, formats, .. } = &self.before;
        let operator = SimOperator::of_patience(1);
        Owned { machine, config: config.clone(), keys: keys.clone(), operator, formats: *formats }
    }

    /// Whether nothing but the disk stands in the way of a boot.
    fn is_healthy(&self, was: &Facts) -> bool {
        let Owned { machine, keys, .. } = &self.before;
        let is_one = machine.survey.disks.len() == 1;
        // A boot does not write into the record of another disk.
        let is_own =
            was.record.as_ref().is_none_or(|(_, record)| record.disk == machine.survey.disks[0].guid);
        // An open image does not keep the bytes that it came with; an insecure one may be forbidden.
        let slots = was.record.iter().flat_map(|(_, record)| &record.slots);
        let is_other = slots.filter_map(|slot| slot.image.as_ref()).any(|image| image.open || image.insecure);
        is_own
            && !is_other
            && machine.dead.is_empty()
            && machine.unbootable.is_empty()
            && is_one
            && !keys.is_empty()
    }

    /// Whether the agent may save the record.
    fn is_understood(&self, now: &DurableState) -> bool {
        let loaded = store::load_with(&PageView::all(&now.parts[RECORD]), self.before.formats);
        !matches!(loaded.selection, Selection::Newer { .. })
    }

    /// The boot after a cut, and those after it.
    fn recover(&self, now: &DurableState, was: &Facts) -> Check {
        let mut world = self.machine(now);
        let outcome = world.boot();
        if !self.is_healthy(was) || !self.is_understood(now) {
            return Ok(());
        }
        let (entered, durable) = (entered(&outcome), world.machine.durable());
        let is = facts(&durable);
        invariant_no_strand(was, entered, || outcome.notes.join("; "))?;
        invariant_good_slot_needs_no_recovery(was, entered)?;
        invariant_proof_before_entry(entered, &is)?;
        untouched(was, now, &durable)?;
        invariant_good_stays_good_but_for_evidence(was, &is)?;
        invariant_attempts_are_durable(was, entered, &is)?;
        // A copy that cannot be read is left to the system that runs.
        invariant_redundancy_restored(&is, if unreadable(now) { was.copies } else { [true, true] })?;
        if !was.has_good() || !is_new(mix(mix(hash(&without_history(&durable)), self.place()), 1)) {
            return Ok(());
        }
        self.futures(world)
    }

    /// What comes after the first boot: a new system that confirms itself, and one that never does.
    fn futures(&self, after: Owned) -> Check {
        for confirms in [false, true] {
            let mut world = self.machine(&after.machine.durable());
            world.machine.entered = after.machine.entered;
            let (began, mut went) = (facts(&world.machine.durable()), Vec::new());
            for _ in 0..MORE_BOOTS {
                let good = |world: &Owned, slot: usize| facts(&world.machine.durable()).is_good(slot);
                if running(&world).is_some_and(|slot| confirms || good(&world, slot)) {
                    // A slot that was rejected refuses; the boots that follow show what that leads to.
                    let _ = flow::confirm(world.site());
                }
                let was = facts(&world.machine.durable());
                let outcome = world.boot();
                invariant_no_strand(&was, entered(&outcome), || outcome.notes.join("; "))?;
                went.push(running(&world));
            }
            let is = facts(&world.machine.durable());
            match confirms {
                true if is_unspoilt(&began) => invariant_progress(&began, &is, running(&world))?,
                true => {}
                false => invariant_bounded_rollback(&began, &is, &went, SETTLED)?,
            }
        }
        Ok(())
    }
}

fn running(world: &Owned) -> Option<usize> {
    world.machine.entered.and_then(|root| root.at.part.checked_sub(SLOT_A)).filter(|slot| *slot < 2)
}

fn entered(outcome: &Outcome) -> Option<Entered> {
    let after_recovery = outcome.reason == Reason::RecoveryRetry.to_string();
    let slot = match &outcome.destination {
        Destination::Root(_, root, _) => root.at.part.checked_sub(SLOT_A).filter(|slot| *slot < 2),
        Destination::RecoverySlot(..) => None,
        Destination::Recovery => return None,
    };
    Some(Entered { slot: slot.map(|slot| SlotId(slot as u8)), after_recovery })
}

/// [`invariant_good_stays_good`], where what is good can be booted: a story may have spoilt it.
fn invariant_good_stays_good_but_for_evidence(was: &Facts, is: &Facts) -> Check {
    if is_unspoilt(was) { invariant_good_stays_good(was, is) } else { Ok(()) }
}

/// Whether every slot that the record calls good can be booted: a story may have spoilt it, or filled it by other
/// means.
fn is_unspoilt(was: &Facts) -> bool {
    let Some((_, record)) = &was.record else { return true };
    record.ids().all(|(id, _)| !record.is_good(id) || was.is_good(id.index()))
}

/// Whether the medium does not give a copy of the record.
fn unreadable(durable: &DurableState) -> bool {
    let record = &durable.parts[RECORD];
    [0, record.count() - 1].iter().any(|page| record.page(*page) == &UNREADABLE)
}

/// [`invariant_known_good_untouched`], by all bytes up to the trailer.
fn untouched(was: &Facts, before: &DurableState, now: &DurableState) -> Check {
    invariant_known_good_untouched(was, |id| {
        let part = [SLOT_A, SLOT_B][id.index()];
        let trailer = before.parts[part].count() - 16;
        before.parts[part].equal_in(&now.parts[part], 0..trailer)
    })
}

/// Whether this process meets that state for the first time.
fn is_new(state: u64) -> bool {
    static SEEN: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(state)
}

/// What a disk says.
fn facts(durable: &DurableState) -> Facts {
    let slots = [&durable.parts[SLOT_A], &durable.parts[SLOT_B]];
    let trailer = |slot| read_trailer(&PageView::all(slot)).ok().flatten().map(Arc::new);
    Facts::new(BothCopies::of(&PageView::all(&durable.parts[RECORD])), slots.map(whole), slots.map(trailer))
}

/// The image that a slot's trailer names, when the slot holds it: its tree is made anew, and has to be there, and to
/// have the root hash that the manifest says.
fn whole(slot: &super::sim::pages::Pages) -> Option<ImageId> {
    static KNOWN: LazyLock<Mutex<HashMap<u64, Option<ImageId>>>> = LazyLock::new(Mutex::default);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known().get(&slot.hash()) {
        return *found;
    }
    let find = || {
        let trailer = read_trailer(&PageView::all(slot)).ok().flatten()?;
        let manifest = Manifest::parse(&trailer.signed.manifest).ok()?;
        let root = manifest.root();
        let layout = Layout::new(slot.len() as u64, root.size).ok()?;
        let mut image = vec![0; (layout.image_len + layout.tree_len) as usize];
        slot.read(0, &mut image).then_some(())?;
        let (image, there) = image.split_at(layout.image_len as usize);
        let (made, hash) = tree(image, &root.salt)?;
        (made == there && hash == root.root_hash).then(|| manifest.image_id())
    };
    let found = find();
    known().insert(slot.hash(), found);
    found
}
