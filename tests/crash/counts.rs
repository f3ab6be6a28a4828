//! What a search did, in numbers.

use serde::{Deserialize, Serialize};

/// All of it is counted, nothing estimated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Distinct crash images, byte for byte, after recovery ran on each.
    pub states: u64,
    /// Of these: of the weaker profiles, a trashed flash page and a lying device.
    pub weak: u64,
    /// Of these: with copies of the record that were lost by themselves.
    pub lost_copies: u64,
    /// Of these: with a staged bundle that was damaged by itself.
    pub damaged_bundles: u64,
    /// Of these: with one bit of a slot wrong.
    pub spoilt_slots: u64,
    /// Of these: after an I/O error.
    pub faulty: u64,
    /// Crash images that were made, those that were known included.
    pub images: u64,
    /// Of these: seeded samples.
    pub sampled: u64,
    /// Epochs whose subsets were all made.
    pub exhaustive: u64,
    /// Epochs for which only the families and samples were made.
    pub families: u64,
    /// Nodes that were searched from.
    pub nodes: u64,
    /// Acts that were cut.
    pub acts: u64,
    /// Operations that failed.
    pub faults: u64,
    /// Most power cuts on the way to a node.
    pub cuts: u64,
}

impl Counts {
    /// Adds those of another search.
    pub fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.weak += other.weak;
        self.lost_copies += other.lost_copies;
        self.damaged_bundles += other.damaged_bundles;
        self.spoilt_slots += other.spoilt_slots;
        self.faulty += other.faulty;
        self.images += other.images;
        self.sampled += other.sampled;
        self.exhaustive += other.exhaustive;
        self.families += other.families;
        self.nodes += other.nodes;
        self.acts += other.acts;
        self.faults += other.faults;
        self.cuts = self.cuts.max(other.cuts);
    }
}
