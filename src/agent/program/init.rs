//! `/init`: the early boot as the first process of a real machine, from the first mount to the hand-off.
//!
//! Process 1 must not end: the kernel would panic. Whatever goes wrong here is said on the console, waited
//! for, and answered by a restart, in which the flow starts over with what it has counted: so a trial whose
//! hand-off fails uses up its tries, and a machine that cannot go on never spins.

use super::early::Early;
use crate::sys::{self, Roots};
use everboot_core::decide::{FIRST_WAIT, LONGEST_WAIT};
use std::time::Duration;

/// The kernel modules that the initramfs brings, one path a line; in `/etc`.
const MODULES: &str = "everboot/modules";

/// Whether this process is the first of the system, and so not a command.
pub(crate) fn is_init() -> bool {
    std::process::id() == 1
}

/// Boots. `arguments` are the words of the kernel command line that the kernel left to init.
pub(crate) fn run(roots: &Roots, arguments: &[String]) -> ! {
    let early = Early::begin(roots, sys::set_up(roots), false);
    sys::log_to_kernel(roots, log::LevelFilter::Info);
    sys::load_modules(&roots.etc.join(MODULES), &sys::kernel_command_line(roots));
    match early.boot(None).destination.hand_off().flatten() {
        Some(hand_off) => stop(&format!("the hand-off failed: {}", hand_off.go(arguments))),
        None => stop("nothing can be booted"),
    }
}

/// Says what is wrong, and restarts the machine after a wait like those of recovery.
fn stop(why: &str) -> ! {
    let mut wait = FIRST_WAIT;
    log::error!("CANNOT GO ON: {why}");
    loop {
        log::error!("restarting in {wait} s; power off to inspect the machine");
        std::thread::sleep(Duration::from_secs(wait));
        log::error!("restart: {}", sys::restart());
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
