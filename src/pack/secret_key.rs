//! The secret key that signs: `image`, `endorse` and `channel` read it.

use anyhow::{Context, Result, anyhow};
use everboot_storage::bundle::sign::Signer;
use std::fs;
use std::path::Path;

/// A secret key, whose password is asked for if it has one.
pub(crate) fn read_key(path: &Path) -> Result<Signer> {
    let text = fs::read_to_string(path).with_context(|| format!("read key {}", path.display()))?;
    Signer::parse(&text).map_err(|error| anyhow!("key {}: {error}", path.display()))
}
