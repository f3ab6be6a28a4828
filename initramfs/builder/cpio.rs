//! A cpio archive in the kernel's `newc` form, the same bytes for the same entries.
//!
//! All belongs to root, no file has a time, inode numbers are the entries' positions, and
//! entries are sorted by path, so a folder stands before what it holds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

/// What stands at a path.
pub enum Node {
    /// A folder.
    Folder,
    /// A regular file.
    File(Vec<u8>),
    /// A symbolic link.
    Link(String),
    /// A character device.
    Device {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

/// The entries of an archive; paths have no leading slash.
#[derive(Default)]
pub struct Archive {
    entries: BTreeMap<String, (u32, Node)>,
}

impl Archive {
    /// Adds one entry with its permission bits, and the folders above it that are not there yet.
    pub fn add(&mut self, path: &str, mode: u32, node: Node) {
        let path = path.trim_start_matches('/');
        for (end, _) in path.match_indices('/') {
            self.entries.entry(path[..end].to_owned()).or_insert((0o755, Node::Folder));
        }
        self.entries.insert(path.to_owned(), (mode, node));
    }

    /// The archive's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (position, (path, (mode, node))) in self.entries.iter().enumerate() {
            let inode = u32::try_from(position + 1).unwrap_or(u32::MAX);
            write_entry(&mut out, inode, path, *mode, node);
        }
        write_entry(&mut out, 0, "TRAILER!!!", 0, &Node::File(Vec::new()));
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }
}

/// The paths in an archive.
pub fn paths(archive: &[u8]) -> Result<BTreeSet<String>> {
    const HEADER: usize = 110;
    let mut found = BTreeSet::new();
    let mut at = 0;
    loop {
        let header = archive.get(at..at + HEADER).context("the archive has no end")?;
        ensure!(header.starts_with(b"070701"), "expected an entry at byte {at}");
        let field = |index: usize| {
            let text = std::str::from_utf8(&header[6 + 8 * index..][..8])?;
            usize::from_str_radix(text, 16).context("a number in a header")
        };
        let (length, name) = (field(6)?, field(11)?);
        let bytes = archive.get(at + HEADER..at + HEADER + name - 1).context("a name without its end")?;
        let path = String::from_utf8_lossy(bytes).into_owned();
        if path == "TRAILER!!!" {
            return Ok(found);
        }
        found.insert(path);
        at = (at + HEADER + name).next_multiple_of(4) + length.next_multiple_of(4);
    }
}

fn write_entry(out: &mut Vec<u8>, inode: u32, path: &str, mode: u32, node: &Node) {
    let (kind, data, major, minor) = match node {
        Node::Folder => (0o040000, &[][..], 0, 0),
        Node::File(data) => (0o100000, &data[..], 0, 0),
        Node::Link(target) => (0o120000, target.as_bytes(), 0, 0),
        Node::Device { major, minor } => (0o020000, &[][..], *major, *minor),
    };
    let kind = if inode == 0 { 0 } else { kind };
    let links = if matches!(node, Node::Folder) { 2 } else { 1 };
    // A file or a path of 4 GiB is more than memory has room for, twice.
    let [length, name] = [data.len(), path.len() + 1].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
    out.extend_from_slice(b"070701");
    let fields = [inode, kind | mode, 0, 0, links, 0, length, 0, 0, major, minor, name, 0];
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(4), 0);
}
