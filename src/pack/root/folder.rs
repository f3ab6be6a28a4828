//! A folder as an archive, by GNU tar: it knows owners, links, devices and extended attributes.

use super::scratch::Scratch;
use super::spool::spool;
use super::tool::{run_from, tool};
use anyhow::{Result, ensure};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Reads all of a folder but what is mounted in it.
pub(crate) fn archive(folder: &Path, scratch: &Scratch) -> Result<Arc<File>> {
    let is_inside = scratch.path(".").canonicalize()?.starts_with(folder.canonicalize()?);
    ensure!(!is_inside, "expected an output outside of the folder, found one in it");
    let mut tar = tool("tar", "tar")?;
    tar.args(["--create", "--file=-", "--format=pax", "--numeric-owner", "--one-file-system"]);
    tar.args(["--xattrs", "--xattrs-include=*"]);
    tar.arg("--directory").arg(folder).arg(".");
    run_from(&mut tar, scratch, |stdout| spool(stdout, scratch))
}
