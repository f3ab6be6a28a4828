//! `doctor`: disks and settings everywhere, and in the running system the machine itself.

use super::answer::{Answer, Exit, Outcome, VerbOutput};
use super::health::HealthReport;
use super::session::Session;
use crate::flow::{self, Findings, Host};
use crate::machine::Machine;
use crate::runtime::boot_report::BootReport;
use crate::sys::{self, Roots};

/// The checks of the machine that runs.
pub type HostChecks = fn(&Roots, &mut Session, &mut Findings);

/// Looks at everything; at the machine itself where there are checks for it.
pub(crate) fn doctor(roots: &Roots, session: &mut Session, host: Option<HostChecks>) -> Outcome {
    let mut found = std::mem::take(&mut session.complaints);
    flow::examine(session.site(), &mut found);
    if let Some(check) = host {
        check(roots, session, &mut found);
    }
    let report = HealthReport::new(found.0, host.is_some());
    let exit = if report.sound { Exit::Done } else { Exit::Unsound };
    Ok(Answer { output: VerbOutput::Health(report), exit })
}

/// What was wrong with the record before the boot of this system wrote it anew.
pub fn record_faults(roots: &Roots) -> Vec<String> {
    BootReport::read(roots).map(|report| report.record_faults).unwrap_or_default()
}

/// [`HostChecks`] of a running system.
pub fn check_host(roots: &Roots, session: &mut Session, found: &mut Findings) {
    let report = BootReport::read(roots);
    let release = session.site().machine.kernel_release();
    let host = Host {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command_line: sys::kernel_command_line(roots),
        booted_by: report.as_ref().map(|report| report.agent.clone()),
        record_faults: report.map(|report| report.record_faults).unwrap_or_default(),
        has_watchdog: sys::has_watchdog(roots),
        initramfs: release.and_then(|release| sys::initramfs(roots, &release)),
    };
    host.check(found);
}
