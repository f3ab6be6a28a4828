//! The lock of this machine: one everboot changes something at a time.

use super::failure::Failure;
use crate::sys::{Lock, Roots, monotonic_ms};
use everboot_core::verbs::Exit;
use std::time::Duration;

/// Milliseconds that are waited for another everboot. Most of what one does is done by then.
const LONGEST_WAIT: u64 = 600_000;
/// Milliseconds between two tries.
const EVERY: u64 = 250;

/// Excludes another everboot from this machine.
pub fn take(roots: &Roots) -> Result<Lock, Failure> {
    Lock::take(&roots.own().join("lock")).map_err(Failure::from)
}

/// Takes a lock; when another everboot has it, waits until that ends, and says so.
pub fn wait_for<T>(take: &mut dyn FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let end = monotonic_ms().saturating_add(LONGEST_WAIT);
    let mut is_waiting = false;
    loop {
        match take() {
            Err(Failure { exit: Exit::Locked, text, .. }) if monotonic_ms() < end => {
                if !std::mem::replace(&mut is_waiting, true) {
                    log::warn!("{text}; waiting for it, up to {} minutes", LONGEST_WAIT / 60_000);
                }
                std::thread::sleep(Duration::from_millis(EVERY));
            }
            taken => return taken,
        }
    }
}
