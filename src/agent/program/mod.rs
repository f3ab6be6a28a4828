//! What each process of this program does, from start to end.
//!
//! A process is one of two: the first one of an initramfs, which never ends, or a verb.

mod early;
mod init;
#[cfg(feature = "prompt")]
mod verbs;
#[cfg(not(feature = "prompt"))]
mod words;

#[cfg(feature = "prompt")]
pub use verbs::end;

use crate::sys::{self, Roots};
use std::process::ExitCode;

/// `everboot-init`: the first process boots the machine and never returns, any other carries out one verb.
pub fn init(roots: &Roots) -> ExitCode {
    let mut arguments = std::env::args_os();
    let _name = arguments.next();
    sys::watch_for_faults(init::is_init());
    if init::is_init() {
        init::run(roots, &arguments.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>());
    }
    sys::log_to_stderr(log::LevelFilter::Warn);
    #[cfg(feature = "prompt")]
    let exit = verbs::end(
        roots,
        None,
        crate::command::parse::parse(arguments.collect(), everboot_core::verbs::Programs::Both),
    );
    #[cfg(not(feature = "prompt"))]
    let exit = words::end(roots, arguments.collect());
    exit
}
