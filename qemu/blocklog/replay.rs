//! Checks a crash image: the agent boots it, and every promise is checked against what it left.
//!
//! Boots of most images end in one of few states. What may come after such a state is played through once:
//! another boot; the new system confirms; it never does; the update is brought to its end.

use super::agent::{Ending, WorkingCopy};
use super::disk::decisive;
use super::invariants::{self, Boot, Disk};
use super::known::{Known, NEW};
use super::partitions::Partitions;
use super::recording::Recording;
use super::staging::{Staged, StagingCache};
use anyhow::Result;
use everboot_agent::flow::STAGED;
use everboot_core::record::Update;
use everboot_core::slot::{SlotId, SlotState};
use everboot_kit::invariants::{
    invariant_bounded_rollback, invariant_named_bundle_is_there, invariant_quiescent,
    invariant_update_finishes,
};
use everboot_kit::sim::pages::{Pages, mix};
use everboot_kit::violation::{Violation, hold};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::{Mutex, PoisonError};

/// Boots of a new system that never confirms itself, beyond its tries.
const MORE_BOOTS: usize = 3;

/// What all oracles of a recording share.
#[derive(Debug)]
pub struct RecordingContext<'a> {
    /// The recording.
    pub recording: &'a Recording,
    /// What may be in the slots.
    pub known: Known,
    /// The bundle of the new version.
    pub bundle: Vec<u8>,
    /// States after a first boot whose futures were all right.
    futures: Mutex<HashSet<u64>>,
}

/// A crash image to be checked.
#[derive(Debug)]
pub struct Case<'a> {
    /// What was durable.
    pub durable: &'a Disk,
    /// What there would be if nothing had been lost.
    pub live: &'a Disk,
    /// The disk that is booted.
    pub image: Pages,
    /// Whether each sector is old or new. Else a file system may be lost, and with it what was staged.
    pub is_sound: bool,
    /// Whether flushes kept what they promised. Else the machine still has to come up, and no more.
    pub is_believed: bool,
}

/// Where the first boot went.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    /// The slot.
    pub slot: usize,
    /// The version in it.
    pub version: usize,
    /// What the agent said.
    pub output: String,
    /// Whether the staging area could be read.
    pub has_staging: bool,
}

/// Why an image did not pass: a promise was broken, or the test bed failed.
#[derive(Debug)]
pub enum ReplayFailure {
    /// A promise.
    Broken(Violation),
    /// The test bed.
    Harness(anyhow::Error),
}

impl From<Violation> for ReplayFailure {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

impl From<anyhow::Error> for ReplayFailure {
    fn from(error: anyhow::Error) -> Self {
        Self::Harness(error)
    }
}

impl<'a> RecordingContext<'a> {
    /// For one recording.
    pub fn new(recording: &'a Recording) -> Result<Self> {
        let known = Known::of(recording)?;
        let bundle = fs::read(&recording.bundle)?;
        Ok(Self { recording, known, bundle, futures: Mutex::default() })
    }

    /// A disk, looked at.
    pub fn disk(&self, pages: Pages) -> Disk {
        let facts = self.known.facts(&pages, &self.recording.parts);
        Disk { pages, facts }
    }

    /// Whether the slot that the update takes holds an image before it, which the record calls good.
    pub fn has_oldest(&self) -> bool {
        let is = self.disk(self.recording.before.clone()).facts;
        let other = SlotId(1 - self.recording.old as u8);
        is.whole[other.index()].is_some() && is.record.is_some_and(|(_, record)| record.is_good(other))
    }

    fn parts(&self) -> &Partitions {
        &self.recording.parts
    }
}

/// An oracle, with a working copy of its own.
#[derive(Debug)]
pub struct Oracle<'a> {
    context: &'a RecordingContext<'a>,
    /// The working copy in which it boots the images.
    pub copy: WorkingCopy,
    cache: StagingCache,
    /// Staging areas that were looked at, and whether they hold the bundle.
    view: HashMap<u64, bool>,
}

impl<'a> Oracle<'a> {
    /// An oracle.
    pub fn new(context: &'a RecordingContext<'a>, copy: WorkingCopy, cache: StagingCache) -> Self {
        Self { context, copy, cache, view: HashMap::new() }
    }

    /// Boots an image, and what follows.
    pub fn check(&mut self, case: &Case<'_>) -> Result<Outcome, ReplayFailure> {
        let (context, parts) = (self.context, self.context.parts());
        let is = context.disk(case.image.clone());
        if case.is_believed {
            invariants::check_image(case.durable, case.live, &is, parts, &context.known)?;
        }
        let staged = self.cache.staged(&case.image, parts.data)?;
        let has_bundle = self.has_bundle(&staged)?;
        if case.is_sound {
            invariant_named_bundle_is_there(&is.facts, |_| has_bundle)?;
        }
        self.copy.put(&case.image, &staged)?;
        let (after, ending, entered) =
            if case.is_believed { self.boot(&is)? } else { self.unsure_boot(&is)? };
        let outcome = Outcome {
            slot: entered.index(),
            version: context.known.version(after.facts.whole[entered.index()]).unwrap_or(usize::MAX),
            output: ending.output.trim().to_owned(),
            has_staging: matches!(staged, Staged::Files(..)),
        };
        let key = mix(decisive(&after.pages, parts), staged.hash());
        if !case.is_believed {
            return Ok(outcome);
        }
        let known = || context.futures.lock().unwrap_or_else(PoisonError::into_inner);
        if !known().contains(&key) {
            self.futures(&after, entered, &staged, has_bundle)?;
            known().insert(key);
        }
        Ok(outcome)
    }

