//! Other processes that go on with the memory of this one.
#![expect(unsafe_code, reason = "system calls that Linux has no safe form of")]

use nix::libc;
use std::io;

/// Forks; the child does `child`, which makes system calls only, and ends with 127. Returns its id.
pub(super) fn start(child: &mut dyn FnMut()) -> io::Result<libc::pid_t> {
    // SAFETY: fork(2), without the C library's care for other threads. The child makes system calls only, on what was
    // made before.
    match unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as libc::pid_t {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            child();
            // SAFETY: ends this process, without anything that the parent would do at its end.
            unsafe { libc::_exit(127) }
        }
        pid => Ok(pid),
    }
}

/// Whether a child that was started has ended. Does not wait.
pub(super) fn has_ended(pid: libc::pid_t) -> bool {
    // SAFETY: asks for a child of ours, whose status nobody wants.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) != 0 }
}
