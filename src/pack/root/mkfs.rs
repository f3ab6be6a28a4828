//! A tree as the image of a file system, made by the file system's own tools. The same tree gives the same bytes.
//!
//! squashfs is made from a stream; for the others the tree is unpacked first. Of a file with several extended
//! attributes an erofs tells them in the order of the file system that it was unpacked on, if that has one of
//! its own.

use super::entry::ATTRIBUTE;
use super::file_system::{FileSystem, Fixed, Options};
use super::stream;
use super::temp_dir::TempDir;
use super::tool::{gathered, run_on, tool};
use super::tree::Tree;
use super::unpack::{folder, unpacked};
use super::{ext4, name};
use anyhow::{Context, Result, ensure};
use everboot_core::slot::Uuid;
use std::path::{Path, PathBuf};

/// Makes the image, in the scratch folder.
pub(crate) fn make(tree: &Tree, options: Options, temp_dir: &TempDir) -> Result<PathBuf> {
    ensure!(
        options.kind == FileSystem::Ext4 || (!options.open && options.size.is_none()),
        "--open and --size are for ext4: {:?} cannot be written to, and is as large as its content",
        options.kind
    );
    let image = temp_dir.path("image");
    let time = time(tree)?;
    let fixed = Fixed { uuid: uuid(stream::digest(tree, time)?), time };
    match options.kind {
        FileSystem::Ext4 => ext4::make(tree, options, &fixed, &image, temp_dir)?,
        FileSystem::Squashfs => squashfs(tree, time, &image, temp_dir)?,
        FileSystem::Erofs => {
            let mut mkfs = tool("mkfs.erofs", "erofs-utils")?;
            mkfs.env("SOURCE_DATE_EPOCH", time.to_string());
            mkfs.arg("--quiet").arg(format!("-U{}", fixed.uuid)).arg(&image).arg(folder(temp_dir));
            unpacked(tree, fixed.time, temp_dir, &mkfs).context("make an erofs")?;
        }
    }
    Ok(image)
}

/// SOURCE_DATE_EPOCH, or the newest time in the tree. Never 0, which the tools take for none.
fn time(tree: &Tree) -> Result<u32> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        let seconds = given.parse::<i32>().ok().filter(|seconds| *seconds > 0);
        let expected = || format!("SOURCE_DATE_EPOCH: expected seconds since 1970, found {given:?}");
        return Ok(seconds.with_context(expected)? as u32);
    }
    let mut newest = 1;
    tree.visit(&mut |visit| {
        newest = newest.max(visit.node.meta.time);
        Ok(())
    })?;
    Ok(newest)
}

/// A UUID of the form for such as are made of a content's sum (RFC 9562, version 8).
fn uuid(digest: [u8; 32]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid(bytes)
}

fn squashfs(tree: &Tree, time: u32, image: &Path, temp_dir: &TempDir) -> Result<()> {
    check_squashfs(tree)?;
    let mut command = tool("tar2sqfs", "squashfs-tools-ng")?;
    command.env("SOURCE_DATE_EPOCH", time.to_string());
    command.args(["--quiet", "--no-skip", "--compressor", "zstd"]).arg(image);
    run_on(&mut command, temp_dir, |stdin| stream::write(tree, time, gathered(stdin)))
        .context("make a squashfs")
}

/// What squashfs has no place for is refused, not left out.
fn check_squashfs(tree: &Tree) -> Result<()> {
    const KEPT: [&str; 3] = ["user.", "trusted.", "security."];
    tree.visit(&mut |visit| {
        for key in visit.node.meta.attributes.keys() {
            let attribute = key.trim_start_matches(ATTRIBUTE);
            let named = name::show(visit.path);
            let is_kept = KEPT.iter().any(|kept| attribute.starts_with(kept));
            ensure!(is_kept, "/{named}: squashfs has no place for {attribute}; choose ext4 or erofs");
        }
        Ok(())
    })
}
