//! Which format versions the everboot in an image reads and writes: the file that its package brings says so.
//!
//! A manifest that does not say it is as good as another one, and only `everboot record upgrade` asks for it. So what
//! cannot be looked up is left out, and nothing fails here.

use crate::image_file::ImageFile;
use anyhow::Result;
use everboot_core::format_versions::PATH;
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
    match ImageFile::read(image, PATH, LONGEST)? {
        ImageFile::Text(text) => Ok(Found::Says(text)),
        ImageFile::Unread => Ok(Found::Silent),
        ImageFile::Absent => match ImageFile::read(image, PROGRAM, LONGEST)? {
            ImageFile::Absent => Ok(Found::Nothing),
            _ => Ok(Found::Silent),
        },
    }
}
