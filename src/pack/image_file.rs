//! A file in the file system of an image.

use crate::root::FileSystem;
use crate::root::tool::tool;
use anyhow::{Context, Result, anyhow, ensure};
use backhand::{FilesystemReader, InnerNode};
use ext4_view::{Ext4, Ext4Error};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// What an image has at a path.
#[derive(Debug, PartialEq)]
pub(crate) enum ImageFile {
    /// A file with these bytes.
    Text(Vec<u8>),
    /// Something that is longer than asked for, or cannot be looked up here.
    Unread,
    /// Nothing.
    Absent,
}

impl ImageFile {
    /// Looks at an absolute path. A file of more than `longest` bytes is not read.
    pub(crate) fn read(image: &Path, path: &str, longest: u64) -> Result<Self> {
        match FileSystem::of(image)? {
            Some(FileSystem::Ext4) => ext4(image, path, longest).map_err(|error| anyhow!("ext4: {error}")),
            Some(FileSystem::Squashfs) => squashfs(image, path, longest),
            Some(FileSystem::Erofs) => erofs(image, path, longest),
            None => Ok(Self::Unread),
        }
    }
}

fn ext4(image: &Path, path: &str, longest: u64) -> Result<ImageFile, Ext4Error> {
    let fs = Ext4::load_from_path(image)?;
    if !fs.exists(path)? {
        return Ok(ImageFile::Absent);
    }
    let is_long = fs.metadata(path)?.len() > longest;
    if is_long { Ok(ImageFile::Unread) } else { Ok(ImageFile::Text(fs.read(path)?)) }
}

fn squashfs(image: &Path, path: &str, longest: u64) -> Result<ImageFile> {
    let fs = FilesystemReader::from_reader(BufReader::new(File::open(image)?))
        .map_err(|error| anyhow!("squashfs: {error}"))?;
    let found = fs.files().find(|node| node.fullpath == Path::new(path));
    let Some(node) = found else { return Ok(ImageFile::Absent) };
    let InnerNode::File(file) = &node.inner else { return Ok(ImageFile::Unread) };
    let mut text = Vec::new();
    fs.file(file).reader().take(longest + 1).read_to_end(&mut text)?;
    let is_long = text.len() as u64 > longest;
    Ok(if is_long { ImageFile::Unread } else { ImageFile::Text(text) })
}

/// Through dump.erofs of erofs-utils, which ends with 0 also where the path is not there, and writes files out since
/// its version 1.8.
fn erofs(image: &Path, path: &str, longest: u64) -> Result<ImageFile> {
    let dump = |cat: bool| {
        let mut command = tool("dump.erofs", "erofs-utils")?;
        if cat {
            command.arg("--cat");
        }
        command.arg(format!("--path={path}")).arg(image).output().context("run dump.erofs")
    };
    let said = dump(false)?;
    ensure!(said.status.success(), "dump.erofs: {}", String::from_utf8_lossy(&said.stderr).trim());
    if !String::from_utf8_lossy(&said.stdout).contains("regular file") {
        return Ok(ImageFile::Absent);
    }
    let text = dump(true)?;
    let is_read = text.status.success() && (text.stdout.len() as u64) <= longest;
    Ok(if is_read { ImageFile::Text(text.stdout) } else { ImageFile::Unread })
}
