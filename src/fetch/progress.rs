//! How far a download is: a bar on a terminal, a few plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

pub(crate) enum Progress {
    None,
    Bar(ProgressBar),
    /// Which quarter was printed last.
    Lines(u64),
}

impl Progress {
    pub(crate) fn new(is_wanted: bool) -> Self {
        match (is_wanted, stderr().is_terminal()) {
            (false, _) => Self::None,
            (true, true) => Self::Bar(ProgressBar::no_length()),
            (true, false) => Self::Lines(0),
        }
    }

    /// Shows `done` bytes of `total`, where that is known.
    pub(crate) fn show(&mut self, done: u64, total: Option<u64>) {
        match self {
            Self::None => {}
            Self::Bar(bar) => {
                if bar.length() != total || bar.position() == 0 || bar.is_finished() {
                    begin(bar, done, total);
                }
                bar.set_position(done);
            }
            Self::Lines(printed) => {
                let quarter = total.map_or(0, |total| done.saturating_mul(4) / total.max(1));
                if quarter > *printed {
                    *printed = quarter;
                    eprintln!("{} % ({done} of {} bytes)", quarter * 25, total.unwrap_or(done));
                }
            }
        }
    }

    /// It is done, or something else is said.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// The style comes first: whatever is set draws the bar anew.
fn begin(bar: &ProgressBar, done: u64, total: Option<u64>) {
    let template = match total {
        Some(_) => "{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {binary_bytes_per_sec}",
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    if let Some(total) = total {
        bar.set_length(total);
    }
    bar.reset();
    // What was there before is not our speed.
    bar.set_position(done);
    bar.reset_eta();
}
