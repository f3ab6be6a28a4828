//! Recovery with the shell on the console.

use crate::command::Context;
use crate::machine::OperatorChoice;
use crate::prompt::{Leave, OpenedFrom, Shell};
use crate::runtime::screen::Opening;
use crate::sys::Roots;
use everboot_core::config::Config;
use std::ffi::OsString;

pub(super) fn recover(
    roots: &Roots,
    (config, holds_lock): (Config, bool),
    opening: &Opening,
    wait: Option<u64>,
) -> OperatorChoice {
    let context = Context { roots, system: None, holds_lock };
    match Shell::new(OpenedFrom::Early, config, Vec::new(), context).run(opening, wait) {
        Leave::Exit | Leave::Nobody => OperatorChoice::LookAgain,
        Leave::Boot { slot, once } => OperatorChoice::Boot { slot, keep: !once },
    }
}

pub(super) fn emergency(
    roots: &Roots,
    (config, inherited): (Config, Vec<OsString>),
    opening: &Opening,
    wait: u64,
) {
    let context = Context { roots, system: None, holds_lock: false };
    Shell::new(OpenedFrom::Emergency, config, inherited, context).run(opening, Some(wait));
}
