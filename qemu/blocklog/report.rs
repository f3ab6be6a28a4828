//! The report of a campaign.

use super::counts::Counts;
use super::crash_images::Failure;
use super::strip::Strip;
use std::fmt;

/// Failures that are shown.
const SHOWN: usize = 3;

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// What was done.
    pub counts: Counts,
    /// What is wrong, that with the fewest lost sectors first.
    pub failures: Vec<Failure>,
    /// What was asked for and not reached: in the time that there was, or because there is no more.
    pub shortfalls: Vec<String>,
    /// The crash space of each recording.
    pub strips: Vec<Strip>,
    /// The milliseconds of each step.
    pub steps: Vec<(&'static str, u128)>,
}

impl Report {
    /// Whether all was reached, and every promise holds.
    pub fn is_good(&self) -> bool {
        self.failures.is_empty() && self.shortfalls.is_empty()
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
