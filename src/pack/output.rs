//! An output file that gets its name only when it is complete.

use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file under a temporary name beside its own; it is removed unless it is finished.
pub(crate) struct Output {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl Output {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let temporary = temporary(path)?;
        let file = File::create(&temporary).with_context(|| format!("create {}", temporary.display()))?;
        Ok(Self { file, temporary, path: path.to_owned(), finished: false })
    }

    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).with_context(|| format!("write {}", self.temporary.display()))
    }

    /// Gives the file this length, makes it durable, and names it.
    pub(crate) fn finish(mut self, len: u64) -> Result<()> {
        let named = || format!("finish {}", self.path.display());
        self.file.set_len(len).with_context(named)?;
        self.file.sync_all().with_context(named)?;
        fs::rename(&self.temporary, &self.path).with_context(named)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The name of the file until it is complete. What is there already may be replaced only if it is a file: a name
/// in /dev would not be the device any more.
pub(crate) fn temporary(path: &Path) -> Result<PathBuf> {
    let is_other = fs::metadata(path).is_ok_and(|there| !there.is_file());
    ensure!(
        !is_other,
        "{}: expected a file, found a device or a folder; make a file, then copy it",
        path.display()
    );
    let mut name = path.file_name().context("the output needs a file name")?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(name))
}
