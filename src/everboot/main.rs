//! everboot: what an operator does in the running system, and with disk images in files.

use everboot_agent::command::{System, check_host, confirm, fetch, record_faults, upgrade};
use everboot_agent::{program, sys};
use std::process::ExitCode;

static SYSTEM: System =
    System { confirm, upgrade, record_faults, fetch, host: check_host, json: everboot::json };

fn main() -> ExitCode {
    sys::watch_for_faults(false);
    sys::log_to_stderr(log::LevelFilter::Warn);
    program::end(
        &sys::Roots::default(),
        Some(&SYSTEM),
        everboot::parse(std::env::args_os().skip(1).collect()),
    )
}
