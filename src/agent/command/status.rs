//! `status`: the facts, gathered once and shown in two ways.

use super::history::Event;
use crate::flow::{StagingReport, Status};
use everboot_core::decide::{Decision, Target};
use everboot_core::lifecycle::Blocked;
use everboot_core::record::{BadCopy, Record, Slot, Update};
use everboot_core::slot::{Part, SlotId, SlotState};
use serde::Serialize;

/// What `status --json` prints, in one line. Keys are stable: none is renamed or dropped, new ones may come.
/// What is not known is `null`.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// Version of this everboot.
    pub(crate) version: &'static str,
    /// The machine type, from the configuration.
    pub(crate) compatible: String,
    /// Name of the slot that boots when nothing is due.
    pub(crate) default: Option<String>,
    /// Name of the slot whose system runs; of a disk image in a file, of the latest hand-off.
    pub(crate) booted: Option<String>,
    /// Whether the system that runs there was confirmed in this very boot.
    pub(crate) confirmed: bool,
    /// The slots, in the order of the record.
    pub(crate) slots: Vec<SlotFacts>,
    /// What is staged.
    pub(crate) update: UpdateFacts,
    /// The record.
    pub(crate) record: RecordFacts,
    /// What is wrong with the record.
    pub(crate) trouble: Option<String>,
    /// The decision of the next boot, as things are.
    pub(crate) next_boot: NextBoot,
    /// Name of the good slot that a rollback would return to.
    pub(crate) rollback: Option<String>,
    /// Name of the slot that the next boot, and only the next, goes to.
    pub(crate) once: Option<String>,
    /// Name of the slot that the next image would go to.
    pub(crate) next_target: Option<String>,
    /// Whether this machine takes no new image now.
    pub(crate) blocked: bool,
    /// Why: a code of `everboot_core::lifecycle::place`.
    pub(crate) blocked_code: Option<&'static str>,
    /// The same for a reader.
    pub(crate) blocked_reason: Option<String>,
    /// What is wrong with the staging area.
    pub(crate) staging_trouble: Option<String>,
    /// What happened last, oldest first.
    pub(crate) history: Vec<Event>,
}

/// A slot.
#[derive(Debug, Serialize)]
pub struct SlotFacts {
    pub(crate) name: String,
    /// `empty`, `writing`, `proven`, `trial`, `good`, `bad` or, when only a newer everboot knows it, `other`.
    pub(crate) state: &'static str,
    /// Why it is bad, or comes behind others.
    pub(crate) reason: Option<String>,
    pub(crate) tries_left: Option<u8>,
    pub(crate) handoffs_left: Option<u8>,
    pub(crate) version: Option<String>,
    /// Its image id, 64 hexadecimal digits; null for a slot that was filled by other means.
    pub(crate) image: Option<String>,
    /// Whether its root is mounted writable.
    pub(crate) open: Option<bool>,
    /// Whether no trusted key had signed its image.
    pub(crate) insecure: bool,
    pub(crate) default: bool,
    pub(crate) booted: bool,
    /// Generation of its confirmed mark: higher is later, 0 is never.
    pub(crate) confirmed: u64,
    /// What it is made of, in the order of the record.
    pub(crate) parts: Vec<PartFacts>,
    /// Whether its trailer names the image that the record names; null where the record names none.
    pub(crate) trailer_ok: Option<bool>,
    /// Whether the boot would enter it, were its state one that boots.
    pub(crate) can_boot: bool,
    /// Why not, or why only when nothing else is left.
    pub(crate) boot_fault: Option<String>,
}

/// A part of a slot.
#[derive(Debug, Serialize)]
pub struct PartFacts {
    pub(crate) name: String,
    /// PARTUUID; null when neither record nor disk names one.
    pub(crate) partition: Option<String>,
    /// The disk that it is on; null when the partition is not there.
    pub(crate) disk: Option<String>,
    /// Bytes.
    pub(crate) size: Option<u64>,
}

