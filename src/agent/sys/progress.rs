//! Progress of a long step: one line that is rewritten on a terminal, a few plain lines elsewhere.

use super::output::{Output, print};
use super::terminal;
use std::io::stderr;

/// Columns of the terminal that stderr is, in characters; `None` when it is none. 80 when it does not say.
pub fn terminal_width() -> Option<u16> {
    terminal::columns(stderr())
}

/// What was shown last.
#[derive(Debug)]
pub struct Progress {
    width: Option<u16>,
    shown: Option<u64>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Progress on stderr.
    pub fn new() -> Self {
        Self { width: terminal_width(), shown: None }
    }

    /// Shows `done` of `of` blocks when that is news: every percent on a terminal, every quarter elsewhere.
    pub fn show(&mut self, done: u64, of: u64) {
        let percent = done.saturating_mul(100).checked_div(of).unwrap_or(100).min(100);
        let step = if self.width.is_some() { 1 } else { 25 };
        let news = percent / step * step;
        let last = self.shown.replace(news);
        if last == Some(news) || (self.width.is_none() && news == 0) {
            return;
        }
        let _ = match self.width {
            Some(width) => bar(percent, width, done == of),
            None => print(Output::Message, &format!("{percent} % ({done} of {of} blocks)\n")),
        };
    }
}

fn bar(percent: u64, width: u16, last: bool) -> std::io::Result<()> {
    let width = u64::from(width).clamp(20, 70) - 10;
    let full = (width * percent / 100) as usize;
    let end = if last { "\n" } else { "" };
    let full = "=".repeat(full);
    print(Output::Message, &format!("\r[{full:<0$}] {percent:3} %{end}", width as usize))
}
