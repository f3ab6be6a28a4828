//! `/init`: the early boot on a real machine, from the first mount to the hand-off.
//!
//! Process 1 must not end: the kernel would panic. Whatever goes wrong here is said on the console, waited
//! for, and answered by a restart, in which the flow starts over with what it has counted: so a trial whose
//! hand-off fails uses up its tries, and a machine that cannot go on never spins.

use super::boot_report::BootReport;
use super::machine::{AnyMachine, Kind};
use super::progress::Progress;
use super::settings::{DIRECTORY, Settings};
use everboot::config::KernelCommandLine;
use everboot::flow::{self, Destination, Site};
use everboot::sys::{self, LinuxMachine};
use std::path::Path;
use std::time::Duration;

/// The kernel modules that the initramfs brings, one path a line.
const MODULES: &str = "/etc/everboot/modules";
/// Seconds before the first restart after a failure; each further attempt doubles it.
const FIRST_WAIT: u64 = 10;
/// The longest wait, in seconds.
const LONGEST_WAIT: u64 = 600;

/// Whether this process is the first of the system, and so not a command.
pub(crate) fn is_init() -> bool {
    std::process::id() == 1
}

/// Boots. `arguments` are the words of the kernel command line that the kernel left to init.
pub(crate) fn run(arguments: &[String]) -> ! {
    let mut steps = vec![("kernel", sys::uptime_ms())];
    let mut notes = sys::set_up();
    std::panic::set_hook(Box::new(|panic| stop(&format!("a fault in everboot itself: {panic}"))));
    sys::log_to_kernel(log::LevelFilter::Info);
    sys::load_modules(Path::new(MODULES));
    let (command_line, ignored) = KernelCommandLine::parse(&sys::kernel_command_line());
    let settings = Settings::read(Path::new(DIRECTORY));
    notes.extend(ignored);
    // With the default slots and without keys, a slot that the record calls good still boots.
    notes.extend(settings.fault.map(|fault| format!("{fault}; going on with the default configuration")));
    notes.extend(settings.warnings);
    for note in &notes {
        log::warn!("{note}");
    }
    steps.push(("set up", since(&steps)));

    let kind = Kind::Linux(LinuxMachine::early(command_line.init));
    let mut machine = AnyMachine { kind, kernel: None, progress: Progress::new(true) };
    let (config, keys) = (&settings.config, &settings.keys);
    let timeout = command_line.timeout.unwrap_or(config.timeout);
    let mut site = Site { machine: &mut machine, config, keys };
    // Each look would say the same of a disk that is not well; the flow's own look says it once.
    log::set_max_level(log::LevelFilter::Off);
    let all_came = sys::wait_until(timeout, &mut || site.is_complete());
    log::set_max_level(log::LevelFilter::Info);
    if !all_came {
        let note = format!("not all partitions came within {timeout} s; going on without");
        log::warn!("{note}");
        notes.push(note);
    }
    steps.push(("devices", since(&steps)));

    let outcome = flow::boot(site, command_line.slot.as_ref().map(|slot| slot.as_str()));
    if let Err(why) = BootReport::new(&outcome, &steps, &notes).write() {
        log::warn!("boot.json: {why}");
    }
    match (outcome.destination, machine.kind) {
        (Destination::Root(..), Kind::Linux(machine)) => {
            let error = machine.hand_off(arguments);
            stop(&format!("the hand-off failed: {error}"))
        }
        (Destination::Recovery, _) | (_, Kind::File(_)) => stop("nothing can be booted"),
    }
}

/// Milliseconds that went by after the steps.
fn since(steps: &[(&'static str, u64)]) -> u64 {
    sys::uptime_ms().saturating_sub(steps.iter().map(|(_, ms)| ms).sum())
}

/// Says what is wrong, and restarts the machine after a wait.
fn stop(why: &str) -> ! {
    let mut wait = FIRST_WAIT;
    log::error!("CANNOT GO ON: {why}");
    loop {
        log::error!("restarting in {wait} s; power off to inspect the machine");
        std::thread::sleep(Duration::from_secs(wait));
        log::error!("restart: {}", sys::reboot());
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