/// The update.
#[derive(Debug, Serialize)]
pub struct UpdateFacts {
    /// `none`, `staged`, `preparing`, `due`, `kept` or, when only a newer everboot knows it, `other`.
    pub(crate) state: &'static str,
    pub(crate) version: Option<String>,
    /// Whether no trusted key had signed it.
    pub(crate) insecure: bool,
    /// Its image id.
    pub(crate) image: Option<String>,
    /// Name of the slot that is being, or will be, written.
    pub(crate) target: Option<String>,
    /// Starts of the early apply that are left.
    pub(crate) starts_left: Option<u8>,
    /// Those that are left whatever they prove.
    pub(crate) starts_left_in_all: Option<u8>,
    /// Whether a bundle is in the staging area; null when that cannot be seen.
    pub(crate) bundle: Option<bool>,
}

/// The record.
#[derive(Debug, Serialize)]
pub struct RecordFacts {
    /// 0 when it was made from the slots.
    pub(crate) generation: u64,
    /// The first and the last copy: `good`, or what is wrong with it.
    pub(crate) copies: [String; 2],
    /// What was wrong with it before the boot of this system wrote it anew; empty with `--disk`.
    pub(crate) boot_found: Vec<String>,
    /// GUID of the disk.
    pub(crate) disk: String,
    /// Images that are not tried again.
    pub(crate) bad_images: Vec<String>,
    /// The lowest version that may come onto the machine; empty when there is none.
    pub(crate) floor: String,
    pub(crate) recovery_rounds: u8,
}

/// The next boot.
#[derive(Debug, Serialize)]
pub struct NextBoot {
    /// `boot`, `apply`, `recovery-slot` or `recovery`.
    pub(crate) target: &'static str,
    /// Name of the slot.
    pub(crate) slot: Option<String>,
    pub(crate) reason: String,
}

/// The name of a slot.
pub(crate) fn name(record: &Record, id: SlotId) -> String {
    record.slot(id).name.to_string()
}

impl NextBoot {
    /// Of a decision.
    pub(crate) fn new(decision: &Decision) -> Self {
        let (target, slot) = match decision.target {
            Target::Boot(id) => ("boot", Some(id)),
            Target::Apply(id) => ("apply", Some(id)),
            Target::RecoverySlot => ("recovery-slot", None),
            Target::Recovery { .. } => ("recovery", None),
        };
        let slot = slot.map(|id| name(&decision.record, id));
        Self { target, slot, reason: decision.reason.to_string() }
    }
}

impl StatusReport {
    /// Gathers.
    pub(crate) fn new(compatible: &str, status: &Status) -> Self {
        let record = &status.record;
        let named = |id: SlotId| name(record, id);
        let (bundle, staging_trouble) = match &status.staging {
            StagingReport::Open { bundle } => (Some(*bundle), None),
            StagingReport::Unavailable(why) => (None, Some(why.clone())),
        };
        let copy = |fault: &Option<BadCopy>| fault.as_ref().map_or("good".to_owned(), ToString::to_string);
        let recent = status.history.len().saturating_sub(HISTORY);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            compatible: compatible.to_owned(),
            default: record.default.map(named),
            booted: record.last_boot.map(|boot| named(boot.slot)),
            confirmed: record.last_boot.is_some_and(|boot| boot.confirmed),
            slots: record.ids().map(|(id, slot)| slot_facts(status, id, slot)).collect(),
            update: update_facts(record, bundle),
            record: RecordFacts {
                generation: status.generation,
                copies: [copy(&status.faults[0]), copy(&status.faults[1])],
                boot_found: Vec::new(),
                disk: record.disk.to_string(),
                bad_images: record.bad_images.iter().map(ToString::to_string).collect(),
                floor: record.floor.clone(),
                recovery_rounds: record.recovery_rounds,
            },
            trouble: status.trouble.clone(),
            next_boot: NextBoot::new(&status.decision),
            once: record.once.map(named),
            rollback: everboot_core::lifecycle::rollback(record, None, false, &|id| status.can_boot(id))
                .ok()
                .map(|(_, id)| named(id)),
            next_target: status.next_target.as_ref().ok().map(|id| named(*id)),
            blocked: status.next_target.is_err(),
            blocked_code: status.next_target.as_ref().err().map(Blocked::code),
            blocked_reason: status.next_target.as_ref().err().map(ToString::to_string),
            staging_trouble,
            history: status.history[recent..].iter().map(Event::new).collect(),
        }
    }
}

