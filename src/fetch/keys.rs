//! The keys of this machine, as the agent reads them.

use super::problem::{Problem, Result};
use anyhow::{Context, anyhow};
use everboot_core::verbs::Exit;
use everboot_storage::bundle::Keys;
use std::fs;
use std::path::Path;

/// Those of all `.pub` files in a folder, without those of its `.revoked` files. One that cannot be read is left out,
/// and said; a revocation that cannot be read is not.
pub(crate) fn read(folder: &Path) -> Result<Keys> {
    let mut keys = Keys::default();
    let entries = fs::read_dir(folder).with_context(|| format!("read the keys in {}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let is = |end: &str| path.extension().is_some_and(|found| found == end);
        let named = || format!("key {}", path.display());
        let text = || fs::read_to_string(&path).with_context(named);
        if is("revoked") {
            keys.revoke(&text()?).with_context(named)?;
        } else if is("pub")
            && let Err(error) = text().and_then(|text| keys.add(&text).with_context(named))
        {
            eprintln!("everboot-fetch: {error:#}");
        }
    }
    if keys.is_empty() {
        let text = format!("expected a key in {}/*.pub, found none", folder.display());
        return Err(Problem::lasting(Exit::Untrusted, anyhow!(text)));
    }
    Ok(keys)
}
