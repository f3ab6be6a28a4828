//! The members of a tar in a file: ustar, GNU and pax.
//!
//! Only headers are read; what a member contains is given by its place. Everything is checked before it is used.

use super::entry::{ATTRIBUTE, Content, Device, Entry, Kind, Leaf, Meta};
use super::name::{self, show};
use super::pax::{self, Records};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// The longest header of names and attributes. Linux takes 64 KiB for each attribute.
const TEXT_MAX: u64 = 1 << 20;
/// The last second for which every file system has room.
const TIME_MAX: u64 = i32::MAX as u64;

/// All members, in order.
pub(crate) fn entries(file: &Arc<File>) -> Result<Vec<Entry>> {
    let len = file.metadata()?.len();
    let mut reader = Reader { file, len, at: 0, global: Records::new() };
    let mut entries = Vec::new();
    loop {
        let at = reader.at;
        match reader.next().with_context(|| format!("tar, at byte {at}"))? {
            Some(entry) => entries.push(entry),
            None => return Ok(entries),
        }
    }
}

/// Whether a file begins as a tar does: a header with the right sum.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.first_chunk().is_some_and(|block| header(block).is_ok())
}

struct Reader<'a> {
    file: &'a Arc<File>,
    len: u64,
    at: u64,
    /// Records that hold for all that follows.
    global: Records,
}

/// What headers before a member's own say of it.
#[derive(Default)]
struct ExtendedHeader {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Records,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        let mut said = ExtendedHeader { records: self.global.clone(), ..ExtendedHeader::default() };
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            match header.entry_type() {
                EntryType::XHeader => said.records.extend(pax::parse(&self.text(&header)?)?),
                EntryType::XGlobalHeader => {
                    let records = pax::parse(&self.text(&header)?)?;
                    said.records.extend(records.clone());
                    self.global.extend(records);
                }
                EntryType::GNULongName => said.name = Some(until_zero(self.text(&header)?)),
                EntryType::GNULongLink => said.link = Some(until_zero(self.text(&header)?)),
                // The label of a volume.
                EntryType::__Nonexhaustive(b'V') => drop(self.text(&header)?),
                _ => return self.entry(&header, &said).map(Some),
            }
        }
    }

    /// The header here; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>> {
        if self.at == self.len {
            return Ok(None);
        }
        let mut block = [0; BLOCK as usize];
        self.file.read_exact_at(&mut block, self.at).context("the archive is cut off")?;
        self.at += BLOCK;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        header(&block).map(Some)
    }

    /// Steps over a content of this length, which begins here; returns where that is.
    fn step(&mut self, len: u64) -> Result<u64> {
        let begin = self.at;
        let end = begin.checked_add(len).filter(|end| *end <= self.len);
        let end = end.with_context(|| format!("the archive is cut off: expected {len} bytes of content"))?;
        // The padding of the last member may be missing.
        self.at = end.next_multiple_of(BLOCK).min(self.len);
        Ok(begin)
    }

    fn text(&mut self, header: &Header) -> Result<Vec<u8>> {
        let len = header.entry_size()?;
        ensure!(len <= TEXT_MAX, "expected a header of at most {TEXT_MAX} bytes, found {len}");
        let begin = self.step(len)?;
        let mut text = vec![0; len as usize];
        self.file.read_exact_at(&mut text, begin).context("the archive is cut off")?;
        Ok(text)
    }

    fn entry(&mut self, header: &Header, said: &ExtendedHeader) -> Result<Entry> {
        let name = pax::value(&said.records, "path").map(<[u8]>::to_vec);
        let name = name.or_else(|| said.name.clone()).unwrap_or_else(|| header.path_bytes().into_owned());
        let path = name::parts(&name)?;
        let kind = self.kind(header, said, &name).with_context(|| show(&name))?;
        let meta = meta(header, &said.records).with_context(|| show(&name))?;
        Ok(Entry { path, meta, kind })
    }

    fn kind(&mut self, header: &Header, said: &ExtendedHeader, name: &[u8]) -> Result<Kind> {
        let kind = header.entry_type();
        let is_sparse =
            kind == EntryType::GNUSparse || said.records.keys().any(|key| key.starts_with("GNU.sparse."));
        ensure!(!is_sparse, "a sparse member; make the tar without --sparse");
        let link = || {
            let record = pax::value(&said.records, "linkpath").map(<[u8]>::to_vec);
            let link = record.or_else(|| said.link.clone());
            link.or_else(|| header.link_name_bytes().map(|name| name.into_owned())).unwrap_or_default()
        };
        Ok(match kind {
            // So did tar before it had a type for folders.
            EntryType::Regular if name.ends_with(b"/") => Kind::Folder,
            EntryType::Regular | EntryType::Continuous => {
                let len = match pax::number(&said.records, "size")? {
                    Some(len) => len,
                    None => header.entry_size()?,
                };
                let offset = self.step(len)?;
                Kind::Leaf(Leaf::File(Content { file: self.file.clone(), offset, len }))
            }
            EntryType::Directory => Kind::Folder,
            EntryType::Link => Kind::Link(name::parts(&link())?),
            EntryType::Symlink => Kind::Leaf(Leaf::Symlink(name::target(&link())?)),
            EntryType::Char => Kind::Leaf(Leaf::Char(device(header)?)),
            EntryType::Block => Kind::Leaf(Leaf::Block(device(header)?)),
            EntryType::Fifo => Kind::Leaf(Leaf::Fifo),
            other => bail!("a member of a kind that no file system has: {:?}", char::from(other.as_byte())),
        })
    }
}

/// A block as a header, if its sum is right.
fn header(block: &[u8; 512]) -> Result<Header> {
    let header = Header::from_byte_slice(block);
    let of = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    // The sum counts itself as spaces.
    let sum = of(&block[..148]) + 8 * u32::from(b' ') + of(&block[156..]);
    ensure!(header.cksum().is_ok_and(|said| said == sum), "expected a tar header, found something else");
    Ok(header.clone())
}

fn until_zero(mut text: Vec<u8>) -> Vec<u8> {
    let len = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    text.truncate(len);
    text
}

fn device(header: &Header) -> Result<Device> {
    let missing = "a device without numbers";
    let major = header.device_major()?.context(missing)?;
    Ok(Device { major, minor: header.device_minor()?.context(missing)? })
}

fn meta(header: &Header, records: &Records) -> Result<Meta> {
    let number = |key: &str, field: &[u8], said: std::io::Result<u64>| -> Result<u64> {
        Ok(match pax::number(records, key)? {
            Some(number) => number,
            // Some leave out what is nothing.
            None if field.iter().all(|byte| matches!(byte, 0 | b' ')) => 0,
            None => said?,
        })
    };
    let owner = |key: &str, number: u64| {
        u32::try_from(number).with_context(|| format!("{key}: expected at most {}, found {number}", u32::MAX))
    };
    let fields = header.as_old();
    let time = number("mtime", &fields.mtime, header.mtime())?;
    // A time before 1970 comes as a number with its highest bit set.
    let time = if time > i64::MAX as u64 { 0 } else { time.min(TIME_MAX) };
    let attributes = records.iter().filter(|(key, _)| key.starts_with(ATTRIBUTE));
    Ok(Meta {
        mode: header.mode()? & 0o7777,
        uid: owner("uid", number("uid", &fields.uid, header.uid())?)?,
        gid: owner("gid", number("gid", &fields.gid, header.gid())?)?,
        time: time as u32,
        attributes: attributes.map(|(key, value)| (key.clone(), value.clone())).collect(),
    })
}

#[cfg(test)]
#[path = "member_tests.rs"]
mod tests;
