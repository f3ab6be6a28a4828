//! `/run/everboot/boot.json`: what the early boot tells the system that it booted.

use super::text::list;
use crate::flow::{Destination, Outcome};
use crate::sys::{self, Roots};
use everboot_core::record::Slot;
use everboot_core::slot::SlotState;
use serde::Serialize;

/// Its file in the directory of the boot's facts; the name is part of the interface.
const NAME: &str = "boot.json";
/// The same for people, made by who knows it best: whoever reads it needs no parser, and may be older or
/// newer than the agent that booted.
const WORDS: &str = "why";

/// The facts. Keys are stable; new ones may come.
#[derive(Debug, Clone, Serialize)]
pub struct BootReport {
    /// Version of the everboot that booted.
    pub agent: String,
    /// The slot; absent in recovery, and in the recovery slot.
    pub slot: Option<String>,
    /// The GUID of the partition of its root (PARTUUID).
    pub part: Option<String>,
    /// The version in it; absent when nobody said.
    pub version: Option<String>,
    /// Why that slot.
    pub reason: String,
    /// Attempts that are left after this one; absent when it is no trial.
    pub tries_left: Option<u8>,
    /// What was noticed on the way, oldest first.
    pub notes: Vec<String>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One step of the boot.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What.
    pub name: String,
    /// Milliseconds that it took.
    pub ms: u64,
}

impl BootReport {
    /// Writes it, so that a reader sees all of it or nothing.
    pub fn write(&self, roots: &Roots) -> Result<(), String> {
        let Ok(text) = serde_json::to_string(self) else { return Err("it has no JSON form".to_owned()) };
        sys::write_fact(roots, NAME, &text).map_err(|error| error.to_string())?;
        sys::write_fact(roots, WORDS, &self.text()).map_err(|error| error.to_string())?;
        match &self.part {
            Some(part) => sys::write_fact(roots, sys::ROOT_FACT, part).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// The words for this boot; absent when everboot did not boot this system.
    pub fn read_text(roots: &Roots) -> Option<String> {
        sys::read_fact(roots, WORDS).ok()?
    }

    /// Version of the everboot that booted this system; absent when none did.
    pub fn read_agent(roots: &Roots) -> Option<String> {
        let text = sys::read_fact(roots, NAME).ok()??;
        // Our own JSON: the key comes first, and a version has nothing to escape.
        let (_, rest) = text.split_once("\"agent\":\"")?;
        rest.split_once('"').map(|(version, _)| version.to_owned())
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let slot = self.slot.as_deref().unwrap_or("recovery");
        let version = self.version.as_ref().map_or(String::new(), |version| format!(" (version {version})"));
        list(&mut out, "this boot", &[format!("{slot}{version}: {}", self.reason)], "");
        if let Some(tries) = self.tries_left {
            let unit = if tries == 1 { "try" } else { "tries" };
            list(&mut out, "trial", &[format!("{tries} {unit} left; `everboot confirm` ends it well")], "");
        }
        list(&mut out, "noticed", &self.notes, "nothing");
        let steps: Vec<_> = self.steps.iter().map(|step| format!("{} {} ms", step.name, step.ms)).collect();
        list(&mut out, "took", &[format!("{} (everboot {})", steps.join(", "), self.agent)], "");
        out
    }

    /// The report of an outcome. `before` is what happened before the flow began.
    pub fn new<H>(outcome: &Outcome<H>, before: &[(&'static str, u64)], notes: &[String]) -> Self {
        let slot = match &outcome.destination {
            Destination::Root(id, ..) => Some(outcome.record.slot(*id)),
            Destination::RecoverySlot(..) | Destination::Recovery => None,
        };
        let tries_left = match slot.map(|slot| slot.state) {
            Some(SlotState::Trial { tries_left, handoffs_left }) => Some(tries_left.min(handoffs_left)),
            _ => None,
        };
        let step = |(name, ms): &(&'static str, u64)| Step { name: (*name).to_owned(), ms: *ms };
        Self {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            slot: slot.map(|slot| slot.name.to_string()),
            part: outcome.partition.map(|partition| partition.to_string()),
            version: slot.and_then(Slot::version).map(str::to_owned),
            reason: outcome.reason.clone(),
            tries_left,
            notes: notes.iter().chain(&outcome.notes).cloned().collect(),
            steps: before.iter().chain(&outcome.steps).map(step).collect(),
        }
    }
}
