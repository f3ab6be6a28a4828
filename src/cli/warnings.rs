//! The log of a verb: warnings on standard error, a line each.

use log::{LevelFilter, Log, Metadata, Record};
use std::io::{Write, stderr};

struct Warnings;

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = record.args().to_string().replace('\n', "; ");
            // That nobody reads it is no reason to stop.
            let _ = writeln!(stderr(), "everboot: warning: {text}");
        }
    }

    fn flush(&self) {}
}

/// Begins. In a process that has a logger already it changes nothing.
pub(crate) fn begin() {
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
