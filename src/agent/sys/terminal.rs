//! The terminal of a person: one key at a time, and how long to wait for it.
#![allow(unsafe_code)]

use super::ioctl;
use nix::libc::{
    self, ECHO, ICANON, ICRNL, IEXTEN, INLCR, ISIG, IXON, POLLIN, STDIN_FILENO, TCSANOW, VMIN, VTIME, termios,
};
use std::io::{stdin, stdout};

/// The terminal that standard input is. It is left as it was found.
pub struct Terminal {
    before: termios,
}

impl Terminal {
    /// `None` when standard input is none.
    pub fn open() -> Option<Self> {
        // SAFETY: a structure of plain numbers, which the call fills.
        let (before, is_one) = unsafe {
            let mut before: termios = std::mem::zeroed();
            let is_one = libc::tcgetattr(STDIN_FILENO, &raw mut before) == 0;
            (before, is_one)
        };
        is_one.then_some(Self { before })
    }

    /// Hands over each byte at once, shows nothing by itself, and makes no signal of Ctrl-C: process 1 has no
    /// controlling terminal that could.
    pub fn raw(&self) {
        let mut modes = self.before;
        modes.c_lflag &= !(ICANON | ECHO | ISIG | IEXTEN);
        modes.c_iflag &= !(IXON | ICRNL | INLCR);
        modes.c_cc[VMIN] = 1;
        modes.c_cc[VTIME] = 0;
        set(&modes);
    }

    /// As it was found: lines, with their echo.
    pub fn cooked(&self) {
        set(&self.before);
    }

    /// Drops what was typed and not read.
    pub fn forget_input(&self) {
        // SAFETY: a call with numbers only.
        unsafe { libc::tcflush(STDIN_FILENO, libc::TCIFLUSH) };
    }

    /// Its columns, when it understands more than lines: output goes there too, and it is not called dumb.
    /// 80 when it does not say.
    pub fn columns(&self) -> Option<u16> {
        // SAFETY: the text lives as long as nobody changes the environment, which nobody here does.
        let is_dumb = unsafe {
            let kind = libc::getenv(c"TERM".as_ptr());
            !kind.is_null() && libc::strcmp(kind, c"dumb".as_ptr()) == 0
        };
        let columns = ioctl::columns(&stdout()).filter(|_| !is_dumb)?;
        Some(if columns == 0 { 80 } else { columns })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.cooked();
    }
}

/// What was typed ahead is kept. Nothing is waited for: output may have been stopped for ever. A terminal that is
/// gone ends the input soon enough.
fn set(modes: &termios) {
    // SAFETY: the call reads a structure that lives.
    unsafe { libc::tcsetattr(STDIN_FILENO, TCSANOW, modes) };
}

/// Takes from Ctrl-S, which may be noise on a serial line, the power to stop our output, and with it the boot.
pub(super) fn never_stop_output() {
    if let Some(mut terminal) = Terminal::open() {
        terminal.before.c_iflag &= !IXON;
        terminal.cooked();
    }
}

/// Whether standard input has something to read, or ended, within so many milliseconds.
pub fn wait_for_input(ms: u64) -> bool {
    // A clock that is held meanwhile was left running with 10 s at least, the least that `watchdog =` takes.
    const LONGEST: u64 = 4000;
    let mut left = ms;
    loop {
        super::pet_watchdog();
        let mut wanted = libc::pollfd { fd: STDIN_FILENO, events: POLLIN, revents: 0 };
        let now = left.min(LONGEST);
        // SAFETY: one structure, alive for the call. A signal ends the wait early: the caller looks at the clock.
        let found = unsafe { libc::poll(&raw mut wanted, 1, now as libc::c_int) > 0 };
        left -= now;
        if found || left == 0 {
            return found;
        }
    }
}

/// Reads a byte of standard input; nothing when it ended, or failed.
pub fn read_byte() -> Option<u8> {
    let mut byte = [0];
    rustix::io::read(stdin(), &mut byte).is_ok_and(|count| count == 1).then_some(byte[0])
}
