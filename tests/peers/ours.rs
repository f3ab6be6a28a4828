//! everboot: `stage` once, then `prepare`, which checks the signature and every block before it is written, reads
//! back what it wrote, and records it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::cost::Cost;
use super::ground::Ground;
use super::measure;
use super::tool::Tool;
use everboot_builder::command::run;
use everboot_builder::paths;

pub(super) const NAME: &str = "everboot";

pub(super) struct Everboot<'a> {
    ground: &'a Ground,
    bundle: PathBuf,
    /// The record before the bundle was staged, and with it.
    fresh: Vec<u8>,
    staged: Vec<u8>,
}

impl Everboot<'_> {
    /// With this bundle staged.
    pub(super) fn new<'a>(ground: &'a Ground, bundle: &Path) -> Result<Everboot<'a>> {
        let fresh = ground.record()?;
        run(&mut stage(ground, bundle))?;
        Ok(Everboot { ground, bundle: bundle.to_path_buf(), fresh, staged: ground.record()? })
    }

    /// Brings the bundle onto the machine once more, and checks all of it.
    pub(super) fn stage(&self) -> Result<Cost> {
        paths::remove_tree(&self.ground.staging())?;
        self.ground.set_record(&self.fresh)?;
        Ok(measure::pipeline(&[stage(self.ground, &self.bundle)], self.scratch())?.0)
    }
}

fn stage(ground: &Ground, bundle: &Path) -> Command {
    ground.agent(&["stage", &bundle.to_string_lossy()])
}

impl Tool for Everboot<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steps(&self) -> Vec<Command> {
        vec![self.ground.agent(&["prepare"])]
    }

    fn scratch(&self) -> &Path {
        &self.ground.folder
    }

    fn reset(&self) -> Result<()> {
        self.ground.set_record(&self.staged)
    }

    fn install(&self) -> Result<Cost> {
        let (cost, said) = measure::pipeline(&self.steps(), self.scratch())?;
        ensure!(said.contains(": prepared, "), "prepare said: {said}");
        Ok(cost)
    }

    fn resumes(&self) -> bool {
        true
    }
}
