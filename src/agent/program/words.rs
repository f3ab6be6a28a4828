//! The command line of a program without a prompt: what a distribution's initramfs calls, or what makes one, and no
//! more.

use super::early;
use crate::recovery;
use crate::runtime::failure::Failure;
use crate::settings::{self, Settings};
use crate::sys::{self, Roots};
use everboot_core::verbs::Exit;
use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str = "expected boot --sysroot DIR, shell --emergency, or config check --config DIR; this program was built without a prompt";

/// Does it, and says what went wrong.
pub(super) fn end(roots: &Roots, words: Vec<OsString>) -> ExitCode {
    let done = match &words[..] {
        [boot, sysroot, folder] if boot == "boot" && sysroot == "--sysroot" => {
            early::mount_root(roots, folder.into())
        }
        [shell, emergency]
            if shell == "shell" && emergency == "--emergency" && sys::is_in_initramfs(roots) =>
        {
            let error = recovery::emergency(
                roots,
                Settings::read(&settings::directory(roots, None)).config,
                Vec::new(),
            );
            Err(Failure::new(Exit::Failed, format!("restart: {error}")))
        }
        [config, check, of, folder] if config == "config" && check == "check" && of == "--config" => {
            match Settings::read(folder.as_ref()).faults.join("; ") {
                none if none.is_empty() => Ok(()),
                faults => Err(Failure::new(Exit::Failed, faults)),
            }
        }
        _ => Err(Failure::new(Exit::Usage, USAGE)),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    let _ = sys::print(sys::Output::Message, &format!("everboot: {}\n", failure.text));
    ExitCode::from(failure.exit as u8)
}
