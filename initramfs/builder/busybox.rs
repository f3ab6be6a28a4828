//! A shell for initramfs images.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{elf, paths};

/// The host's busybox, which must be the static one.
pub fn program() -> Result<PathBuf> {
    let path = paths::program("busybox").context("busybox is not installed")?;
    let linkage = elf::linkage(&fs::read(&path)?)?;
    ensure!(linkage.is_static(), "{} is not static: install Debian package busybox-static", path.display());
    Ok(path)
}
