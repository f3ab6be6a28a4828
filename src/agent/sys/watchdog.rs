//! The watchdog of the machine (Documentation/watchdog/watchdog-api.rst of the kernel): it restarts a machine
//! that gives no sign of life.
//!
//! Opening the device starts its clock; the letter V before the close stops it ("magic close"). A driver that
//! cannot be stopped (nowayout) is opened only when the clock is to be left running anyway, and only when it says
//! that it takes so many seconds: a shorter clock that nobody can stop would restart the machine for ever. A device
//! that is not there, or that somebody else holds, is no fault: the boot goes on without.

use super::ioctl;
use super::roots::Roots;
use super::small_file::read_value;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;

/// The first watchdog, as the kernel counts them, in `/dev`.
const DEVICE: &str = "watchdog0";
/// What the kernel says of it, in `/sys`: `nowayout`, 1 when it goes on after a close; `timeout` in seconds, which an
/// open starts with; `max_timeout`, up to which a driver lets it be set; `state`.
const FACTS: &str = "class/watchdog/watchdog0";
/// Seconds that a long step may take between two signs of life: more than a slow medium needs for a barrier.
const LONG_STEP: u32 = 120;

/// The watchdog over a long step. It is stopped when it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    roots: Roots,
    device: Option<File>,
}

impl Watchdog {
    /// That of this machine, not yet started.
    pub fn new(roots: Roots) -> Self {
        Self { roots, device: None }
    }

    /// Starts the clock, if there is a watchdog that can be stopped.
    pub fn start(&mut self) {
        if self.device.is_none() && can_be_stopped(&self.roots) {
            let opened = open(&self.roots, LONG_STEP);
            self.device = opened.inspect_err(|error| log::info!("watchdog: {error}; going on without")).ok();
        }
    }

    /// A sign of life: the clock begins anew.
    pub fn pet(&self) {
        if let Some(device) = &self.device {
            tell(device, b".");
        }
    }

