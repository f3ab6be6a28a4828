//! The newest list of each channel that this machine has seen: it refuses an older one.
//!
//! A file with the serial of each channel by name. One that cannot be read is as if nothing had been seen: a machine
//! that cannot write there any more must still get its updates.

use super::problem::{Problem, Result};
use anyhow::{Context, anyhow};
use everboot_core::channel::Channel;
use everboot_core::verbs::Exit;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Refuses a list that is older than one that was seen, and remembers a newer one.
pub(crate) fn advance(path: &Path, channel: &Channel) -> Result<()> {
    let mut seen: BTreeMap<String, u64> =
        fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let last = seen.get(&channel.name).copied().unwrap_or(0);
    if channel.serial < last {
        let Channel { name, serial, .. } = channel;
        let text = format!("the list {name} is older than one seen before: serial {serial}, not {last}");
        return Err(Problem::lasting(Exit::Refused, anyhow!(text)));
    }
    if channel.serial > last {
        seen.insert(channel.name.clone(), channel.serial);
        save(path, &serde_json::to_vec(&seen).unwrap_or_default())
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The old content, or the new one, whenever power fails.
fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_added_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)
}
