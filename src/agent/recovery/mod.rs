//! What an early boot does when no slot can be booted, or where it is asked to stop; also where a distribution's
//! initramfs gave up. With the feature `prompt` it opens the shell, without it it counts down.

#[cfg(feature = "prompt")]
mod with_prompt;
#[cfg(not(feature = "prompt"))]
mod without_prompt;

#[cfg(feature = "prompt")]
use with_prompt as console;
#[cfg(not(feature = "prompt"))]
use without_prompt as console;

use crate::machine::{Operator, OperatorChoice, RecoveryNotice};
use crate::runtime::boot_report::BootReport;
use crate::runtime::screen::Opening;
use crate::settings::{self, Settings};
use crate::sys::{self, Roots};
use everboot_core::config::{Breakpoint, Config, ShellAccess, Watchdog};
use std::ffi::OsString;
use std::io;

/// Seconds before a machine whose boot was given up restarts.
const EMERGENCY_WAIT: u64 = 60;

/// Recovery.
#[derive(Debug)]
pub(crate) struct Recovery {
    roots: Roots,
    breakpoints: Vec<Breakpoint>,
    is_in_distribution: bool,
    /// Whether nothing was left to boot before.
    was_here_before: bool,
}

impl Recovery {
    /// For a boot that stops at these points. With `is_in_distribution` the initramfs is a distribution's: it goes
    /// on when recovery did not help, and this process holds the lock of the machine.
    pub(crate) fn new(roots: Roots, breakpoints: Vec<Breakpoint>, is_in_distribution: bool) -> Self {
        Self { roots, breakpoints, is_in_distribution, was_here_before: false }
    }

    fn open(&self, opening: &Opening, wait: Option<u64>, is_offered: bool) -> OperatorChoice {
        // Read anew, as each verb does.
        let mut config = Settings::read(&settings::directory(&self.roots, None)).config;
        if !is_offered {
            config.shell = ShellAccess::Closed;
        }
        console::recover(&self.roots, (config, self.is_in_distribution), opening, wait)
    }
}

impl Operator for Recovery {
    fn recover(&mut self, notice: &RecoveryNotice) -> OperatorChoice {
        log::error!("RECOVERY: {}", notice.reason);
        sys::warn_anew();
        if std::mem::replace(&mut self.was_here_before, true) && self.is_in_distribution {
            return OperatorChoice::Leave;
        }
        let opening = Opening {
            title: format!("RECOVERY: {}", notice.reason),
            happened: notice.notes.clone(),
            slots: notice.slots.clone(),
            next: notice.next.to_owned(),
        };
        self.open(&opening, Some(notice.wait), notice.shell)
    }

    fn breakpoint(&mut self, point: Breakpoint) -> Option<OperatorChoice> {
        let at = self.breakpoints.iter().position(|asked| *asked == point)?;
        self.breakpoints.remove(at);
        let name = Breakpoint::ALL.iter().find(|(_, known)| *known == point).map_or("", |(name, _)| name);
        let opening = Opening {
            title: format!("stopped before {name}, as the kernel command line asks"),
            next: "`exit` goes on with the boot".to_owned(),
            ..Opening::default()
        };
        Some(self.open(&opening, None, true))
    }
}

/// `everboot shell --emergency`: says what happened, and restarts the machine when the shell is left. `inherited` are
/// options that each verb gets there. Returns when the restart failed.
pub(crate) fn emergency(roots: &Roots, config: Config, inherited: Vec<OsString>) -> io::Error {
    sys::never_wait_for_output();
    let happened = BootReport::read_text(roots).unwrap_or_default();
    let opening = Opening {
        title: "nothing can be booted".to_owned(),
        happened: happened.lines().map(|line| line.trim().to_owned()).collect(),
        slots: Vec::new(),
        next: "restart the machine".to_owned(),
    };
    // One that was started for the system would cut the wait short: it is stopped as it is dropped, or else held.
    sys::Watchdog::new(roots.clone()).start();
    if let Watchdog::Left(_) = config.watchdog {
        sys::hold_watchdog(roots);
    }
    console::emergency(roots, (config, inherited), &opening, EMERGENCY_WAIT);
    sys::restart()
}