    /// Stops the clock.
    pub fn stop(&mut self) {
        if let Some(device) = self.device.take() {
            tell(&device, b"V");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A clock that was left running, and that nobody can stop. A global, since no flow knows of it: whatever waits for a
/// person gives the sign of life.
static HELD: OnceLock<File> = OnceLock::new();

/// Takes the clock back that was left running for a system which did not come, if nobody can stop it: it is petted
/// from now on by [`pet_watchdog`], so that it does not restart the machine under the hands of a person.
pub fn hold_watchdog(roots: &Roots) {
    if let Some(device) = take_back(roots) {
        let _ = HELD.set(device);
    }
}

fn take_back(roots: &Roots) -> Option<File> {
    // Opening starts one that stands still.
    if fact(roots, "state")? != "active" || can_be_stopped(roots) {
        return None;
    }
    let device = OpenOptions::new().write(true).open(roots.dev.join(DEVICE)).ok()?;
    if !lasts(roots, "timeout", LONG_STEP) {
        // What it does not take, it does without.
        let _ = ioctl::set_watchdog_timeout(&device, LONG_STEP as i32);
    }
    Some(device)
}

/// A sign of life of a verb, or of a wait for a key. A program that is run from the prompt gives none.
pub fn pet_watchdog() {
    if let Some(device) = HELD.get() {
        tell(device, b".");
    }
}

/// Leaves the clock running for the system that is booted next, which has so many seconds to take over.
pub fn leave_watchdog(roots: &Roots, seconds: u32) {
    match leave(roots, seconds) {
        Ok(()) => log::info!("watchdog: the system has {seconds} s to take over"),
        Err(why) => log::warn!("watchdog: {why}; going on without"),
    }
}

fn leave(roots: &Roots, seconds: u32) -> Result<(), String> {
    if !can_be_stopped(roots) && !takes(roots, seconds) {
        return Err(format!("expected one that takes {seconds} s"));
    }
    open(roots, seconds).map_err(|error| error.to_string())?;
    match fact(roots, "state") {
        Some(state) if state != "active" => Err("its driver stops it with every close".to_owned()),
        _ => Ok(()),
    }
}

fn fact(roots: &Roots, name: &str) -> Option<String> {
    read_value(&roots.sys.join(FACTS).join(name))
}

fn can_be_stopped(roots: &Roots) -> bool {
    fact(roots, "nowayout").is_some_and(|text| text == "0")
}

/// Whether a clock that nobody can stop would run for so many seconds: it may be set so, or is before it is opened.
/// A `max_timeout` of 0 proves nothing. Drivers that take any timeout, because the kernel pets for them, show it
/// (`max_hw_heartbeat_ms`), and so do those that take none (without WDIOF_SETTIMEOUT).
fn takes(roots: &Roots, seconds: u32) -> bool {
    ["max_timeout", "timeout"].iter().any(|name| lasts(roots, name, seconds))
}

fn lasts(roots: &Roots, name: &str, seconds: u32) -> bool {
    fact(roots, name).and_then(|text| text.parse().ok()).is_some_and(|found: u32| found >= seconds)
}

/// Starts the clock with this timeout or a longer one that the driver insists on, or not at all: a shorter one could
/// make an endless row of restarts.
fn open(roots: &Roots, seconds: u32) -> io::Result<File> {
    let device = OpenOptions::new().write(true).open(roots.dev.join(DEVICE))?;
    match ioctl::set_watchdog_timeout(&device, seconds as i32) {
        Err(error) if !lasts(roots, "timeout", seconds) => {
            tell(&device, b"V");
            Err(error)
        }
        _ => Ok(device),
    }
}

fn tell(mut device: &File, sign: &[u8]) {
    // What could be done about a failure the watchdog does.
    let _ = device.write_all(sign);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    /// A machine whose watchdog is a file: it keeps what is written, and takes no timeout, so that the clock runs with
    /// the one of sysfs.
    struct Machine(TempDir);

    impl Machine {
        fn new(name: &str, facts: &[(&str, &str)]) -> Self {
            let temp_dir = TempDir::new(&format!("watchdog-{name}"));
            temp_dir.file("dev/watchdog0", b"");
            for (fact, text) in facts {
                temp_dir
                    .file(&format!("sys/class/watchdog/watchdog0/{fact}"), format!("{text}\n").as_bytes());
            }
            Self(temp_dir)
        }

        fn roots(&self) -> Roots {
            Roots::under(self.0.path())
        }

        /// What the watchdog was sent.
        fn signs(&self) -> String {
            std::fs::read_to_string(self.0.path().join("dev/watchdog0")).unwrap()
        }
    }

    const STOPPABLE: (&str, &str) = ("nowayout", "0");
    const UNSTOPPABLE: (&str, &str) = ("nowayout", "1");

    #[test]
    fn a_long_step_pets_the_watchdog_and_stops_it_at_its_end() {
        let machine = Machine::new("step", &[STOPPABLE, ("timeout", "120")]);
        let mut watchdog = Watchdog::new(machine.roots());
        watchdog.pet();
        assert_eq!(machine.signs(), "");
        watchdog.start();
        watchdog.pet();
        watchdog.pet();
        assert_eq!(machine.signs(), "..");
        drop(watchdog);
        assert_eq!(machine.signs(), "..V");
    }

    #[test]
    fn a_watchdog_that_is_stopped_is_sent_nothing_until_it_starts_again() {
        let machine = Machine::new("again", &[STOPPABLE, ("timeout", "120")]);
        let mut watchdog = Watchdog::new(machine.roots());
        watchdog.start();
        watchdog.stop();
        watchdog.pet();
        watchdog.stop();
        assert_eq!(machine.signs(), "V");
        watchdog.start();
        assert!(watchdog.device.is_some());
    }

    #[test]
    fn a_watchdog_that_cannot_be_stopped_is_not_started_for_a_step() {
        for (name, facts) in [("nowayout", &[UNSTOPPABLE, ("timeout", "120")][..]), ("silent", &[])] {
            let machine = Machine::new(name, facts);
            let mut watchdog = Watchdog::new(machine.roots());
            watchdog.start();
            assert!(watchdog.device.is_none(), "{name}");
        }
    }

    #[test]
    fn a_clock_that_is_too_short_for_a_step_is_stopped_at_once() {
        let machine = Machine::new("short", &[STOPPABLE, ("timeout", "119")]);
        let mut watchdog = Watchdog::new(machine.roots());
        watchdog.start();
        watchdog.pet();
        assert_eq!((watchdog.device.is_none(), &*machine.signs()), (true, "V"));
    }

    #[test]
    fn the_clock_is_left_running_for_the_system() {
        for (name, facts) in [
            ("left", &[STOPPABLE, ("timeout", "60"), ("state", "active")][..]),
            ("left-nowayout", &[UNSTOPPABLE, ("timeout", "60"), ("state", "active")]),
            ("left-stateless", &[UNSTOPPABLE, ("timeout", "60")]),
        ] {
            let machine = Machine::new(name, facts);
            assert_eq!(leave(&machine.roots(), 60), Ok(()), "{name}");
            assert_eq!(machine.signs(), "", "{name}");
        }
    }

    #[test]
    fn a_clock_that_is_not_left_running_is_said_with_its_reason() {
        for (name, why, facts) in [
            ("too-short", "expected one that takes 61 s", &[UNSTOPPABLE, ("timeout", "60")][..]),
            ("no-limit", "expected one that takes 61 s", &[UNSTOPPABLE, ("max_timeout", "0")]),
            (
                "closes",
                "its driver stops it with every close",
                &[STOPPABLE, ("timeout", "61"), ("state", "inactive")],
            ),
        ] {
            let machine = Machine::new(name, facts);
            assert_eq!(leave(&machine.roots(), 61).unwrap_err(), why, "{name}");
        }
    }

    #[test]
    fn a_machine_without_a_watchdog_says_so_and_goes_on() {
        let temp_dir = TempDir::new("watchdog-none");
        let roots = Roots::under(temp_dir.path());
        Watchdog::new(roots.clone()).start();
        assert!(take_back(&roots).is_none());
        assert_eq!(leave(&roots, 60).unwrap_err(), "expected one that takes 60 s");
        temp_dir.file("sys/class/watchdog/watchdog0/nowayout", b"0\n");
        assert!(leave(&roots, 60).unwrap_err().starts_with("No such file"));
    }

    #[test]
    fn a_running_clock_is_taken_back_only_when_nobody_can_stop_it() {
        for (name, facts, is_taken) in [
            ("runs", [UNSTOPPABLE, ("state", "active")], true),
            ("stands", [UNSTOPPABLE, ("state", "inactive")], false),
            ("stops", [STOPPABLE, ("state", "active")], false),
        ] {
            let machine = Machine::new(name, &facts);
            assert_eq!(take_back(&machine.roots()).is_some(), is_taken, "{name}");
            assert_eq!(machine.signs(), "", "{name}");
        }
    }
}
