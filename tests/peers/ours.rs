//! everboot: `stage` once, then `prepare`, which checks the signature and every block before it is written, reads
//! back what it wrote, and records it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::cost::Cost;
use super::measure;
use super::test_disk::TestDisk;
use super::tool::Tool;
use everboot_builder::command::run;
use everboot_builder::paths;

pub(super) const NAME: &str = "everboot";

pub(super) struct Everboot<'a> {
    test_disk: &'a TestDisk,
    bundle: PathBuf,
    /// The record before the bundle was staged, and with it.
    fresh: Vec<u8>,
    staged: Vec<u8>,
}

impl Everboot<'_> {
    /// With this bundle staged.
    pub(super) fn new<'a>(test_disk: &'a TestDisk, bundle: &Path) -> Result<Everboot<'a>> {
        let fresh = test_disk.record()?;
        run(&mut stage(test_disk, bundle))?;
        Ok(Everboot { test_disk, bundle: bundle.to_path_buf(), fresh, staged: test_disk.record()? })
    }

    /// Brings the bundle onto the machine once more, and checks all of it.
    pub(super) fn stage(&self) -> Result<Cost> {
        paths::remove_tree(&self.test_disk.staging())?;
        self.test_disk.set_record(&self.fresh)?;
        Ok(measure::pipeline(&[stage(self.test_disk, &self.bundle)], self.temp_dir())?.0)
    }
}

fn stage(test_disk: &TestDisk, bundle: &Path) -> Command {
    test_disk.agent(&["stage", &bundle.to_string_lossy()])
}

impl Tool for Everboot<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steps(&self) -> Vec<Command> {
        vec![self.test_disk.agent(&["prepare"])]
    }

    fn temp_dir(&self) -> &Path {
        &self.test_disk.folder
    }

    fn reset(&self) -> Result<()> {
        self.test_disk.set_record(&self.staged)
    }

    fn install(&self) -> Result<Cost> {
        let (cost, said) = measure::pipeline(&self.steps(), self.temp_dir())?;
        ensure!(said.contains(": prepared, "), "prepare said: {said}");
        Ok(cost)
    }

    fn resumes(&self) -> bool {
        true
    }
}
