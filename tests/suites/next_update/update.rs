//! The next good version on a machine at which nobody sits: it boots, confirms itself, and installs.

use super::boots::all_present;
use super::state::{NEXT, number};
use super::verbs::{POLICY, Verb, run_beside, seen_by};
use everboot_core::decide::{Observation, SlotObservation, Target, decide};
use everboot_core::lifecycle;
use everboot_core::record::Record;
use everboot_core::slot::{RootFault, SlotId};

/// More boots than any machine needs.
const BOOTS: usize = 12;

/// What is the matter with one slot for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasting {
    /// Its trailer is damaged, until it is written.
    Trailer,
    /// Its file system is, until it is written.
    FileSystem,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The new version is good and the default.
    Taken,
    /// No slot was entered: the machine waits in recovery.
    NothingBoots,
    /// What was answered to each attempt.
    Stuck(Vec<String>),
}

/// Whether a machine that is off takes the next good version.
pub fn takes_the_next(record: &Record, lasting: Option<(SlotId, Lasting)>) -> Outcome {
    let (mut record, mut lasting, mut answers) = (record.clone(), lasting, Vec::new());
    for _ in 0..BOOTS {
        let Some(running) = boot(&mut record, &mut lasting) else { return Outcome::NothingBoots };
        record = seen_by(&record, running);
        for verb in [Verb::Confirm, Verb::Stage { image: NEXT, force: false }, Verb::Activate] {
            if holds_next(&record) {
                return Outcome::Taken;
            }
            match run_beside(&record, verb, &look(&record, lasting)) {
                Ok(saved) => record = saved.last().unwrap_or(&record).clone(),
                Err(why) => answers.push(format!("{verb:?}: {why}")),
            }
        }
    }
    answers.dedup();
    Outcome::Stuck(answers)
}

/// Whether the new version is the good default.
fn holds_next(record: &Record) -> bool {
    let is_next = |id: &SlotId| record.slot(*id).image.as_ref().is_some_and(|image| number(image) == NEXT);
    record.default.filter(is_next).is_some_and(|id| record.is_good(id))
}

/// A boot that nothing is wrong with: the slot that runs then.
pub fn boot_well(record: &mut Record) -> Option<SlotId> {
    boot(record, &mut None)
}

/// A boot that meets nothing but what lasts: the slot that runs then.
fn boot(record: &mut Record, lasting: &mut Option<(SlotId, Lasting)>) -> Option<SlotId> {
    let fresh =
        |record: &Record, lasting| Observation { slots: look(record, lasting), ..all_present(record) };
    let mut seen = fresh(record, *lasting);
    loop {
        let decision = decide(record, &seen, &POLICY);
        *record = decision.record;
        match decision.target {
            Target::Boot(id) => {
                let what = lasting.filter(|(slot, _)| *slot == id).map(|(_, what)| what);
                // Recovery asks for no trailer, but there has to be something to enter.
                if record.slot(id).image.is_some() && what != Some(Lasting::FileSystem) {
                    return Some(id);
                }
                seen.slots[id.index()] = SlotObservation::Failed(RootFault::NotMountable);
            }
            Target::Apply(id) => {
                *record = lifecycle::applied(&lifecycle::begin_apply(record), &POLICY);
                *lasting = lasting.filter(|(slot, _)| *slot != id);
                seen.slots = look(record, *lasting);
            }
            Target::Recovery { .. } if !seen.recovery_waited => {
                seen = Observation { recovery_waited: true, ..fresh(record, *lasting) };
            }
            Target::Recovery { .. } | Target::RecoverySlot => return None,
        }
    }
}

/// What a look sees of the slots: of a damaged file system nothing.
fn look(record: &Record, lasting: Option<(SlotId, Lasting)>) -> Vec<SlotObservation> {
    let seen = |id| match lasting {
        Some((damaged, Lasting::Trailer)) if damaged == id => SlotObservation::Failed(RootFault::Unproven),
        _ => SlotObservation::Present,
    };
    record.ids().map(|(id, _)| seen(id)).collect()
}
