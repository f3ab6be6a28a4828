//! Which file system is made, and what about it is asked for or fixed.

use anyhow::{Context, Result};
use everboot_core::slot::Uuid;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FileSystem {
    Ext4,
    Squashfs,
    Erofs,
}

impl FileSystem {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "ext4" => Ok(Self::Ext4),
            "squashfs" => Ok(Self::Squashfs),
            "erofs" => Ok(Self::Erofs),
            _ => Err("expected ext4, squashfs or erofs".into()),
        }
    }

    /// That of an image; `None` when it is another one.
    pub(crate) fn of(image: &Path) -> Result<Option<Self>> {
        let mut head = [0; 2048];
        // A file that is shorter is none of them.
        File::open(image)?.read_at(&mut head, 0).context("read its superblock")?;
        let is_erofs = head[1024..1028] == 0xE0F5_E1E2_u32.to_le_bytes();
        Ok(match head {
            _ if head[1080..1082] == [0x53, 0xef] => Some(Self::Ext4),
            _ if head[..4] == *b"hsqs" => Some(Self::Squashfs),
            _ if is_erofs => Some(Self::Erofs),
            _ => None,
        })
    }
}

/// What the command line asks for.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub kind: FileSystem,
    /// In MiB, where it is not that of the content.
    pub size: Option<u64>,
    /// It will be written to.
    pub open: bool,
}

/// What is the same for the same tree.
pub(crate) struct Fixed {
    pub uuid: Uuid,
    /// The time of all that has none of its own, in seconds since 1970; no file is newer.
    pub time: u32,
}