impl StatusReport {
    /// Says what runs now, whatever the record has of an earlier boot: a slot or none, and whether it was confirmed.
    pub(crate) fn set_running(&mut self, slot: Option<&str>, is_confirmed: bool) {
        self.booted = slot.map(str::to_owned);
        self.confirmed &= slot.is_some() && is_confirmed;
        self.slots.iter_mut().for_each(|seen| seen.booted = slot == Some(&*seen.name));
    }
}

/// Entries of the history that are shown.
const HISTORY: usize = 5;

fn slot_facts(status: &Status, id: SlotId, slot: &Slot) -> SlotFacts {
    let report = &status.slots[id.index()];
    let (tries_left, handoffs_left) = match slot.state {
        SlotState::Trial { tries_left, handoffs_left } => (Some(tries_left), Some(handoffs_left)),
        _ => (None, None),
    };
    SlotFacts {
        name: slot.name.to_string(),
        state: state_word(slot.state),
        reason: match slot.state {
            SlotState::Bad { reason } => Some(reason.to_string()),
            SlotState::Other(_) => Some(slot.state.to_string()),
            _ if everboot_core::lifecycle::below_floor(&status.record, id) => {
                Some("below the floor".to_owned())
            }
            _ => None,
        },
        tries_left,
        handoffs_left,
        version: slot.version().map(str::to_owned),
        image: slot.image_id().map(|id| id.to_string()),
        open: slot.image.as_ref().map(|image| image.open),
        insecure: slot.image.as_ref().is_some_and(|image| image.insecure),
        default: status.record.default == Some(id),
        booted: status.record.last_boot.is_some_and(|boot| boot.slot == id),
        confirmed: slot.confirmed,
        parts: slot
            .parts
            .iter()
            .zip(&report.parts)
            .map(|(part, seen)| part_facts(status, part, seen))
            .collect(),
        trailer_ok: report.trailer,
        can_boot: report.seen.seen.can_enter(),
        boot_fault: Some(report.seen.why.clone()).filter(|why| !why.is_empty()),
    }
}

fn part_facts(status: &Status, part: &Part, seen: &Option<(String, u64)>) -> PartFacts {
    let is_known = status.generation > 0 || seen.is_some();
    PartFacts {
        name: part.name.to_string(),
        partition: part.location.partition().filter(|_| is_known).map(|guid| guid.to_string()),
        disk: seen.as_ref().map(|(disk, _)| disk.clone()),
        size: seen.as_ref().map(|(_, size)| *size),
    }
}

fn state_word(state: SlotState) -> &'static str {
    match state {
        SlotState::Empty => "empty",
        SlotState::Writing => "writing",
        SlotState::Proven => "proven",
        SlotState::Trial { .. } => "trial",
        SlotState::Good => "good",
        SlotState::Bad { .. } => "bad",
        SlotState::Other(_) => "other",
    }
}

fn update_facts(record: &Record, bundle: Option<bool>) -> UpdateFacts {
    let (state, starts) = match &record.update {
        Update::None => ("none", None),
        Update::Staged(_) => ("staged", None),
        Update::Preparing { .. } => ("preparing", None),
        Update::Due { starts_left, starts_left_in_all, .. } => {
            ("due", Some((*starts_left, *starts_left_in_all)))
        }
        Update::Kept(_) => ("kept", None),
        Update::Other { .. } => ("other", None),
    };
    let image = record.update.bundle().map(|bundle| &bundle.image);
    UpdateFacts {
        state,
        version: image.map(|image| image.version.clone()),
        insecure: image.is_some_and(|image| image.insecure),
        image: image.and_then(|image| image.id).map(|id| id.to_string()),
        target: record.update.target().map(|id| name(record, id)),
        starts_left: starts.map(|(left, _)| left),
        starts_left_in_all: starts.map(|(_, in_all)| in_all),
        bundle,
    }
}
