//! The watchdog of the machine (Documentation/watchdog/watchdog-api.rst of the kernel): it restarts a machine
//! that gives no sign of life.
//!
//! Opening the device starts its clock; the letter V before the close stops it ("magic close"). A driver that
//! cannot be stopped (nowayout) is opened only when the clock is to be left running anyway, and only when it says
//! that it takes so many seconds: a shorter clock that nobody can stop would restart the machine for ever. A device
//! that is not there, or that somebody else holds, is no fault: the boot goes on without.

use super::ioctl;
use super::roots::read_text;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

/// The first watchdog, as the kernel counts them.
const DEVICE: &str = "/dev/watchdog0";
/// What the kernel says of it: `nowayout`, 1 when it goes on after a close; `timeout` in seconds, which an open starts
/// with; `max_timeout`, up to which a driver lets it be set; `state`.
const FACTS: &str = "/sys/class/watchdog/watchdog0";
/// Seconds that a long step may take between two signs of life: more than a slow medium needs for a barrier.
const LONG_STEP: u32 = 120;

/// The watchdog over a long step. It is stopped when it is dropped.
#[derive(Debug, Default)]
pub struct Watchdog(Option<File>);

impl Watchdog {
    /// Starts the clock, if there is a watchdog that can be stopped.
    pub fn start(&mut self) {
        if self.0.is_none() && can_be_stopped() {
            let opened = open(LONG_STEP);
            self.0 = opened.inspect_err(|error| log::info!("watchdog: {error}; going on without")).ok();
        }
    }

    /// A sign of life: the clock begins anew.
    pub fn pet(&self) {
        if let Some(device) = &self.0 {
            tell(device, b".");
        }
    }

    /// Stops the clock.
    pub fn stop(&mut self) {
        if let Some(device) = self.0.take() {
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
pub fn hold_watchdog() {
    // Opening starts one that stands still.
    if fact("state").is_none_or(|state| state != "active") || can_be_stopped() {
        return;
    }
    if let Ok(device) = OpenOptions::new().write(true).open(DEVICE) {
        if !lasts("timeout", LONG_STEP) {
            // What it does not take, it does without.
            let _ = ioctl::set_watchdog_timeout(&device, LONG_STEP as i32);
        }
        let _ = HELD.set(device);
    }
}

/// A sign of life of a verb, or of a wait for a key. A program that is run from the prompt gives none.
pub fn pet_watchdog() {
    if let Some(device) = HELD.get() {
        tell(device, b".");
    }
}

/// Leaves the clock running for the system that is booted next, which has so many seconds to take over.
pub fn leave_watchdog(seconds: u32) {
    if !can_be_stopped() && !takes(seconds) {
        log::warn!("watchdog: expected one that takes {seconds} s; going on without");
        return;
    }
    if let Err(error) = open(seconds) {
        log::warn!("watchdog: {error}; going on without");
    } else if fact("state").is_some_and(|state| state != "active") {
        log::warn!("watchdog: its driver stops it with every close; going on without");
    } else {
        log::info!("watchdog: the system has {seconds} s to take over");
    }
}

fn fact(name: &str) -> Option<String> {
    read_text(Path::new(FACTS).join(name))
}

fn can_be_stopped() -> bool {
    fact("nowayout").is_some_and(|text| text == "0")
}

/// Whether a clock that nobody can stop would run for so many seconds: it may be set so, or is before it is opened.
/// A `max_timeout` of 0 proves nothing. Drivers that take any timeout, because the kernel pets for them, show it
/// (`max_hw_heartbeat_ms`), and so do those that take none (without WDIOF_SETTIMEOUT).
fn takes(seconds: u32) -> bool {
    ["max_timeout", "timeout"].iter().any(|name| lasts(name, seconds))
}

fn lasts(name: &str, seconds: u32) -> bool {
    fact(name).and_then(|text| text.parse().ok()).is_some_and(|found: u32| found >= seconds)
}

/// Starts the clock with this timeout or a longer one that the driver insists on, or not at all: a shorter one could
/// make an endless row of restarts.
fn open(seconds: u32) -> io::Result<File> {
    let device = OpenOptions::new().write(true).open(DEVICE)?;
    match ioctl::set_watchdog_timeout(&device, seconds as i32) {
        Err(error) if !lasts("timeout", seconds) => {
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
