//! Configuration and keys, read as the agent reads them. The agent goes on with defaults where this
//! program has to stop: a wrong machine type fetches the wrong bundle.

use super::problem::{Problem, Result};
use anyhow::{Context, Error, anyhow};
use everboot_agent::settings::{KeyFiles, read_config};
use everboot_core::config::Config;
use everboot_core::verbs::Exit;
use everboot_fetch::arguments::Arguments;
use everboot_storage::bundle::Keys;
use std::path::Path;

/// The configuration.
pub(crate) fn config(folder: &Path) -> Result<Config> {
    Ok(read_config(&folder.join("everboot.conf")).map_err(Error::msg)?)
}

/// The machine type, in the configuration unless somebody says it.
pub(crate) fn machine_type(arguments: &Arguments) -> Result<String> {
    match &arguments.compatible {
        Some(compatible) => Ok(compatible.clone()),
        None => match config(&arguments.config) {
            Ok(config) => Ok(config.compatible),
            Err(problem) => Err(problem.context("the machine type is not known; give --compatible TYPE")),
        },
    }
}

/// The keys in a folder. A key that cannot be read is left out, and said. A revocation that cannot be read is an error:
/// what is read from the network must not be trusted by a key that perhaps was stolen.
pub(crate) fn keys(folder: &Path) -> Result<Keys> {
    let files = KeyFiles::read(folder).with_context(|| format!("read the keys in {}", folder.display()))?;
    for why in &files.warnings {
        eprintln!("everboot-fetch: key {why}");
    }
    if let Some(why) = files.revocation_fault {
        return Err(anyhow!("key {why}").into());
    }
    if files.keys.is_empty() {
        let folder = folder.display();
        let text =
            format!("there is no key in {folder}/*.pub, so nothing is trusted; copy the public key there");
        return Err(Problem::lasting(Exit::Untrusted, anyhow!(text)));
    }
    Ok(files.keys)
}
