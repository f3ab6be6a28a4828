//! `doctor`: the findings of disks, settings and machine, in words and as JSON.

use super::boot_report::BootReport;
use super::exit::{Answer, Exit, Failure};
use super::session::Session;
use everboot_agent::flow::{self, Finding, Host};
use everboot_agent::machine::Machine;
use everboot_agent::sys;
use serde::Serialize;
use std::fmt::Write;

/// What `doctor --json` prints, in one line. Keys are stable; new ones may come.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// Version of this everboot.
    version: &'static str,
    /// Whether nothing needs to be done.
    sound: bool,
    /// Whether the machine itself was looked at, and not only a disk image.
    machine: bool,
    findings: &'a [Finding],
}

/// Looks at everything.
pub(crate) fn doctor(session: &mut Session, is_file: bool, as_json: bool) -> Result<Answer, Failure> {
    let mut found = std::mem::take(&mut session.complaints);
    flow::examine(session.site(), &mut found);
    if !is_file {
        host(session.site().machine.kernel_release()).check(&mut found);
    }
    let findings = &found.0[..];
    let sound = !findings.iter().any(|finding| finding.fault);
    let report = Report { version: env!("CARGO_PKG_VERSION"), sound, machine: !is_file, findings };
    let text = if as_json { super::run::json(&report)?.text } else { report.text() };
    Ok(Answer { text, exit: if sound { Exit::Done } else { Exit::Unsound } })
}

impl Report<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        for Finding { fault, text, .. } in self.findings {
            let level = if *fault { "fault" } else { "note" };
            let _ = writeln!(out, "{level}: {text}");
        }
        if !self.machine {
            out.push_str("not looked at with --disk: this boot, kernel command line, watchdog, initramfs\n");
        }
        out.push_str(if self.sound { "nothing needs to be done\n" } else { "the faults need attention\n" });
        out
    }
}

fn host(release: Option<String>) -> Host {
    Host {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command_line: sys::kernel_command_line(),
        booted_by: BootReport::read_agent(),
        has_watchdog: sys::has_watchdog(),
        initramfs: release.and_then(|release| sys::initramfs(&release)),
    }
}
