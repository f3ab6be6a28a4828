//! Reading the GUID partition table of one disk (UEFI specification, chapter 5.3).
//!
//! Invariants:
//! - nothing is ever written: the gpt crate sees a device whose `write` fails;
//! - a damaged primary header or table gives way to the backup, which is only read;
//! - a hostile table cannot make the gpt crate panic or allocate without bound: a header is hidden from it
//!   unless its entries are of 128 bytes and at most [`MOST_ENTRIES`] of them;
//! - a sector that does not read hides its header and no more.

use crate::machine::{Disk, Part};
use crate::slot::Uuid;
use gpt::disk::LogicalBlockSize;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

/// Most entries that a table may have; tools make 128.
const MOST_ENTRIES: u32 = 1024;

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

fn read_with<D: FileExt + Debug>(
    disk: &D,
    name: &str,
    size: LogicalBlockSize,
    len: u64,
) -> io::Result<Option<(Disk, Vec<Extent>)>> {
    let Some(last) = (len / size.as_u64()).checked_sub(1).filter(|last| *last >= 2) else { return Ok(None) };
    let places = [size.as_u64(), last * size.as_u64()];
    let mut failure = io::Error::other("its partition table is damaged, and so is the backup");
    let sound = places.map(|at| {
        sound_header(disk, at).unwrap_or_else(|error| {
            failure = error;
            Some(false)
        })
    });
    match sound {
        [None, None] => return Ok(None),
        [Some(true), _] | [_, Some(true)] => {}
        _ => return Err(failure),
    }
    // The first try reads the primary if it is there. Its entries may be damaged though its header is sound,
    // so the second one is shown the backup alone.
    for shown in [[sound[0], sound[1]], [None, sound[1]]] {
        let hidden = |at: usize| if shown[at] == Some(true) { u64::MAX } else { places[at] };
        let view = View { disk, position: 0, len, hidden: [hidden(0), hidden(1)] };
        match gpt::GptConfig::new().logical_block_size(size).open_from_device(view) {
            Ok(table) => return Ok(Some(describe(&table, name, size, len))),
            Err(gpt::GptError::Io(error)) => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Whether the header at `at` is one that the gpt crate can be shown; `None` when there is no header at all.
fn sound_header(disk: &impl FileExt, at: u64) -> io::Result<Option<bool>> {
    let mut header = [0; 92];
    disk.read_exact_at(&mut header, at)?;
    if &header[..8] != b"EFI PART" {
        return Ok(None);
    }
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Ok(Some(number(80) <= MOST_ENTRIES && number(84) == 128))
}

fn describe<D: FileExt + Debug>(
    table: &gpt::GptDisk<View<'_, D>>,
    name: &str,
    size: LogicalBlockSize,
    len: u64,
) -> (Disk, Vec<Extent>) {
    let mut parts = Vec::new();
    let mut extents = Vec::new();
    for (number, entry) in table.partitions() {
        let (Ok(start), Ok(bytes)) = (entry.bytes_start(size), entry.bytes_len(size)) else { continue };
        if !entry.is_used() || start.checked_add(bytes).is_none_or(|end| end > len) {
            continue;
        }
        let (guid, kind) = (Uuid(*entry.part_guid.as_bytes()), Uuid(*entry.part_type_guid.guid.as_bytes()));
        parts.push(Part { label: entry.name.clone(), guid, kind, start, len: bytes });
        extents.push(Extent { number: *number, start, len: bytes });
    }
    (Disk { name: name.to_owned(), guid: Uuid(*table.guid().as_bytes()), parts }, extents)
}

/// A disk that can only be read, and whose hidden headers are zeroes: they are not read at all.
#[derive(Debug)]
struct View<'a, D> {
    disk: &'a D,
    position: u64,
    len: u64,
    hidden: [u64; 2],
}

impl<D: FileExt> Read for View<'_, D> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = if self.hidden.contains(&self.position) {
            buf.fill(0);
            buf.len()
        } else {
            self.disk.read_at(buf, self.position)?
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl<D> Write for View<'_, D> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<D> Seek for View<'_, D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(delta) => self.len.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
