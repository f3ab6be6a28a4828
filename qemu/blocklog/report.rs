//! The report of a campaign.

use super::field::Failure;
use super::strip::Strip;
use serde::Serialize;
use std::fmt;

/// Failures that are shown.
const SHOWN: usize = 3;

/// All of it is counted, nothing estimated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Entries of the logs.
    pub entries: u64,
    /// Of these: flushes.
    pub flushes: u64,
    /// Barriers that the media were told, each of which the disk saw as a flush.
    pub barriers: u64,
    /// Flushes whose absence the comparison notices.
    pub needed: u64,
    /// Epochs with a write.
    pub epochs: u64,
    /// Of these: those whose subsets were all enumerated.
    pub exhaustive: u64,
    /// Of these: with so many sectors that they get lost in larger pieces only.
    pub coarse: u64,
    /// Ways in which they may end.
    pub enumerated: u64,
    /// Images that were made, those that were known included.
    pub made: u64,
    /// Distinct images that were judged.
    pub images: u64,
    /// Of these: with a write that no flush surely covered.
    pub unsure: u64,
    /// Of these: with a staging area that could not be read.
    pub staging_lost: u64,
    /// Damages that no power cut leaves, each of which the judge saw.
    pub bites: u64,
    /// Runs of the agent.
    pub agent_runs: u64,
    /// Kinds of outcomes: recording, phase, what was written, where the boot went.
    pub kinds: u64,
    /// Boots in QEMU.
    pub boots: u64,
}

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
