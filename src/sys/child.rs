//! `/bin/sh` for a person at the console.
#![allow(unsafe_code)]

use super::handoff::default_sigpipe;
use super::roots::read_text;
use nix::errno::Errno;
use nix::libc;
use std::ffi::{CStr, CString};
use std::io;
use std::path::Path;

const SH: &CStr = c"/bin/sh";

/// Whether there is one.
pub fn has_sh() -> bool {
    SH.to_str().is_ok_and(|sh| Path::new(sh).exists())
}

/// Runs it, and waits until it ends.
pub fn run_sh() -> io::Result<()> {
    let console = console();
    // SAFETY: fork(2), without the C library's care for other threads, of which there are none here. The child
    // makes system calls only, on what was made before.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as libc::pid_t;
    match child {
        -1 => return Err(io::Error::last_os_error()),
        0 => be_sh(console.as_deref()),
        _ => {}
    }
    // SAFETY: waits for a child of ours, and wants nothing told of it.
    while unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) } == -1 && Errno::last() == Errno::EINTR {}
    Ok(())
}

fn be_sh(console: Option<&CStr>) -> ! {
    default_sigpipe();
    // SAFETY: system calls on texts that live; what fails leaves things as they are, and the shell finds the
    // terminal that there is.
    unsafe {
        if let Some(console) = console {
            libc::setsid();
            let terminal = libc::open(console.as_ptr(), libc::O_RDWR);
            for descriptor in 0..3 {
                libc::dup2(terminal, descriptor);
            }
        }
        libc::execv(SH.as_ptr(), [SH.as_ptr(), std::ptr::null()].as_ptr());
        libc::_exit(127)
    }
}

/// The terminal behind the console, when this process has no controlling terminal: /dev/console can be none,
/// and without one Ctrl-C ends nothing.
fn console() -> Option<CString> {
    if std::fs::File::open("/dev/tty").is_ok() {
        return None;
    }
    let active = read_text("/sys/class/tty/console/active".into())?;
    CString::new(["/dev/", active.rsplit(' ').next()?].concat()).ok()
}
