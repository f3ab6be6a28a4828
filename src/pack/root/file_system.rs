//! Which file system is made, and what about it is asked for or fixed.

use anyhow::Result;
use everboot_core::slot::Uuid;

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
