//! Recovery with a countdown alone, where the program was built without a prompt.

use crate::machine::OperatorChoice;
use crate::runtime::screen::Opening;
use crate::sys::{self, Roots};
use everboot_core::config::Config;
use std::ffi::OsString;
use std::time::Duration;

const HINT: &str = "this program has no prompt; power off to inspect the disk";

pub(super) fn recover(_: &Roots, _: (Config, bool), opening: &Opening, wait: Option<u64>) -> OperatorChoice {
    show(opening, wait.unwrap_or(0));
    OperatorChoice::LookAgain
}

pub(super) fn emergency(_: &Roots, _: (Config, Vec<OsString>), opening: &Opening, wait: u64) {
    show(opening, wait);
}

/// Shows it, and waits so many seconds. A console that is gone is no reason to stop.
fn show(opening: &Opening, wait: u64) {
    let _ = sys::print(sys::Output::Answer, &format!("{}in {wait} s\n", opening.text(HINT)));
    std::thread::sleep(Duration::from_secs(wait));
}
