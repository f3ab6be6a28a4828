//! What happens when this program itself crashes: a failed assertion, a bad address, a broken instruction.
//!
//! The agent is built so that a panic is an illegal instruction (`-Cpanic=immediate-abort`): its messages
//! would cost a tenth of the binary. What is left is the address, which the unstripped build resolves to a line.

use super::reboot;
use nix::libc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Seconds that process 1 waits before it restarts the machine, so that the line can be read.
const WAIT: u32 = 10;

static IS_INIT: AtomicBool = AtomicBool::new(false);

/// Watches for faults from now on. With `is_init` a fault restarts the machine after a wait; else it ends the
/// process with exit code 1.
#[expect(unsafe_code, reason = "system calls that Linux has no safe form of")]
pub fn watch_for_faults(is_init: bool) {
    IS_INIT.store(is_init, Ordering::Relaxed);
    // A stack of its own: one of the faults is that the other one is used up.
    let stack = Box::leak(vec![0_u8; 16 * 1024].into_boxed_slice());
    // SAFETY: the stack lives for ever, the structures are plain data for which zero is a valid value, and the
    // handler makes system calls only (signal-safety(7)).
    unsafe {
        let mut alternative: libc::stack_t = std::mem::zeroed();
        alternative.ss_sp = stack.as_mut_ptr().cast();
        alternative.ss_size = stack.len();
        libc::sigaltstack(&alternative, std::ptr::null_mut());
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        for signal in [libc::SIGILL, libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGABRT] {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

#[expect(unsafe_code, reason = "system calls that Linux has no safe form of")]
extern "C" fn fault(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    const HEAD: usize = b"\neverboot: a fault in everboot itself: signal 00".len();
    let mut line = *b"\neverboot: a fault in everboot itself: signal 00 at 0x0000000000000000\n";
    // SAFETY: the kernel hands over a valid siginfo; for these signals it holds an address, or zero.
    let address = unsafe { (*info).si_addr() } as usize;
    put(&mut line[..HEAD], signal.unsigned_abs() as usize, 10, 2);
    let end = line.len() - 1;
    put(&mut line[..end], address, 16, 16);
    // SAFETY: system calls on memory of our own, which do not return into the code that is at fault.
    unsafe {
        // A console that takes nothing must not keep the machine from its restart.
        libc::fcntl(2, libc::F_SETFL, libc::O_NONBLOCK);
        libc::write(2, line.as_ptr().cast(), line.len());
        if IS_INIT.load(Ordering::Relaxed) {
            const HEAD: usize = b"everboot: restarting in 00".len();
            let mut note = *b"everboot: restarting in 00 s\n";
            put(&mut note[..HEAD], WAIT as usize, 10, 2);
            libc::write(2, note.as_ptr().cast(), note.len());
            loop {
                libc::sleep(WAIT);
                let _ = reboot::restart();
            }
        }
        libc::_exit(1);
    }
}

/// Writes `digits` digits of a number so that they end where `line` ends.
fn put(line: &mut [u8], number: usize, base: usize, digits: usize) {
    let mut rest = number;
    for place in line.iter_mut().rev().take(digits) {
        *place = b"0123456789abcdef"[rest % base];
        rest /= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The test below runs this program once more with this variable, to be the one that is at fault.
    const AT_FAULT: &str = "EVERBOOT_TEST_AT_FAULT";

    #[test]
    #[expect(unsafe_code, reason = "system calls that Linux has no safe form of")]
    fn a_fault_ends_the_process_with_one_line_and_exit_code_1() {
        if std::env::var_os(AT_FAULT).is_some() {
            watch_for_faults(false);
            // SAFETY: raises a signal in this process, which has a handler for it.
            unsafe { libc::raise(libc::SIGILL) };
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "sys::fault::tests::a_fault_ends_the_process_with_one_line_and_exit_code_1"]);
        let output = command.args(["--nocapture"]).env(AT_FAULT, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("everboot: a fault in everboot itself: signal 04 at 0x"), "{text}");
        assert_eq!(output.status.code(), Some(1), "{text}");
    }

    #[test]
    fn a_number_ends_where_the_line_ends() {
        let mut line = *b"x=0000";
        put(&mut line, 0xbeef, 16, 4);
        assert_eq!(&line, b"x=beef");
        put(&mut line[..4], 7, 10, 2);
        assert_eq!(&line, b"x=07ef");
    }
}