    fn has_bundle(&mut self, staged: &Staged) -> Result<bool> {
        let Staged::Files(folder, hash) = staged else { return Ok(false) };
        if let Some(known) = self.view.get(hash) {
            return Ok(*known);
        }
        let file = folder.join(STAGED);
        let has = file.exists() && fs::read(file)? == self.context.bundle;
        self.view.insert(*hash, has);
        Ok(has)
    }

    /// One boot of what is in the working copy.
    fn boot(&mut self, was: &Disk) -> Result<(Disk, Ending, SlotId), ReplayFailure> {
        let ending = self.copy.run(&["boot"])?;
        let is = self.context.disk(self.copy.look()?);
        let (parts, known) = (self.context.parts(), &self.context.known);
        invariants::check_boot(&Boot { was, is: &is, ending: &ending, parts, known })?;
        let entered = invariants::entered(&was.facts, &ending, parts)?;
        Ok((is, ending, entered))
    }

    /// One boot of a disk that had lied.
    fn unsure_boot(&mut self, was: &Disk) -> Result<(Disk, Ending, SlotId), ReplayFailure> {
        let ending = self.copy.run(&["boot"])?;
        let is = self.context.disk(self.copy.look()?);
        let (parts, known) = (self.context.parts(), &self.context.known);
        let boot = Boot { was, is: &is, ending: &ending, parts, known };
        let entered = invariants::check_unsure_boot(&boot)?;
        Ok((is, ending, entered))
    }

    /// A verb of the running system, which must do what it is asked for.
    fn verb(&mut self, words: &[&str]) -> Result<(), ReplayFailure> {
        let ending = self.copy.run(words)?;
        let done = ending.code == Some(0);
        hold(done, "verbs_do_what_they_are_asked_for", || {
            format!("{words:?}: {}{}", ending.output, ending.errors)
        })?;
        Ok(())
    }

    fn look(&mut self) -> Result<Disk, ReplayFailure> {
        Ok(self.context.disk(self.copy.look()?))
    }

    /// All that may come after the first boot.
    fn futures(
        &mut self,
        after: &Disk,
        entered: SlotId,
        staged: &Staged,
        has_bundle: bool,
    ) -> Result<(), ReplayFailure> {
        self.another_boot(after)?;
        let Some((_, record)) = &after.facts.record else { return Ok(()) };
        if matches!(record.slot(entered).state, SlotState::Trial { .. }) {
            self.copy.put(&after.pages, staged)?;
            self.never_confirmed(after)?;
        }
        if has_bundle || matches!(record.slot(entered).state, SlotState::Trial { .. }) {
            self.copy.put(&after.pages, staged)?;
            self.finish(after)?;
        }
        Ok(())
    }

    fn another_boot(&mut self, after: &Disk) -> Result<(), ReplayFailure> {
        let (is, ..) = self.boot(after)?;
        invariant_quiescent(&after.facts, invariants::written(after, &is, self.context.parts()))?;
        Ok(())
    }

    fn never_confirmed(&mut self, after: &Disk) -> Result<(), ReplayFailure> {
        let mut was = after.clone();
        let mut went = Vec::new();
        let tries = self.context.recording.tries;
        for _ in 0..tries + MORE_BOOTS {
            let (is, _, entered) = self.boot(&was)?;
            went.push(Some(entered.index()));
            was = is;
        }
        invariant_bounded_rollback(&after.facts, &was.facts, &went, tries)?;
        let last = went.last().copied().flatten().and_then(|slot| was.facts.whole[slot]);
        invariants::invariant_rollback_ends_in_the_old_version(last, &self.context.known)?;
        Ok(())
    }

    /// Nothing interrupts any more: the running system goes on where the record says that it stands.
    fn finish(&mut self, after: &Disk) -> Result<(), ReplayFailure> {
        let mut did = Vec::new();
        let mut was = after.clone();
        for _ in 0..4 {
            let Some((_, record)) = was.facts.record.clone() else { break };
            let proven = record.slots.iter().any(|slot| slot.state == SlotState::Proven);
            let words: &[&str] = match &record.update {
                _ if record.trial().is_some() && record.last_boot.map(|boot| boot.slot) == record.trial() => {
                    &["confirm"]
                }
                _ if record.trial().is_some() => &[],
                Update::Due { .. } => &[],
                Update::Kept(_) if proven => &["activate"],
                // The slot that runs is confirmed first, so that the other good one may be written.
                Update::Staged(_) | Update::Preparing { .. } if !did.contains(&"prepare") => &["prepare"],
                _ => break,
            };
            if words == ["prepare"] {
                self.verb(&["confirm"])?;
            }
            if words.is_empty() {
                self.boot(&was)?;
            } else {
                self.verb(words)?;
            }
            did.push(words.first().unwrap_or(&"boot"));
            was = self.look()?;
        }
        if did.is_empty() {
            return Ok(());
        }
        invariant_update_finishes(&was.facts, self.context.known.image(NEW), &did.join(", "))?;
        let (is, ..) = self.boot(&was)?;
        invariant_quiescent(&was.facts, invariants::written(&was, &is, self.context.parts()))?;
        Ok(())
    }
}
