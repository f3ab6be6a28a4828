//! Standard input and output as a person's console: bytes with a deadline, the countdown, the password.

use super::keys::{Decoder, Key};
use crate::sys::{Output, Terminal, monotonic_ms, print, read_byte, wait_for_input};
use everboot_core::password::Hash;

/// How often a password may be wrong.
const ATTEMPTS: u32 = 3;
/// Milliseconds after each wrong one.
const DELAY: u64 = 3000;
/// Milliseconds that there are at least to type it.
const TIME: u64 = 60_000;
/// Longest password in bytes.
const LONGEST: usize = 200;

/// What came of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// A byte.
    Byte(u8),
    /// Nothing until the deadline.
    Nothing,
    /// There is no more.
    End,
}

/// A console.
pub(crate) struct Console {
    /// What standard input is, if it is a terminal.
    pub(crate) terminal: Option<Terminal>,
    /// Its columns, if it understands more than lines.
    pub(crate) columns: Option<u16>,
    decoder: Decoder,
}

impl Console {
    /// As it is.
    pub(crate) fn open() -> Self {
        let terminal = Terminal::open();
        let columns = terminal.as_ref().and_then(Terminal::columns);
        Self { terminal, columns, decoder: Decoder::default() }
    }

    /// Each byte at once, and no echo.
    pub(crate) fn raw(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.raw();
        }
    }

    /// Lines with their echo, as commands expect it.
    pub(crate) fn cooked(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.cooked();
        }
    }

    /// The next byte, if it comes before `until`.
    pub(crate) fn hear(&self, until: u64) -> Input {
        if !wait_for_input(until.saturating_sub(monotonic_ms())) {
            return Input::Nothing;
        }
        // One at a time: what is typed ahead may be for a program that is run next.
        read_byte().map_or(Input::End, Input::Byte)
    }

    /// The key that a byte completes.
    pub(crate) fn key(&mut self, byte: u8) -> Option<Key> {
        self.decoder.feed(byte)
    }

    /// Counts down to `end`. With `ears` a key stops it, and is forgotten with what came along: whether one did.
    pub(crate) fn count_down(&mut self, next: &str, end: u64, ears: bool) -> bool {
        self.raw();
        let mut ears = ears;
        let mut said = None;
        let stopped = loop {
            let now = monotonic_ms();
            let left = end.saturating_sub(now).div_ceil(1000);
            if said != Some(left) {
                self.show_left(next, left, said.is_none());
                said = Some(left);
            }
            if left == 0 {
                break false;
            }
            let until = end - (left - 1) * 1000;
            match if ears { self.hear(until) } else { sleep_until(until) } {
                Input::Byte(_) => break true,
                Input::End => ears = false,
                Input::Nothing => {}
            }
        };
        if let Some(terminal) = self.terminal.as_ref().filter(|_| stopped) {
            terminal.forget_input();
        }
        if self.columns.is_some() {
            say("\n");
        }
        self.cooked();
        stopped
    }

    /// In place on a terminal, every ten seconds elsewhere.
    fn show_left(&self, next: &str, left: u64, is_first: bool) {
        match self.columns {
            Some(columns) => {
                let line: String =
                    format!("in {left} s: {next}").chars().take(columns as usize - 1).collect();
                say(&format!("\r{line}\x1b[K"));
            }
            None if is_first || left.is_multiple_of(10) => say(&format!("in {left} s: {next}\n")),
            None => {}
        }
    }

    /// Asks for the password, a few times and until `end`: whether it was right. `end` is put off once, so that
    /// there is time to type; it never waits for ever.
    pub(crate) fn admits(&mut self, hash: &Hash, end: &mut u64) -> bool {
        *end = (*end).max(monotonic_ms() + TIME);
        self.raw();
        let mut admitted = false;
        for _ in 0..ATTEMPTS {
            say("password: ");
            let password = self.password(*end);
            say("\n");
            let Some(password) = password else { break };
            if hash.fits(&password) {
                admitted = true;
                break;
            }
            sleep_until((monotonic_ms() + DELAY).min(*end));
            say("wrong\n");
        }
        self.cooked();
        admitted
    }

    /// A line that is not shown; absent when it does not end in time.
    fn password(&mut self, end: u64) -> Option<Vec<u8>> {
        let mut typed = String::new();
        loop {
            match self.hear(end) {
                Input::Byte(byte) => match self.key(byte) {
                    Some(Key::Char(c)) if typed.len() < LONGEST => typed.push(c),
                    Some(Key::Backspace) => drop(typed.pop()),
                    Some(Key::CutLeft | Key::Cancel) => typed.clear(),
                    Some(Key::Enter) => return Some(typed.into_bytes()),
                    _ => {}
                },
                Input::Nothing if monotonic_ms() < end => {}
                Input::Nothing | Input::End => return None,
            }
        }
    }
}

/// Prints. A console that is gone is no reason to stop.
pub(crate) fn say(text: &str) {
    let _ = print(Output::Answer, text);
}

fn sleep_until(end: u64) -> Input {
    std::thread::sleep(std::time::Duration::from_millis(end.saturating_sub(monotonic_ms())));
    Input::Nothing
}
