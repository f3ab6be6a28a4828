//! What `doctor` found, in words and as JSON.

use crate::flow::Finding;
use serde::Serialize;
use std::fmt::Write;

/// What `doctor --json` prints, in one line. Keys are stable; new ones may come.
#[derive(Debug, Serialize)]
pub struct HealthReport {
    /// Version of this everboot.
    version: &'static str,
    /// Whether nothing needs to be done.
    pub(crate) sound: bool,
    /// Whether the machine itself was looked at, and not only its disks.
    machine: bool,
    findings: Vec<Finding>,
}

impl HealthReport {
    /// Of findings; `machine` when they are also of the machine that runs.
    pub(crate) fn new(findings: Vec<Finding>, machine: bool) -> Self {
        let sound = !findings.iter().any(|finding| finding.fault);
        Self { version: env!("CARGO_PKG_VERSION"), sound, machine, findings }
    }

    /// The lines.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for Finding { fault, text, .. } in &self.findings {
            let level = if *fault { "fault" } else { "note" };
            let _ = writeln!(out, "{level}: {text}");
        }
        if !self.machine {
            out.push_str("not looked at: this boot, kernel command line, watchdog, initramfs\n");
        }
        out.push_str(if self.sound { "nothing needs to be done\n" } else { "the faults need attention\n" });
        out
    }
}
