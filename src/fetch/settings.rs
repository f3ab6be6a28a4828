//! What the owner says of this machine: its configuration.

use super::problem::Result;
use anyhow::Context;
use everboot_core::config::Config;
use everboot_fetch::arguments::Arguments;
use std::fs;
use std::path::Path;

/// The configuration.
pub(crate) fn config(folder: &Path) -> Result<Config> {
    let path = folder.join("everboot.conf");
    let named = || path.display().to_string();
    let text = fs::read_to_string(&path).with_context(named)?;
    Ok(Config::parse(&text).with_context(named)?)
}

/// The machine type, in the configuration unless somebody says it.
pub(crate) fn machine_type(arguments: &Arguments) -> Result<String> {
    match &arguments.compatible {
        Some(compatible) => Ok(compatible.clone()),
        None => match config(&arguments.config) {
            Ok(config) => Ok(config.compatible),
            Err(problem) => Err(problem.context("expected the machine type; --compatible TYPE says it")),
        },
    }
}
