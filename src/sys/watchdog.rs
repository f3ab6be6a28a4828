//! The watchdog of the machine (Documentation/watchdog/watchdog-api.rst of the kernel): it restarts a machine
//! that gives no sign of life.
//!
//! Opening the device starts its clock; the letter V before the close stops it ("magic close"). A driver that
//! cannot be stopped (nowayout) is opened only when the clock is to be left running anyway. A device that is not
//! there, or that somebody else holds, is no fault: the boot goes on without.

use super::ioctl;
use super::roots::read_text;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// The first watchdog, as the kernel counts them.
const DEVICE: &str = "/dev/watchdog0";
/// Whether it goes on after a close: `1`, or `0`.
const NO_WAY_OUT: &str = "/sys/class/watchdog/watchdog0/nowayout";
/// Seconds that a long step may take between two signs of life: more than a slow medium needs for a barrier.
const LONG_STEP: i32 = 120;

/// The watchdog over a long step. It is stopped when it is dropped.
#[derive(Debug, Default)]
pub struct Watchdog(Option<File>);

impl Watchdog {
    /// Starts the clock, if there is a watchdog that can be stopped.
    pub fn start(&mut self) {
        if read_text(NO_WAY_OUT.into()).is_some_and(|text| text == "0") {
            self.0 = open(LONG_STEP).ok();
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

/// Leaves the clock running for the system that is booted next, which has so many seconds to take over.
pub fn leave_watchdog(seconds: u32) {
    match open(seconds as i32) {
        Ok(_) => log::info!("watchdog: the system has {seconds} s to take over"),
        Err(error) => log::info!("watchdog: {error}; going on without"),
    }
}

/// Starts the clock with this timeout, or not at all: a shorter one could make an endless row of restarts.
fn open(seconds: i32) -> io::Result<File> {
    let device = OpenOptions::new().write(true).open(DEVICE)?;
    let set = ioctl::set_watchdog_timeout(&device, seconds);
    if set.is_err() {
        tell(&device, b"V");
    }
    set.map(|()| device)
}

fn tell(mut device: &File, sign: &[u8]) {
    // What could be done about a failure the watchdog does.
    let _ = device.write_all(sign);
}
