//! A tree as a tar: the same tree gives the same bytes.

use super::entry::{Content, Leaf, Meta};
use super::tree::{Body, Tree, Visit};
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use tar::{Builder, EntryType, Header};

/// Writes all of a tree. No file is newer than `latest`.
pub(crate) fn write(tree: &Tree, latest: u32, out: impl Write) -> Result<()> {
    let mut builder = Builder::new(out);
    tree.visit(&mut |visit| member(&mut builder, &visit, latest))?;
    builder.into_inner()?.flush()?;
    Ok(())
}

/// A digest that identifies this tree.
pub(crate) fn digest(tree: &Tree, latest: u32) -> Result<[u8; 32]> {
    let mut hash = io::BufWriter::with_capacity(1 << 20, Hash(Sha256::new()));
    write(tree, latest, &mut hash)?;
    let hash = hash.into_inner().map_err(|error| error.into_error())?;
    Ok(hash.0.finalize().into())
}

struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn member(builder: &mut Builder<impl Write>, visit: &Visit<'_>, latest: u32) -> Result<()> {
    let mut header = Header::new_ustar();
    let meta = &visit.node.meta;
    header.set_mode(meta.mode);
    header.set_uid(meta.uid.into());
    header.set_gid(meta.gid.into());
    header.set_mtime(meta.time.min(latest).into());
    let (mut target, mut content) = (None, None);
    let kind = match (&visit.node.body, visit.link) {
        (_, Some(first)) => {
            target = Some(first);
            EntryType::Link
        }
        (Body::Folder(_), None) => EntryType::Directory,
        (Body::Leaf(leaf), None) => leaf_of(leaf, &mut header, &mut target, &mut content)?,
    };
    header.set_entry_type(kind);
    header.set_size(content.as_ref().map_or(0, |content: &Content| content.len));
    let path = if visit.path.is_empty() { b"./" } else { visit.path };
    let mut records = Vec::new();
    place(&mut header.as_old_mut().name, "path", path, &mut records);
    if let Some(target) = target {
        place(&mut header.as_old_mut().linkname, "linkpath", target, &mut records);
    }
    records.extend(attributes(meta, visit.link.is_some()));
    builder.append_pax_extensions(records)?;
    header.set_cksum();
    match content {
        Some(content) => builder.append(&header, content)?,
        None => builder.append(&header, io::empty())?,
    }
    Ok(())
}

fn leaf_of<'a>(
    leaf: &'a Leaf,
    header: &mut Header,
    target: &mut Option<&'a [u8]>,
    content: &mut Option<Content>,
) -> Result<EntryType> {
    Ok(match leaf {
        Leaf::File(place) => {
            *content = Some(place.clone());
            EntryType::Regular
        }
        Leaf::Symlink(to) => {
            *target = Some(to);
            EntryType::Symlink
        }
        Leaf::Char(device) | Leaf::Block(device) => {
            header.set_device_major(device.major)?;
            header.set_device_minor(device.minor)?;
            if matches!(leaf, Leaf::Char(_)) { EntryType::Char } else { EntryType::Block }
        }
        Leaf::Fifo => EntryType::Fifo,
    })
}

/// Puts a name where it belongs; a longer one gets a record too.
fn place<'a>(field: &mut [u8; 100], key: &'a str, name: &'a [u8], records: &mut Vec<(&'a str, &'a [u8])>) {
    let len = name.len().min(field.len());
    field[..len].copy_from_slice(&name[..len]);
    if name.len() > field.len() {
        records.push((key, name));
    }
}

/// Another name of a file has what the first one has.
fn attributes(meta: &Meta, is_link: bool) -> impl Iterator<Item = (&str, &[u8])> {
    let all = meta.attributes.iter().filter(move |_| !is_link);
    all.map(|(key, value)| (key.as_str(), value.as_slice()))
}
