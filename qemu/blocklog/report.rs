//! The report of a campaign, for people.

use super::{Counts, Report};
use std::fmt;

/// Failures that are shown.
const SHOWN: usize = 3;

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "recorded   {} entries, {} of them flushes; {} barriers were told, {} flushes are missed when taken away",
            self.entries, self.flushes, self.barriers, self.needed
        )?;
        writeln!(
            f,
            "enumerated {} ways in {} epochs, {} of them exhaustively, {} in pieces larger than a sector",
            self.enumerated, self.epochs, self.exhaustive, self.coarse
        )?;
        writeln!(
            f,
            "judged     {} distinct images of {} made, by {} runs of the agent; {} with an unsure write, {} without \
             a staging area; {} damages were seen",
            self.images, self.made, self.agent_runs, self.unsure, self.staging_lost, self.bites
        )?;
        write!(f, "booted     {} images in QEMU; {} kinds of outcomes", self.boots, self.kinds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.counts)?;
        let steps: Vec<_> =
            self.steps.iter().map(|(name, ms)| format!("{name} {:.1} s", *ms as f64 / 1e3)).collect();
        write!(f, "took       {}", steps.join(", "))?;
        for failure in self.failures.iter().take(SHOWN) {
            write!(
                f,
                "\n\nBROKEN {}: {}\n{}replay     ./qemu/faults replay {}",
                failure.violation.invariant, failure.violation.what, failure.picture, failure.address
            )?;
        }
        for shortfall in &self.shortfalls {
            write!(f, "\nSHORT      {shortfall}")?;
        }
        match self.failures.len() {
            0 => write!(f, "\nno promise was broken"),
            count => write!(f, "\n{count} images broke a promise"),
        }
    }
}
