//! The terminal of a person: one key at a time, and how long to wait for it.

use super::watchdog::pet_watchdog;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetwinsize, tcsetattr,
};
use std::os::fd::AsFd;

/// The terminal that standard input is. It is left as it was found.
pub struct Terminal {
    before: Termios,
}

impl Terminal {
    /// `None` when standard input is none.
    pub fn open() -> Option<Self> {
        Some(Self { before: tcgetattr(stdin()).ok()? })
    }

    /// Hands over each byte at once, shows nothing by itself, and makes no signal of Ctrl-C: process 1 has no
    /// controlling terminal that could.
    pub fn raw(&self) {
        let mut modes = self.before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        modes.input_modes -= InputModes::IXON | InputModes::ICRNL | InputModes::INLCR;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        set(&modes);
    }

    /// As it was found: lines, with their echo.
    pub fn cooked(&self) {
        set(&self.before);
    }

    /// Drops what was typed and not read.
    pub fn forget_input(&self) {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    /// Its columns, when it understands more than lines: output goes there too, and it is not called dumb.
    /// 80 when it does not say.
    pub fn columns(&self) -> Option<u16> {
        let is_dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        columns(stdout()).filter(|_| !is_dumb)
    }
}

/// Columns of the terminal that `out` is, 80 when it does not say; `None` when it is none.
pub(super) fn columns(out: impl AsFd) -> Option<u16> {
    match tcgetwinsize(out).ok()?.ws_col {
        0 => Some(80),
        columns => Some(columns),
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.cooked();
    }
}

/// What was typed ahead is kept. Nothing is waited for: output may have been stopped for ever. A terminal that is
/// gone ends the input soon enough.
fn set(modes: &Termios) {
    let _ = tcsetattr(stdin(), OptionalActions::Now, modes);
}

/// Takes from Ctrl-S, which may be noise on a serial line, the power to stop our output, and with it the boot.
pub(super) fn never_stop_output() {
    if let Some(mut terminal) = Terminal::open() {
        terminal.before.input_modes -= InputModes::IXON;
        terminal.cooked();
    }
}

/// Whether standard input has something to read, or ended, within so many milliseconds.
pub fn wait_for_input(ms: u64) -> bool {
    // A clock that is held meanwhile was left running with 10 s at least, the least that `watchdog =` takes.
    const LONGEST: u64 = 4000;
    let mut left = ms;
    loop {
        pet_watchdog();
        let now = left.min(LONGEST);
        let timeout = Timespec { tv_sec: (now / 1000) as i64, tv_nsec: (now % 1000 * 1_000_000) as _ };
        let input = stdin();
        // A signal ends the wait early: the caller looks at the clock.
        let found =
            poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&timeout)).is_ok_and(|count| count > 0);
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, openpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    #[test]
    fn a_terminal_that_does_not_say_its_width_has_80_columns() {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        assert_eq!(columns(&terminal), Some(80));
        let size = Winsize { ws_row: 24, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        assert_eq!(columns(&terminal), Some(132));
    }

    #[test]
    fn a_file_has_no_columns() {
        assert_eq!(columns(std::fs::File::open("/dev/null").unwrap()), None);
    }
}
