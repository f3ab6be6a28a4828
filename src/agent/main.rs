//! The agent: `/init` of the initramfs, and the `everboot` command of the running system.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
