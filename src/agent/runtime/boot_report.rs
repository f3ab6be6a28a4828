//! `/run/everboot/boot.json`: what early boot reports to the system that it booted.

use super::text::list;
use crate::flow::{Destination, Outcome};
use crate::sys::{self, Roots};
use everboot_core::format_versions;
use everboot_core::record::Slot;
use everboot_core::slot::SlotState;
use serde::{Deserialize, Serialize};

/// Its file in the directory of the boot's facts; the name is part of the interface.
const NAME: &str = "boot.json";
/// The same for people, made by who knows it best: whoever reads it needs no parser, and may be older or
/// newer than the agent that booted.
const WORDS: &str = "why";

/// The facts. Keys are stable; new ones may come, and another everboot may have left out some.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
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
    /// What was wrong with the record before this boot wrote it anew.
    pub record_faults: Vec<String>,
    /// The format versions of the everboot that booted, as in `/usr/lib/everboot/formats`.
    pub formats: Vec<String>,
}

/// One step of the boot.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

    /// What the early boot of this system said; absent when everboot did not boot it.
    pub fn read(roots: &Roots) -> Option<Self> {
        Self::parse(&sys::read_fact(roots, NAME).ok()??)
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let slot = self.slot.as_deref().unwrap_or("recovery");
        let version = self.version.as_ref().map_or(String::new(), |version| format!(" (version {version})"));
        list(&mut out, "this boot", &[format!("{slot}{version}: {}", self.reason)], "");
        if let Some(tries) = self.tries_left {
            let unit = if tries == 1 { "try" } else { "tries" };
            list(
                &mut out,
                "trial",
                &[format!("{tries} {unit} left; `everboot confirm` keeps this version")],
                "",
            );
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
            record_faults: outcome.record_faults.clone(),
            formats: format_versions::ALL.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_another_everboot_is_read_as_far_as_it_is_known() {
        let report = BootReport::parse(
            r#"{"agent":"9","slot":null,"news":[{"a":1}],"formats":["record reads 1..2"]}"#,
        );
        let report = report.unwrap();
        assert_eq!((report.agent.as_str(), report.slot), ("9", None));
        assert_eq!(format_versions::RECORD.read_by(report.formats.iter().map(String::as_str)), Some(1..=2));
        assert!(BootReport::parse(r#"{"agent":"0.1"}"#).unwrap().formats.is_empty());
        assert!(BootReport::parse("").is_none());
    }

    #[test]
    fn what_is_written_reads_back() {
        let report = BootReport {
            agent: "1".into(),
            steps: vec![Step { name: "observe".into(), ms: 7 }],
            record_faults: vec!["the first copy is bad".into()],
            ..BootReport::default()
        };
        let read = BootReport::parse(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!((read.steps[0].ms, read.record_faults), (7, report.record_faults));
    }
}
