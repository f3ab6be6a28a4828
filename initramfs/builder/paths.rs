//! Where things are: the repository, the generated `out/`, and the locks that let several
//! processes share it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository's root.
pub fn repo() -> &'static Path {
    // Two folders below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"))
}

/// A path under `out/`. Its folder exists when this returns.
pub fn out(name: &str) -> Result<PathBuf> {
    let path = repo().join("out").join(name);
    let folder = path.parent().context("a path under out/ has a parent")?;
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(path)
}

/// An empty folder under `out/work/`, the caller's own.
pub fn work(name: &str) -> Result<PathBuf> {
    let path = out(&format!("work/{name}"))?;
    remove_tree(&path)?;
    fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
    Ok(path)
}

/// Removes a folder with all it holds; that it is not there is fine.
pub fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Waits until no other process or thread makes `name`; the lock ends with the file's life.
pub fn lock(name: &str) -> Result<File> {
    let path = out(&format!("locks/{name}"))?;
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.lock().with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Makes a file hold these bytes, without a moment in which it holds others.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let _one_at_a_time = lock("replace")?;
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let fresh = path.with_added_extension("new");
    fs::write(&fresh, bytes).with_context(|| format!("write {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("replace {}", path.display()))
}

/// Finds a program as a shell would, and also where only root's PATH looks.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
