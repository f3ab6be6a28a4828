//! The early boot on a real machine, from the settings to a root that is mounted: what `/init` and
//! `everboot boot --sysroot DIR` have in common.

use crate::flow::{self, Destination, Outcome, Site};
use crate::recovery::Recovery;
use crate::runtime::any_machine::{AnyMachine, Kind};
use crate::runtime::boot_report::BootReport;
use crate::runtime::failure::Failure;
use crate::runtime::lock;
use crate::runtime::progress::Progress;
use crate::settings::{self, Settings};
use crate::sys::{self, HandOff, LinuxMachine, Roots};
use everboot_core::config::{KernelCommandLine, Watchdog};
use everboot_core::record::Formats;
use everboot_core::verbs::Exit;
use std::path::PathBuf;

/// An early boot.
pub(crate) struct Early<'a> {
    roots: &'a Roots,
    /// What was noticed so far.
    pub(crate) notes: Vec<String>,
    /// What was done so far, with the milliseconds that it took.
    steps: Vec<(&'static str, u64)>,
    /// Whether this is a distribution's initramfs. Its process holds the lock, and gets the exit code of a failure.
    is_in_distribution: bool,
}

impl<'a> Early<'a> {
    /// Begins; `notes` is what was noticed before there was a log. With `is_in_distribution` in somebody else's
    /// initramfs, with the lock of the machine.
    pub(crate) fn begin(roots: &'a Roots, notes: Vec<String>, is_in_distribution: bool) -> Self {
        Self { roots, notes, steps: vec![("kernel", sys::uptime_ms())], is_in_distribution }
    }

    /// Boots: waits for the devices, decides, applies, mounts, and leaves the report for the booted system. The root is
    /// mounted at `sysroot`, by default `/sysroot`. Whatever else was mounted for the boot is unmounted again when
    /// this returns, so that nothing is left to do but the hand-off.
    pub(crate) fn boot(mut self, sysroot: Option<PathBuf>) -> Outcome<Option<HandOff>> {
        let roots = self.roots;
        let (mut command_line, ignored) = KernelCommandLine::parse(&sys::kernel_command_line(roots));
        let settings = Settings::read(&settings::directory(roots, None));
        self.notes.extend(ignored);
        if settings.config.lock.is_on() {
            // What else is asked for the flow ignores, and says so.
            command_line = KernelCommandLine { asked: command_line.asked, ..KernelCommandLine::default() };
        }
        // Without a configuration and without keys, a slot that the record calls good still boots.
        self.notes.extend(settings.faults.iter().map(|why| format!("{why}; the boot goes on without it")));
        self.notes.extend(settings.warnings);
        for note in &self.notes {
            log::warn!("{note}");
        }
        self.step("set up");

        let machine = LinuxMachine::early(roots.clone(), command_line.init, sysroot);
        let kind = Kind::Linux(machine.looking_for(&settings.config, false));
        let mut operator = Recovery::new(roots.clone(), command_line.breakpoints, self.is_in_distribution);
        let (config, keys) = (&settings.config, &settings.keys);
        let watchdog = (config.watchdog != Watchdog::Off).then(|| sys::Watchdog::new(roots.clone()));
        let mut machine = AnyMachine { kind, kernel: None, progress: Progress::new(true), watchdog };
        let mut site = Site { machine: &mut machine, config, keys, formats: Formats::CURRENT };
        self.wait_for_devices(&mut site, command_line.timeout.unwrap_or(config.timeout));
        self.step("devices");

        let outcome = flow::boot(site, &mut operator, command_line.asked.as_ref());
        if let Err(why) = BootReport::new(&outcome, &self.steps, &self.notes).write(roots) {
            log::warn!("boot.json: {why}");
        }
        // Not for a recovery slot, which is the last resort and may know of no watchdog.
        if let (Watchdog::Left(seconds), Destination::Root(..)) = (config.watchdog, &outcome.destination) {
            sys::leave_watchdog(roots, seconds);
        }
        outcome
    }

    fn wait_for_devices(&mut self, site: &mut Site<'_, AnyMachine>, seconds: u32) {
        // Each look would say the same of a disk that is not well; the flow's own look says it once.
        let level = log::max_level();
        log::set_max_level(log::LevelFilter::Off);
        let all_came = sys::wait_until(seconds, &mut || site.is_complete());
        log::set_max_level(level);
        if !all_came {
            let note = format!("not all partitions came within {seconds} s; going on without");
            log::warn!("{note}");
            self.notes.push(note);
        }
    }

    /// Ends a step, which took what has gone by since the steps before it.
    fn step(&mut self, what: &'static str) {
        let before: u64 = self.steps.iter().map(|(_, ms)| ms).sum();
        self.steps.push((what, sys::uptime_ms().saturating_sub(before)));
    }
}

/// The early boot in somebody else's initramfs, which hands off itself; the root is mounted at `sysroot`.
pub(crate) fn mount_root(roots: &Roots, sysroot: PathBuf) -> Result<(), Failure> {
    if !sys::is_in_initramfs(roots) {
        let text = "refused: a system runs here, and would count this as a boot; it is for an initramfs";
        return Err(Failure::new(Exit::Refused, text));
    }
    let _lock = lock::take(roots)?;
    // Whoever started this may have given it no console, or a pipe: a unit that asks for one fails without.
    sys::open_console(roots);
    sys::log_to_kernel(roots, log::LevelFilter::Info);
    match Early::begin(roots, Vec::new(), true).boot(Some(sysroot)).destination {
        Destination::Root(..) | Destination::RecoverySlot(..) => Ok(()),
        Destination::Recovery => Err(Failure::new(Exit::Failed, "nothing can be booted")),
    }
}
