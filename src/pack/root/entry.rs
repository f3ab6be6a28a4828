//! What an archive says of one file.

use super::name::Name;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// One member of an archive.
pub(crate) struct Entry {
    /// From the root on; empty for the root itself.
    pub path: Vec<Name>,
    pub meta: Meta,
    pub kind: Kind,
}

/// What the key of a record begins with that keeps an extended attribute.
pub(crate) const ATTRIBUTE: &str = "SCHILY.xattr.";

pub(crate) enum Kind {
    Folder,
    /// One more name of the file that has this one.
    Link(Vec<Name>),
    Leaf(Leaf),
}

/// Owner, permissions, time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meta {
    /// The twelve bits of permissions.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of the last change of its content, in whole seconds since 1970, as every file system has room for.
    pub time: u32,
    /// Extended attributes, as the records in which archives keep them.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// What has no files below it.
#[derive(Clone)]
pub(crate) enum Leaf {
    File(Content),
    Symlink(Vec<u8>),
    Char(Device),
    Block(Device),
    Fifo,
}

#[derive(Clone, Copy)]
pub(crate) struct Device {
    pub major: u32,
    pub minor: u32,
}

/// A file's bytes: where they are in an archive that is not packed.
#[derive(Clone)]
pub(crate) struct Content {
    pub file: Arc<File>,
    pub offset: u64,
    pub len: u64,
}

impl Read for Content {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = self.len.min(buf.len() as u64) as usize;
        let count = self.file.read_at(&mut buf[..wanted], self.offset)?;
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += count as u64;
        self.len -= count as u64;
        Ok(count)
    }
}
