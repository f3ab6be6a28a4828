//! Other programs: `/bin/sh` for a person at the console, and `everboot-fetch`.
#![allow(unsafe_code)]

use super::handoff::default_sigpipe;
use super::roots::read_text;
use nix::errno::Errno;
use nix::libc;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const SH: &CStr = c"/bin/sh";

/// Whether there is one.
pub fn has_sh() -> bool {
    SH.to_str().is_ok_and(|sh| Path::new(sh).exists())
}

/// Runs it, and waits until it ends.
pub fn run_sh() -> io::Result<()> {
    let console = console();
    run(&mut || be_sh(console.as_deref())).map(drop)
}

/// What is behind the path of this program in that of `everboot-fetch`.
const FETCH: &[u8] = b"-fetch\0";
/// Bytes of a path.
const PATH_MAX: usize = 4096;

/// Runs `everboot-fetch --for` with the words of a command line, a line each, and waits until it ends; returns its exit
/// code, 127 when there is none beside this program or in /usr/bin.
pub fn run_fetch(words: &OsStr) -> io::Result<u8> {
    let words = [words.as_bytes(), b"\0"].concat();
    let words = [c"everboot-fetch".as_ptr(), c"--for".as_ptr(), words.as_ptr().cast(), std::ptr::null()];
    let status = run(&mut || {
        default_sigpipe();
        let mut beside = [0; PATH_MAX + FETCH.len()];
        // SAFETY: texts that live and end with a zero, a list of them that ends with none, and a buffer that is longer
        // than what is asked for. What fails leaves things as they are.
        unsafe {
            let len = libc::readlink(c"/proc/self/exe".as_ptr(), beside.as_mut_ptr().cast(), PATH_MAX);
            let end = usize::try_from(len).unwrap_or(0);
            beside[end..end + FETCH.len()].copy_from_slice(FETCH);
            libc::execv(beside.as_ptr().cast(), words.as_ptr());
            libc::execv(c"/usr/bin/everboot-fetch".as_ptr(), words.as_ptr());
        }
    })?;
    Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) as u8 } else { 1 })
}

/// Forks, has the child become something else, and waits until it ends; returns its status. A child that fails to ends
/// with 127.
fn run(child: &mut dyn FnMut()) -> io::Result<libc::c_int> {
    // SAFETY: fork(2), without the C library's care for other threads, of which there are none here. The child
    // makes system calls only, on what was made before.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as libc::pid_t;
    match pid {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            child();
            // SAFETY: ends this process, without anything that the parent would do at its end.
            unsafe { libc::_exit(127) }
        }
        _ => {}
    }
    let mut status = 0;
    // SAFETY: waits for a child of ours, and is told its status.
    while unsafe { libc::waitpid(pid, &mut status, 0) } == -1 && Errno::last() == Errno::EINTR {}
    Ok(status)
}

fn be_sh(console: Option<&CStr>) {
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
