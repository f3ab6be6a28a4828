//! Searches that are put aside in a file, for a longer run.

use anyhow::{Context, Result};
use everboot_crash::explore::Explorer;
use everboot_crash::kept::Kept;
use everboot_crash::starts::POLICY;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct SavedSearch {
    /// Of the program and of the policy: with other ones a machine may behave in another way, and all begins anew.
    program: u64,
    searches: Vec<Kept>,
}

/// Puts searches aside. A cut leaves the file as it was.
pub(crate) fn save(path: &Path, explorers: &[Explorer]) -> Result<()> {
    let saved = SavedSearch { program: program()?, searches: explorers.iter().map(Explorer::keep).collect() };
    let fresh = path.with_added_extension("new");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    fs::write(&fresh, postcard::to_allocvec(&saved)?)
        .with_context(|| format!("write {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("write {}", path.display()))
}

/// The searches that this program put aside with this seed, instead of those that would begin.
pub(crate) fn take_up(path: &Path, begun: Vec<Explorer>) -> Vec<Explorer> {
    let kept = fs::read(path).ok().and_then(|bytes| postcard::from_bytes::<SavedSearch>(&bytes).ok());
    let Some(saved) = kept.filter(|saved| program().is_ok_and(|program| program == saved.program)) else {
        return begun;
    };
    let mut searches = saved.searches;
    let mut exchange = |new: Explorer| {
        let same = |kept: &Kept| kept.scenario == new.scenario.name && kept.seed == new.seed;
        let at = searches.iter().position(same);
        at.and_then(|at| Explorer::take_up(searches.swap_remove(at))).unwrap_or(new)
    };
    begun.into_iter().map(&mut exchange).collect()
}

fn program() -> Result<u64> {
    let path = std::env::current_exe().context("find this program")?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(&path).with_context(|| format!("read {}", path.display()))?);
    hasher.write(format!("{:?}", POLICY.get()).as_bytes());
    Ok(hasher.finish())
}
