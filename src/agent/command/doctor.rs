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

/// [`HostChecks`] of a running system.
pub fn check_host(roots: &Roots, session: &mut Session, found: &mut Findings) {
    let release = session.site().machine.kernel_release();
    let host = Host {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command_line: sys::kernel_command_line(roots),
        booted_by: BootReport::read_agent(roots),
        has_watchdog: sys::has_watchdog(roots),
        initramfs: release.and_then(|release| sys::initramfs(roots, &release)),
    };
    host.check(found);
}
