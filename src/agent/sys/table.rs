//! Reading the GUID partition table of one disk (UEFI specification, chapter 5.3).
//!
//! Invariants:
//! - nothing is ever written;
//! - a damaged primary header or table gives way to the backup, which is looked for at the end of the disk, and where
//!   the primary header says that it is; whatever is not as it should be is a [`TableFault`] of the disk;
//! - a sound MBR without an entry for a GPT (0xEE) makes a GPT stale: somebody has partitioned the disk anew with a
//!   tool that did not know of it, and the partitions of the GPT may lie across those of the MBR;
//! - a first sector that holds no MBR may be damaged, or the trace of somebody who wiped the disk: the GPT holds if
//!   both of its headers are sound and agree;
//! - a hostile table costs bounded memory: entries are of 128 bytes, and at most [`MOST_ENTRIES`] of them are read;
//! - a sector that does not read hides its header and no more.
//!
//! The gpt crate reads the header. Entries are read here: the crate looks up the name of every type that the world
//! knows, which is 10 kB.

use crate::machine::{Disk, Partition};
use crate::table_fault::TableFault;
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
/// known: for a file both sizes are tried. A table that may not be used, because it is stale or was made for the other
/// size, gives a disk without partitions that says so. An error is a damaged or unreadable table without a sound
/// backup.
pub(super) fn read(disk: &File, name: &str, sector: Option<u32>) -> io::Result<Option<(Disk, Vec<Extent>)>> {
    let len = (&*disk).seek(SeekFrom::End(0))?;
    let is_own = |size: &LogicalBlockSize| sector.is_none_or(|known| u64::from(known) == size.as_u64());
    let mut result = Ok(None);
    for size in SIZES.into_iter().filter(is_own) {
        match read_with(disk, name, size, len) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(error) => result = Err(error),
        }
    }
    let (Some(sector), Ok(None)) = (sector, &result) else { return result };
    for size in SIZES.into_iter().filter(|size| !is_own(size)) {
        if let Ok(Some((found, _))) = read_with(disk, name, size, len)
            && !found.parts.is_empty()
        {
            let fault = TableFault::OtherSectorSize { table: size.as_u64(), disk: sector };
            return Ok(Some((without_parts(name, found.guid, fault), Vec::new())));
        }
    }
    result
}

/// The logical sectors that a disk may have.
const SIZES: [LogicalBlockSize; 2] = [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096];

/// A disk whose table may not be used.
pub(super) fn without_parts(name: &str, guid: Uuid, fault: TableFault) -> Disk {
    Disk { name: name.to_owned(), guid, parts: Vec::new(), removable: false, faults: vec![fault] }
}

/// What is at a place where a header may be.
enum Copy {
    /// A header whose checksum is right, where it says that it is, and its entries.
    Sound(Header, Vec<u8>),
    /// No header.
    Absent,
    /// A damaged header, or damaged entries.
    Damaged,
    /// What does not read may be a header.
    Unreadable(io::Error),
}

impl Copy {
    fn read(disk: &impl FileExt, size: LogicalBlockSize, lba: u64) -> Self {
        let Some(at) = lba.checked_mul(size.as_u64()) else { return Self::Absent };
        let table = read_header_from_arbitrary_device(&mut At { disk, at }, size)
            .and_then(|header| Ok(entries(disk, &header, size)?.map(|entries| (header, entries))));
        match table {
            Ok(Some((header, entries))) if header.current_lba == lba => Self::Sound(header, entries),
            Err(HeaderError::InvalidGptSignature) => Self::Absent,
            Err(HeaderError::Io(error)) => Self::Unreadable(error),
            Ok(_) | Err(_) => Self::Damaged,
        }
    }

    /// Whether it is sound and says the same as the primary one with this header.
    fn agrees_with(&self, primary: &Header) -> bool {
        let Self::Sound(backup, _) = self else { return false };
        let content = |header: &Header| (header.disk_guid, header.crc32_parts, header.num_parts);
        content(backup) == content(primary)
            && backup.backup_lba == primary.current_lba
            && primary.backup_lba == backup.current_lba
    }
}

