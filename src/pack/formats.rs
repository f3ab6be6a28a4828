//! Which format versions the everboot in an image reads and writes: the file that its package brings says so.
//!
//! A manifest that does not say it is as good as another one, and only `everboot record upgrade` asks for it. So what
//! cannot be looked up is left out, and nothing fails here.

use crate::root::FileSystem;
use crate::root::tool::tool;
use anyhow::{Context, Result, anyhow, ensure};
use backhand::{FilesystemReader, InnerNode};
use everboot_core::format_versions::PATH;
use ext4_view::{Ext4, Ext4Error};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The program whose formats they are.
const PROGRAM: &str = "/usr/bin/everboot";
/// More is not read, in bytes.
const LONGEST: u64 = 4096;

/// What an image has of everboot.
#[derive(Debug, PartialEq)]
enum Found {
    /// This is in the file that says it.
    Says(Vec<u8>),
    /// The program, without that file.
    Silent,
    /// Neither.
    Nothing,
}

/// The lines for the manifest: none when no everboot is in the image, `None` when nothing says which formats it has.
pub(crate) fn of(image: &Path) -> Option<Vec<String>> {
    let found = find(image).unwrap_or_else(|error| {
        eprintln!("note: which formats the everboot in {} reads is not known: {error:#}", image.display());
        Found::Silent
    });
    match found {
        Found::Says(text) => {
            let lines: Vec<_> =
                String::from_utf8_lossy(&text).lines().filter(is_clean).map(str::to_owned).collect();
            // An empty list would say that there is no everboot.
            Some(lines).filter(|lines| !lines.is_empty())
        }
        Found::Silent => None,
        Found::Nothing => Some(Vec::new()),
    }
}

/// A line that a manifest can hold; there are as many as formats.
fn is_clean(line: &&str) -> bool {
    !line.is_empty()
        && !line.starts_with('#')
        && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn find(image: &Path) -> Result<Found> {
    match FileSystem::of(image)? {
        Some(FileSystem::Ext4) => ext4(image).map_err(|error| anyhow!("ext4: {error}")),
        Some(FileSystem::Squashfs) => squashfs(image),
        Some(FileSystem::Erofs) => erofs(image),
        None => Ok(Found::Silent),
    }
}

fn ext4(image: &Path) -> Result<Found, Ext4Error> {
    let fs = Ext4::load_from_path(image)?;
    if !fs.exists(PATH)? {
        return Ok(if fs.exists(PROGRAM)? { Found::Silent } else { Found::Nothing });
    }
    if fs.metadata(PATH)?.len() > LONGEST { Ok(Found::Silent) } else { Ok(Found::Says(fs.read(PATH)?)) }
}

fn squashfs(image: &Path) -> Result<Found> {
    let fs = FilesystemReader::from_reader(BufReader::new(File::open(image)?))
        .map_err(|error| anyhow!("squashfs: {error}"))?;
    let mut found = Found::Nothing;
    for node in fs.files() {
        match &node.inner {
            InnerNode::File(file) if node.fullpath == Path::new(PATH) => {
                let mut text = Vec::new();
                fs.file(file).reader().take(LONGEST).read_to_end(&mut text)?;
                return Ok(Found::Says(text));
            }
            _ if node.fullpath == Path::new(PROGRAM) => found = Found::Silent,
            _ => {}
        }
    }
    Ok(found)
}

/// Through dump.erofs of erofs-utils, which ends with 0 also where the path is not there, and writes files out since
/// its version 1.8.
fn erofs(image: &Path) -> Result<Found> {
    let dump = |path: &str, cat: bool| {
        let mut command = tool("dump.erofs", "erofs-utils")?;
        if cat {
            command.arg("--cat");
        }
        command.arg(format!("--path={path}")).arg(image).output().context("run dump.erofs")
    };
    let is_there = |path| -> Result<bool> {
        let said = dump(path, false)?;
        ensure!(said.status.success(), "dump.erofs: {}", String::from_utf8_lossy(&said.stderr).trim());
        Ok(String::from_utf8_lossy(&said.stdout).contains("regular file"))
    };
    if !is_there(PATH)? {
        return Ok(if is_there(PROGRAM)? { Found::Silent } else { Found::Nothing });
    }
    let text = dump(PATH, true)?;
    let is_read = text.status.success() && (text.stdout.len() as u64) <= LONGEST;
    Ok(if is_read { Found::Says(text.stdout) } else { Found::Silent })
}
