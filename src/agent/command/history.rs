//! `log`: what happened, newest last.

use crate::runtime::text::list;
use everboot_core::quoted::Escaped;
use everboot_core::record::history::Entry;
use everboot_core::wall_clock::WallClock;
use serde::Serialize;
use std::fmt::Write;

/// What `log --json` prints, in one line. Keys are stable.
#[derive(Debug, Serialize)]
pub struct LogReport {
    /// The history beside the record, oldest first.
    pub(crate) history: Vec<Event>,
    /// What everboot said in the kernel's log since this machine started; null for a disk image in a file.
    pub(crate) this_run: Option<Vec<String>>,
}

/// An entry of the history.
#[derive(Debug, Serialize)]
pub struct Event {
    /// Its number; it goes up by one with each entry.
    pub(crate) sequence: u64,
    #[serde(skip)]
    clock: WallClock,
    /// Seconds since 1970-01-01 00:00:00 UTC, as the clock of the machine showed them.
    pub(crate) time: u64,
    /// Whether somebody had set that clock.
    pub(crate) clock_set: bool,
    /// The kernel's id of the boot; null when it is not known.
    pub(crate) boot_id: Option<String>,
    /// Version of the everboot that wrote it.
    pub(crate) program: String,
    /// `boot`, `update` or `verb`; `kind N` for one that a newer everboot wrote.
    pub(crate) kind: String,
    /// Lines; the first says all that matters.
    pub(crate) text: String,
}

impl Event {
    /// What an entry says.
    pub(crate) fn new(entry: &Entry) -> Self {
        let clock = entry.stamp.clock;
        Self {
            sequence: entry.sequence,
            clock,
            time: clock.seconds(),
            clock_set: clock.is_set(),
            boot_id: entry.stamp.boot.map(|boot| boot.to_string()),
            program: entry.stamp.program.clone(),
            kind: entry.kind.to_string(),
            text: entry.text.clone(),
        }
    }

    /// When it was, in as many columns as a time has.
    pub(crate) fn when(&self) -> String {
        format!("{:19}", self.clock.to_string())
    }

    /// Its lines, for a terminal; at least one.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.text.lines().map(|line| Escaped(line).to_string()).collect();
        if lines.is_empty() {
            lines.push("-".to_owned());
        }
        lines
    }

    /// By what it was written, and in which boot.
    fn origin(&self) -> String {
        let boot = self.boot_id.as_ref().map_or(String::new(), |boot| format!(", boot {boot}"));
        format!("everboot {}{boot}", Escaped(&self.program))
    }
}

impl LogReport {
    /// The lines. Boot and program stand above the first entry of each.
    pub fn text(&self) -> String {
        let (mut out, mut origin) = (String::new(), String::new());
        for event in &self.history {
            if event.origin() != origin {
                origin = event.origin();
                let _ = writeln!(out, "-- {origin}");
            }
            let (mut when, mut kind) = (event.when(), event.kind.as_str());
            for line in event.lines() {
                let _ = writeln!(out, "{when:19}  {kind:10} {line}");
                (when, kind) = (String::new(), "");
            }
        }
        if let Some(said) = &self.this_run {
            list(&mut out, "this run", said, "nothing");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everboot_core::record::history::{Kind, Stamp};
    use everboot_core::slot::Uuid;

    fn event(clock: WallClock, boot: u8, kind: Kind, text: &str) -> Event {
        let stamp = Stamp { clock, boot: Some(Uuid([boot; 16])), program: "0.1.0".into() };
        Event::new(&Entry { sequence: 1, stamp, kind, text: text.into() })
    }

    #[test]
    fn the_log_says_when_and_in_which_boot() {
        let history = vec![
            event(WallClock::NotSet(60), 1, Kind::Boot, "slot-b: trial\nslot-a: \u{1b}[2Jgone"),
            event(WallClock::Set(1_796_040_191), 1, Kind::Verb, "slot-b: confirmed"),
            event(WallClock::Set(1_796_040_251), 2, Kind::Other(7), ""),
        ];
        let text = LogReport { history, this_run: None }.text();
        let expected = r"-- everboot 0.1.0, boot 01010101-0101-0101-0101-010101010101
clock not set        boot       slot-b: trial
                                slot-a: \u{1b}[2Jgone
2026-11-30 12:03:11  verb       slot-b: confirmed
-- everboot 0.1.0, boot 02020202-0202-0202-0202-020202020202
2026-11-30 12:04:11  kind 7     -
";
        assert_eq!(text, expected);
    }
}
