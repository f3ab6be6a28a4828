//! The verbs of the running system as the flows carry them out: what they ask first, and each record that they save.

use super::state::{Space, bundle, number};
use everboot_core::config::{Assess, Policy};
use everboot_core::lifecycle::{self, MachineFacts, Refusal};
use everboot_core::manifest::compare_versions;
use everboot_core::record::{LastBoot, Record, Update};
use everboot_core::slot::{Image, SlotId, SlotObservation};
use std::fmt;

/// Small numbers, so that each counter comes to its end soon; hand-offs end later than tries.
pub const POLICY: Policy = Policy {
    tries: 1,
    handoffs: 2,
    apply_starts: 1,
    apply_starts_in_all: 2,
    assess: Assess::Always,
    strict: false,
};

/// What somebody may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Confirm,
    Reject(SlotId),
    Rollback {
        to: Option<SlotId>,
        force: bool,
    },
    Once {
        slot: SlotId,
        force: bool,
    },
    NotOnce,
    Cancel,
    /// The image with that number.
    Stage {
        image: u8,
        force: bool,
    },
    Prepare,
    Activate,
    /// The record was repaired while one copy could not be read.
    RepairRecord,
}

/// Why a verb did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum No {
    Refused(Refusal),
    /// The image has a lower version than the floor.
    BelowFloor,
}

impl From<Refusal> for No {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => why.fmt(f),
            Self::BelowFloor => f.write_str("the image has a lower version than the floor"),
        }
    }
}

/// All verbs.
pub fn all(Space { slots, images }: Space) -> Vec<Verb> {
    use Verb::{Activate, Cancel, Confirm, NotOnce, Once, Prepare, Reject, RepairRecord, Rollback, Stage};
    let mut verbs = vec![Confirm, NotOnce, Cancel, Prepare, Activate, RepairRecord];
    for force in [false, true] {
        verbs.push(Rollback { to: None, force });
        verbs.extend((1..=images).map(|image| Stage { image, force }));
        for slot in (0..slots as u8).map(SlotId) {
            verbs.push(Rollback { to: Some(slot), force });
            verbs.push(Once { slot, force });
        }
    }
    verbs.extend((0..slots as u8).map(|slot| Reject(SlotId(slot))));
    verbs
}

/// The record as a look finds it: what runs outweighs what was recorded.
pub fn seen_by(record: &Record, running: SlotId) -> Record {
    let mut record = record.clone();
    if record.last_boot.is_none_or(|boot| boot.slot != running) {
        record.last_boot = Some(LastBoot { slot: running, confirmed: false, fell_back: false });
    }
    record
}

/// Runs a verb where every slot can boot and the record can be saved. Each record that it saves, in order.
pub fn run(record: &Record, verb: Verb) -> Result<Vec<Record>, No> {
    run_beside(record, verb, &vec![SlotObservation::Present; record.slots.len()])
}

/// The same, where a look sees that of the slots.
pub fn run_beside(record: &Record, verb: Verb, seen: &[SlotObservation]) -> Result<Vec<Record>, No> {
    let can_boot = &|id: SlotId| seen[id.index()].can_enter();
    let one = |record| Ok(vec![record]);
    match verb {
        Verb::Confirm => one(confirm(record)?),
        Verb::Reject(slot) => one(lifecycle::reject(record, slot, can_boot)?),
        Verb::Rollback { to, force } => one(lifecycle::rollback(record, to, force, can_boot)?.0),
        Verb::Once { slot, force } => one(lifecycle::boot_once(record, slot, force)?),
        Verb::NotOnce => one(lifecycle::not_once(record)),
        Verb::Cancel => one(lifecycle::cancel(record)?),
        Verb::Stage { image, force } => stage(record, image, force, seen),
        Verb::Prepare => prepare(record, seen),
        Verb::Activate => one(lifecycle::activate(record, &POLICY, can_boot)?.0),
        Verb::RepairRecord => one(lifecycle::end_trial(record)?),
    }
}

/// The slot that a new image goes to, or why there is none.
fn place(record: &Record, seen: &[SlotObservation]) -> Result<SlotId, Refusal> {
    Ok(lifecycle::place(record, MachineFacts { is_configured: true, trouble: None, seen })?)
}

fn confirm(record: &Record) -> Result<Record, Refusal> {
    let lifecycle::Confirmation { mut record, slot, .. } = lifecycle::confirm(record)?;
    if record.is_good(slot) {
        let floor = record.slot(slot).image.as_ref().map_or(String::new(), floor);
        lifecycle::raise_floor(&mut record, &floor);
    }
    Ok(record)
}

/// The floor that the manifest of an image sets. One that filled its slot by other means has no manifest.
fn floor(image: &Image) -> String {
    if image.id.is_some() { format!("{}.0", number(image)) } else { String::new() }
}

fn stage(record: &Record, image: u8, force: bool, seen: &[SlotObservation]) -> Result<Vec<Record>, No> {
    let staged = bundle(image);
    if compare_versions(&staged.image.version, &record.floor).is_lt() {
        return Err(No::BelowFloor);
    }
    let next = lifecycle::stage(record, staged, force, &|id| seen[id.index()].can_enter())?;
    if next == *record {
        return Ok(vec![next]);
    }
    place(record, seen)?;
    // What the record names is not copied over.
    let unnamed = Record { update: Update::None, ..record.clone() };
    let is_another = record.update.bundle() != next.update.bundle();
    Ok(if is_another { vec![unnamed, next] } else { vec![next] })
}

fn prepare(record: &Record, seen: &[SlotObservation]) -> Result<Vec<Record>, No> {
    place(record, seen)?;
    let (writing, _) = lifecycle::begin_prepare(record, &|id| seen[id.index()].can_enter())?;
    let proven = lifecycle::prepared(&writing);
    Ok(vec![writing, proven])
}
