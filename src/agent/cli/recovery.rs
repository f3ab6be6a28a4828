//! What an early boot does when nothing is left to boot, or where it is asked to stop: the shell. Also where somebody
//! else's initramfs gave up.

use super::arguments::{Arguments, usage};
use super::boot_report::BootReport;
use super::exit::{Answer, Exit, Failure};
use super::session::settings;
use super::settings::{DIRECTORY, Settings};
use super::shell::{Leave, Opening, Place, Shell};
use everboot_agent::machine::{Plight, Wish};
use everboot_agent::sys;
use everboot_core::config::{Breakpoint, ShellAccess, Watchdog};
use std::path::Path;

/// Seconds before a machine whose boot was given up restarts.
const EMERGENCY_WAIT: u64 = 60;

/// Recovery.
#[derive(Debug)]
pub(crate) struct Recovery {
    breakpoints: Vec<Breakpoint>,
    is_guest: bool,
    /// Whether nothing was left to boot before.
    was_stuck: bool,
}

impl Recovery {
    /// For a boot that stops at these points. With `is_guest` the initramfs is somebody else's: it is told when
    /// recovery did not help, and this process holds the lock of the machine.
    pub(crate) fn new(breakpoints: Vec<Breakpoint>, is_guest: bool) -> Self {
        Self { breakpoints, is_guest, was_stuck: false }
    }

    /// Shows the plight, waits, and lets whoever is there use the shell.
    pub(crate) fn recover(&mut self, plight: &Plight) -> Wish {
        log::error!("RECOVERY: {}", plight.reason);
        sys::warn_anew();
        if std::mem::replace(&mut self.was_stuck, true) && self.is_guest {
            return Wish::Leave;
        }
        let opening = Opening {
            title: format!("RECOVERY: {}", plight.reason),
            happened: plight.notes.clone(),
            slots: plight.slots.clone(),
            next: plight.next.to_owned(),
        };
        self.shell(&opening, Some(plight.wait), plight.shell)
    }

    /// Opens the shell at a breakpoint, once, if it was asked for.
    pub(crate) fn breakpoint(&mut self, point: Breakpoint) -> Option<Wish> {
        let at = self.breakpoints.iter().position(|asked| *asked == point)?;
        self.breakpoints.remove(at);
        let name = Breakpoint::ALL.iter().find(|(_, known)| *known == point).map_or("", |(name, _)| name);
        let opening = Opening {
            title: format!("stopped before {name}, as the kernel command line asks"),
            next: "`exit` goes on with the boot".to_owned(),
            ..Opening::default()
        };
        Some(self.shell(&opening, None, true))
    }

    fn shell(&self, opening: &Opening, wait: Option<u64>, is_offered: bool) -> Wish {
        // Read anew, as each verb does.
        let mut config = Settings::read(Path::new(DIRECTORY)).config;
        if !is_offered {
            config.shell = ShellAccess::Closed;
        }
        match Shell::new(Place::Early, config, Vec::new(), self.is_guest).run(opening, wait) {
            Leave::Exit | Leave::Nobody => Wish::LookAgain,
            Leave::Boot { slot, once } => Wish::Boot { slot, keep: !once },
        }
    }
}

/// `everboot shell --emergency`: says what happened, and restarts the machine when the shell is left.
pub(crate) fn emergency(arguments: &Arguments) -> Result<Answer, Failure> {
    if arguments.has("disk") {
        return Err(usage(Some(arguments.verb), "expected --emergency or --disk, found both"));
    }
    if !sys::is_in_initramfs() {
        let text = "refused: expected an initramfs, found a system that runs; it would be restarted";
        return Err(Failure::new(Exit::Refused, text));
    }
    let happened = BootReport::read_text().unwrap_or_default();
    let opening = Opening {
        title: "nothing can be booted".to_owned(),
        happened: happened.lines().map(|line| line.trim().to_owned()).collect(),
        slots: Vec::new(),
        next: "restart the machine".to_owned(),
    };
    // One that was started for the system would cut the wait short: it is stopped as it is dropped, or else held.
    sys::Watchdog::default().start();
    let config = settings(arguments).config;
    if let Watchdog::Left(_) = config.watchdog {
        sys::hold_watchdog();
    }
    Shell::new(Place::Emergency, config, arguments.inherited(), false).run(&opening, Some(EMERGENCY_WAIT));
    Err(Failure::new(Exit::Failed, format!("restart: {}", sys::restart())))
}
