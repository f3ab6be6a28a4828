//! What a campaign did, in numbers.

use serde::Serialize;
use std::fmt;

/// All of it is counted, nothing estimated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Entries of the logs.
    pub entries: u64,
    /// Of these: flushes.
    pub flushes: u64,
    /// Barriers of the flow, each of which the disk saw as a flush.
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
    /// Distinct images that were checked.
    pub images: u64,
    /// Of these: with a write that no flush surely covered.
    pub unsure: u64,
    /// Of these: with a staging area that could not be read.
    pub staging_lost: u64,
    /// Planted corruptions that no power cut leaves, each of which the oracle found.
    pub damages_seen: u64,
    /// Runs of the agent.
    pub agent_runs: u64,
    /// Kinds of outcomes: recording, phase, what was written, where the boot went.
    pub kinds: u64,
    /// Boots in QEMU.
    pub boots: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "recorded   {} entries, {} of them flushes; {} barriers in the flow, {} flushes are missed when taken away",
            self.entries, self.flushes, self.barriers, self.needed
        )?;
        writeln!(
            f,
            "enumerated {} ways in {} epochs, {} of them exhaustively, {} in pieces larger than a sector",
            self.enumerated, self.epochs, self.exhaustive, self.coarse
        )?;
        writeln!(
            f,
            "checked    {} distinct images of {} made, by {} runs of the agent; {} with an unsure write, {} without \
             a staging area; {} planted corruptions were found",
            self.images, self.made, self.agent_runs, self.unsure, self.staging_lost, self.damages_seen
        )?;
        write!(f, "booted     {} images in QEMU; {} kinds of outcomes", self.boots, self.kinds)
    }
}
