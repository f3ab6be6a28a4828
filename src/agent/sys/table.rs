//! Reading the GUID partition table of one disk (UEFI specification, chapter 5.3).
//!
//! Invariants:
//! - nothing is ever written;
//! - a damaged primary header or table gives way to the backup, which is only read;
//! - a hostile table costs bounded memory: entries are of 128 bytes, and at most [`MOST_ENTRIES`] of them are read;
//! - a sector that does not read hides its header and no more.
//!
//! The gpt crate reads the header. Entries are read here: the crate looks up the name of every type that the world
//! knows, which is 10 kB.

use crate::machine::{Disk, Partition};
use everboot_core::slot::{Uuid, checksum};
use gpt::disk::LogicalBlockSize;
use gpt::header::{Header, HeaderError, read_header_from_arbitrary_device};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Most entries that a table may have; tools make 128.
const MOST_ENTRIES: u32 = 1024;
/// Bytes of an entry.
const ENTRY: usize = 128;

/// Where a partition lies on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its number in the table, from 1 on.
    pub(super) number: u32,
    /// First byte.
    pub(super) start: u64,
    /// Bytes.
    pub(super) len: u64,
}

/// Reads the table of `disk`; `None` when it has none. `sector` is the logical sector in bytes when it is
/// known: for a file both sizes are tried. An error is a damaged or unreadable table without a sound backup.
pub(super) fn read(disk: &File, name: &str, sector: Option<u32>) -> io::Result<Option<(Disk, Vec<Extent>)>> {
    let len = (&*disk).seek(SeekFrom::End(0))?;
    let mut result = Ok(None);
    for size in [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096] {
        if sector.is_none_or(|known| u64::from(known) == size.as_u64()) {
            match read_with(disk, name, size, len) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => result = Err(error),
            }
        }
    }
    result
}

fn read_with<D: FileExt>(
    disk: &D,
    name: &str,
    size: LogicalBlockSize,
    len: u64,
) -> io::Result<Option<(Disk, Vec<Extent>)>> {
    let Some(last) = (len / size.as_u64()).checked_sub(1).filter(|last| *last >= 2) else { return Ok(None) };
    let (mut failure, mut is_there) =
        (io::Error::other("its partition table is damaged, and so is the backup"), false);
    for at in [size.as_u64(), last * size.as_u64()] {
        let table = read_header_from_arbitrary_device(&mut At { disk, at }, size)
            .and_then(|header| Ok(entries(disk, &header, size)?.map(|entries| (header, entries))));
        match table {
            Ok(Some((header, entries))) => return Ok(Some(describe(&header, &entries, name, size, len))),
            Err(HeaderError::InvalidGptSignature) => continue,
            Err(HeaderError::Io(error)) => failure = error,
            Ok(None) | Err(_) => {}
        }
        is_there = true;
    }
    if is_there { Err(failure) } else { Ok(None) }
}

/// The entries behind a header whose checksum is right; `None` when they are damaged, or of another kind than tools
/// make.
fn entries(disk: &impl FileExt, header: &Header, size: LogicalBlockSize) -> io::Result<Option<Vec<u8>>> {
    let at = header.part_start.checked_mul(size.as_u64());
    let Some(at) = at.filter(|_| header.num_parts <= MOST_ENTRIES && header.part_size as usize == ENTRY)
    else {
        return Ok(None);
    };
    let mut entries = vec![0; header.num_parts as usize * ENTRY];
    disk.read_exact_at(&mut entries, at)?;
    Ok((checksum(&[&entries]) == header.crc32_parts).then_some(entries))
}

fn describe(
    header: &Header,
    entries: &[u8],
    name: &str,
    size: LogicalBlockSize,
    len: u64,
) -> (Disk, Vec<Extent>) {
    let mut parts = Vec::new();
    let mut extents = Vec::new();
    for (number, entry) in (1..).zip(entries.as_chunks::<ENTRY>().0) {
        let [kind, guid] = [0, 16].map(|at| guid(entry, at));
        let [first, last] = [32, 40].map(|at| number_at(entry, at).checked_mul(size.as_u64()));
        let (Some(start), Some(last)) = (first, last) else { continue };
        let bytes = last.checked_sub(start).and_then(|bytes| bytes.checked_add(size.as_u64()));
        let Some(bytes) = bytes else { continue };
        if kind == Uuid([0; 16]) || start.checked_add(bytes).is_none_or(|end| end > len) {
            continue;
        }
        let units = entry[56..].as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        parts.push(Partition { label: String::from_utf16_lossy(&units), guid, kind, start, len: bytes });
        extents.push(Extent { number, start, len: bytes });
    }
    (Disk { name: name.to_owned(), guid: Uuid(*header.disk_guid.as_bytes()), parts }, extents)
}

fn number_at(entry: &[u8; ENTRY], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&entry[at..at + 8]);
    u64::from_le_bytes(number)
}

/// A GUID as it stands in a table: its first three fields have their lowest byte first (UEFI, appendix A).
fn guid(entry: &[u8; ENTRY], at: usize) -> Uuid {
    let mut guid = [0; 16];
    guid.copy_from_slice(&entry[at..at + 16]);
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    Uuid(guid)
}

/// What lies at one place of a disk, wherever it is looked for: the gpt crate reads a header where the primary is.
struct At<'a, D> {
    disk: &'a D,
    at: u64,
}

impl<D: FileExt> Read for At<'_, D> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.disk.read_exact_at(buf, self.at)?;
        Ok(buf.len())
    }
}

impl<D> Seek for At<'_, D> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(self.at)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