/// What the first sector says of a GPT.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mbr {
    /// That there is one.
    Protective,
    /// That there is none.
    Other,
    /// Nothing: it is no MBR.
    Damaged,
    /// Nothing: it does not read.
    Unreadable,
}

impl Mbr {
    fn read(disk: &impl FileExt) -> Self {
        let mut sector = [0; 512];
        if disk.read_exact_at(&mut sector, 0).is_err() {
            return Self::Unreadable;
        }
        let [.., one, other] = sector;
        let kinds = [446, 462, 478, 494].map(|entry| sector[entry + 4]);
        match (one, other) {
            (0x55, 0xaa) if kinds.contains(&0xee) => Self::Protective,
            (0x55, 0xaa) => Self::Other,
            _ => Self::Damaged,
        }
    }
}

/// Where the header in sector 1 says that the backup is, whatever else is damaged there: a backup has a checksum of
/// its own.
fn named_backup(disk: &impl FileExt, size: LogicalBlockSize) -> Option<u64> {
    let mut header = [0; ENTRY];
    disk.read_exact_at(&mut header, size.as_u64()).ok()?;
    header.starts_with(b"EFI PART").then(|| number_at(&header, 32))
}

fn read_with<D: FileExt>(
    disk: &D,
    name: &str,
    size: LogicalBlockSize,
    len: u64,
) -> io::Result<Option<(Disk, Vec<Extent>)>> {
    let Some(last) = (len / size.as_u64()).checked_sub(1).filter(|last| *last >= 2) else { return Ok(None) };
    let mbr = Mbr::read(disk);
    let primary = Copy::read(disk, size, 1);
    let end = named_backup(disk, size).filter(|at| (2..last).contains(at));
    let at_end = Copy::read(disk, size, last);
    // The one at the end, unless only the other one is sound.
    let (backup, is_at_end) = match (at_end, end.map(|at| Copy::read(disk, size, at))) {
        (Copy::Sound(header, entries), None) => (Copy::Sound(header, entries), true),
        (_, Some(Copy::Sound(header, entries))) => (Copy::Sound(header, entries), false),
        (at_end, _) => (at_end, true),
    };
    let found = |header: &Header, entries: &[u8], faults| {
        let (mut found, extents) = describe(header, entries, name, size, len);
        found.faults = faults;
        Ok(Some((found, extents)))
    };
    match (mbr, &primary, &backup) {
        (Mbr::Other, Copy::Sound(header, _), _) | (Mbr::Other, _, Copy::Sound(header, _)) => {
            let guid = Uuid(*header.disk_guid.as_bytes());
            Ok(Some((without_parts(name, guid, TableFault::Stale), Vec::new())))
        }
        (Mbr::Other, ..) | (_, Copy::Absent, Copy::Absent) => Ok(None),
        (_, Copy::Sound(header, entries), _) => {
            let agrees = backup.agrees_with(header);
            if mbr != Mbr::Protective && !agrees {
                return Err(io::Error::other(
                    "its first sector is damaged, and its two GUID partition tables do not agree",
                ));
            }
            let mut faults = Vec::new();
            faults.extend((mbr != Mbr::Protective).then_some(TableFault::Mbr));
            faults.extend((!agrees).then_some(TableFault::Backup));
            faults.extend((agrees && !is_at_end).then_some(TableFault::BackupNotAtEnd));
            found(header, entries, faults)
        }
        // One physical sector of 4096 bytes holds both: nobody else's table can be read there either.
        (Mbr::Protective, _, Copy::Sound(header, entries))
        | (Mbr::Unreadable, Copy::Unreadable(_), Copy::Sound(header, entries)) => {
            found(header, entries, vec![TableFault::Primary { is_backup_at_end: is_at_end }])
        }
        _ => {
            let failed = [primary, backup].into_iter().find_map(|copy| match copy {
                Copy::Unreadable(error) => Some(error),
                _ => None,
            });
            let text = "its partition table is damaged, and so is the backup";
            Err(failed.unwrap_or_else(|| io::Error::other(text)))
        }
    }
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
    let (name, guid) = (name.to_owned(), Uuid(*header.disk_guid.as_bytes()));
    (Disk { name, guid, parts, removable: false, faults: Vec::new() }, extents)
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
