//! A temporary folder beside the output; removed at the end.

use anyhow::{Context, Result};
use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub(crate) struct TempDir {
    folder: PathBuf,
    files: Cell<u32>,
}

impl TempDir {
    /// Beside the output: what has room for a bundle has room for what it is made of, and memory need not.
    pub(crate) fn beside(output: &Path) -> Result<Self> {
        let mut name = output.file_name().context("the output needs a file name")?.to_owned();
        name.push(format!(".{}.work", std::process::id()));
        // Absolute: tools are called in other folders.
        let folder = std::path::absolute(output.with_file_name(name))?;
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder, files: Cell::new(0) })
    }

    /// A path for something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A new file, which has a number.
    pub(crate) fn file(&self) -> Result<File> {
        let number = self.files.replace(self.files.get() + 1);
        let path = self.path(&format!("file-{number}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        file.with_context(|| format!("create {}", path.display()))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
