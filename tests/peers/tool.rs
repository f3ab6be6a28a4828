//! What the benchmark knows of a tool.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cost::Cost;
use super::measure;

/// A tool that brings an image into the slot.
pub(super) trait Tool {
    /// What it is called in the tables.
    fn name(&self) -> &'static str;

    /// The programs of one install, connected by pipes.
    fn steps(&self) -> Vec<Command>;

    /// A folder for notes.
    fn temp_dir(&self) -> &Path;

    /// Makes what an install leaves behind beside the slot as it was before. Not measured.
    fn reset(&self) -> Result<()> {
        Ok(())
    }

    /// One install, measured.
    fn install(&self) -> Result<Cost> {
        Ok(measure::pipeline(&self.steps(), self.temp_dir())?.0)
    }

    /// Whether what is left of an install that was killed half-way takes less than a new one: it is measured then.
    fn resumes(&self) -> bool {
        false
    }
}
