//! A search that is put aside, and taken up again by a longer one.
//!
//! Disks are not kept: the way to each node is, and leads to the same disk again.

use super::counts::Counts;
use super::oracle::Outcome;
use super::strip::Strip;
use serde::{Deserialize, Serialize};

/// The search of one scenario.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub scenario: String,
    pub seed: u64,
    pub counts: Counts,
    pub strips: Vec<Strip>,
    /// Nodes that wait.
    pub queue: Vec<KeptNode>,
    /// Each step with the number of the one before it; the first have none.
    pub trails: Vec<(Option<u64>, String)>,
    /// Normal forms that are known.
    pub nodes: Vec<u64>,
    /// Images that were checked, and whether as ones that a sound device may leave.
    pub images: Vec<(u64, Outcome, bool)>,
}

/// A node that waits.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptNode {
    /// Its last step; the start has none.
    pub trail: Option<u64>,
    pub cuts: u64,
    pub had_fault: bool,
}
