//! How an image is called, so that it can be made again.

use super::image::Coverage;
use std::fmt;

/// An image by its place in the enumeration: `running/sure/12/345/1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The recording.
    pub recording: String,
    /// How far its flushes are believed.
    pub coverage: Coverage,
    /// The number of the epoch.
    pub epoch: usize,
    /// The number of the loss.
    pub way: usize,
    /// What all chance comes from.
    pub seed: u64,
}

/// Both, with their names.
pub const COVERAGES: [(Coverage, &str); 2] = [(Coverage::All, "sure"), (Coverage::AllButLast, "unsure")];

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let coverage = COVERAGES.iter().find(|(coverage, _)| *coverage == self.coverage);
        let coverage = coverage.map_or("", |(_, name)| name);
        write!(f, "{}/{coverage}/{}/{}/{}", self.recording, self.epoch, self.way, self.seed)
    }
}

impl Address {
    /// Reads what [`Address`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        let [recording, coverage, epoch, way, seed] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        let coverage = COVERAGES.iter().find(|(_, name)| *name == coverage)?.0;
        let (epoch, way, seed) = (epoch.parse().ok()?, way.parse().ok()?, seed.parse().ok()?);
        Some(Self { recording: recording.to_owned(), coverage, epoch, way, seed })
    }
}
