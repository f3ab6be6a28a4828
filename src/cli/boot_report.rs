//! `/run/everboot/boot.json`: what the early boot tells the system that it booted.

use everboot::flow::{Destination, Outcome};
use everboot::slot::SlotState;
use everboot::sys;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Its file in the directory of the boot's facts; the name is part of the interface.
const NAME: &str = "boot.json";

/// The facts. Keys are stable; new ones may come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BootReport {
    /// Version of the everboot that booted.
    pub(crate) agent: String,
    /// The slot; absent in recovery.
    pub(crate) slot: Option<String>,
    /// The version in it; absent when nobody said.
    pub(crate) version: Option<String>,
    /// Why that slot.
    pub(crate) reason: String,
    /// Attempts that are left after this one; absent when it is no trial.
    pub(crate) tries_left: Option<u8>,
    /// What was noticed on the way, oldest first.
    pub(crate) notes: Vec<String>,
    /// What was done, in order.
    pub(crate) steps: Vec<Step>,
}

/// One step of the boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    /// What.
    pub(crate) name: String,
    /// Milliseconds that it took.
    pub(crate) ms: u64,
}

impl BootReport {
    /// Writes it, so that a reader sees all of it or nothing.
    pub(crate) fn write(&self) -> Result<(), String> {
        let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
        sys::write_fact(Path::new(sys::BOOT_FACTS), NAME, &text).map_err(|error| error.to_string())
    }

    /// Reads that of this boot; absent when everboot did not boot this system.
    pub(crate) fn read() -> Option<Self> {
        let text = sys::read_fact(Path::new(sys::BOOT_FACTS), NAME).ok()??;
        serde_json::from_str(&text).ok()
    }

    /// The report of an outcome. `before` is what happened before the flow began.
    pub(crate) fn new(outcome: &Outcome, before: &[(&'static str, u64)], notes: &[String]) -> Self {
        let slot = match &outcome.destination {
            Destination::Root(id, _) => Some(outcome.record.slot(*id)),
            Destination::Recovery => None,
        };
        let image = slot.and_then(|slot| slot.image.as_ref());
        let version = image.map(|image| image.version.clone()).filter(|version| !version.is_empty());
        let tries_left = match slot.map(|slot| slot.state) {
            Some(SlotState::Trial { tries_left, handoffs_left }) => Some(tries_left.min(handoffs_left)),
            _ => None,
        };
        let step = |(name, ms): &(&'static str, u64)| Step { name: (*name).to_owned(), ms: *ms };
        Self {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            slot: slot.map(|slot| slot.name.to_string()),
            version,
            reason: outcome.reason.clone(),
            tries_left,
            notes: notes.iter().chain(&outcome.notes).cloned().collect(),
            steps: before.iter().chain(&outcome.steps).map(step).collect(),
        }
    }
}
