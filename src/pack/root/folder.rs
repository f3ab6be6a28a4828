//! A folder as an archive, by GNU tar: it knows owners, links, devices and extended attributes.

use super::spool::spool;
use super::temp_dir::TempDir;
use super::tool::{run_from, tool};
use anyhow::{Result, ensure};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Reads all of a folder but what is mounted in it.
pub(crate) fn archive(folder: &Path, temp_dir: &TempDir) -> Result<Arc<File>> {
    let is_inside = temp_dir.path(".").canonicalize()?.starts_with(folder.canonicalize()?);
    ensure!(!is_inside, "expected an output outside of the folder, found one in it");
    let mut tar = tool("tar", "tar")?;
    tar.args(["--create", "--file=-", "--format=pax", "--numeric-owner", "--one-file-system"]);
    tar.args(["--xattrs", "--xattrs-include=*"]);
    tar.arg("--directory").arg(folder).arg(".");
    run_from(&mut tar, temp_dir, |stdout| spool(stdout, temp_dir))
}
