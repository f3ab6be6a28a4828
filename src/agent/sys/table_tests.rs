//! Tables made by the gpt crate and by sgdisk's layout, sound and damaged.

use super::*;
use crate::sys::temp_dir::TempDir;
use std::path::{Path, PathBuf};

const LEN: usize = 4 << 20;

/// A disk of 4 MiB with the parts `a` (1 MiB) and `b` (64 KiB), and its GUID.
fn disk(temp_dir: &TempDir, size: LogicalBlockSize) -> (PathBuf, Uuid) {
    let path = temp_dir.file("disk", &vec![0; LEN]);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    gpt::mbr::ProtectiveMBR::new().overwrite_lba0(&mut &file).unwrap();
    let config = gpt::GptConfig::new().writable(true).logical_block_size(size);
    let mut table = config.create_from_device(file, None).unwrap();
    table.add_partition("a", 1 << 20, gpt::partition_types::LINUX_FS, 0, None).unwrap();
    table.add_partition("b", 64 << 10, gpt::partition_types::LINUX_SWAP, 0, None).unwrap();
    let guid = Uuid::parse(&table.guid().to_string()).unwrap();
    table.write().unwrap();
    (path, guid)
}

fn damage(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn read_disk(path: &Path) -> io::Result<Option<(Disk, Vec<Extent>)>> {
    read(&File::open(path)?, "disk", None)
}

/// Changes the bytes of a disk.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn faults(path: &Path) -> Vec<TableFault> {
    read_disk(path).unwrap().unwrap().0.faults
}

#[track_caller]
fn check_found(path: &Path, guid: Uuid) {
    let before = std::fs::read(path).unwrap();
    let (disk, extents) = read_disk(path).unwrap().unwrap();
    assert_eq!(disk.guid, guid);
    let found: Vec<_> = disk.parts.iter().map(|part| (part.label.as_str(), part.len)).collect();
    assert_eq!(found, [("a", 1 << 20), ("b", 64 << 10)]);
    assert_eq!(disk.parts[0].kind.to_string(), "0fc63daf-8483-4772-8e79-3d69d8477de4");
    assert_eq!(extents[1].number, 2);
    assert!(extents[1].start >= extents[0].start + extents[0].len);
    assert!(std::fs::read(path).unwrap() == before, "reading changed the disk");
}

#[test]
fn a_table_is_read_with_either_sector_size() {
    for size in [LogicalBlockSize::Lb512, LogicalBlockSize::Lb4096] {
        let temp_dir = TempDir::new("table");
        let (path, guid) = disk(&temp_dir, size);
        check_found(&path, guid);
    }
}

#[test]
fn a_damaged_primary_gives_way_to_the_backup() {
    // Signature, checksum, a field, the number of entries, the size of an entry, an entry itself.
    for at in [512, 512 + 16, 512 + 60, 512 + 82, 512 + 84, 1024 + 40] {
        let temp_dir = TempDir::new("primary");
        let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
        damage(&path, at);
        check_found(&path, guid);
    }
}

#[test]
fn two_damaged_tables_are_an_error_and_none_is_none() {
    let temp_dir = TempDir::new("both");
    let (path, _) = disk(&temp_dir, LogicalBlockSize::Lb512);
    damage(&path, 512 + 60);
    damage(&path, LEN - 512 + 60);
    assert!(read_disk(&path).is_err());
    let empty = temp_dir.file("empty", &vec![0; LEN]);
    assert!(read_disk(&empty).unwrap().is_none());
    assert!(read_disk(&temp_dir.file("tiny", &[0; 700])).unwrap().is_none());
}

/// Its length is one more than the largest number.
#[test]
fn an_entry_over_all_addressable_sectors_is_no_partition() {
    let temp_dir = TempDir::new("endless");
    let (path, _) = disk(&temp_dir, LogicalBlockSize::Lb512);
    let size = LogicalBlockSize::Lb512;
    let header =
        read_header_from_arbitrary_device(&mut At { disk: &File::open(path).unwrap(), at: 512 }, size)
            .unwrap();
    let mut entry = [1; ENTRY];
    entry[32..40].fill(0);
    entry[40..48].copy_from_slice(&(u64::MAX / 512).to_le_bytes());
    assert_eq!(describe(&header, &entry, "disk", size, LEN as u64).0.parts.len(), 0);
}

/// A disk some sectors of which do not read.
#[derive(Debug)]
struct Failing {
    file: File,
    bad: Vec<u64>,
}

impl FileExt for Failing {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let touched = offset / 512..(offset + buf.len() as u64).div_ceil(512);
        if self.bad.iter().any(|sector| touched.contains(sector)) {
            return Err(rustix::io::Errno::IO.into());
        }
        self.file.read_at(buf, offset)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn a_sector_that_does_not_read_hides_one_header_and_not_the_disk() {
    const LAST: u64 = LEN as u64 / 512 - 1;
    let temp_dir = TempDir::new("sectors");
    let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
    let look = |path: &Path, bad: &[u64]| {
        let disk = Failing { file: File::open(path).unwrap(), bad: bad.to_vec() };
        read_with(&disk, "disk", LogicalBlockSize::Lb512, LEN as u64)
    };
    // Headers, and entries: of the primary, of the backup.
    for bad in [[1].as_slice(), &[LAST], &[2], &[1, 2], &[LAST - 32, LAST], &[LAST - 32]] {
        let (disk, extents) = look(&path, bad).unwrap().unwrap();
        assert_eq!((disk.guid, disk.parts.len(), extents.len()), (guid, 2, 2), "{bad:?}");
    }
    for bad in [[1, LAST].as_slice(), &[2, LAST], &[1, LAST - 32]] {
        let error = look(&path, bad).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()), "{bad:?}");
    }
    // What does not read may have been a header.
    let empty = temp_dir.file("empty", &vec![0; LEN]);
    assert!(look(&empty, &[5]).unwrap().is_none());
    assert!(look(&empty, &[1]).is_err() && look(&empty, &[LAST]).is_err());
}

#[test]
fn sizes_that_would_panic_in_the_crate_are_refused_even_under_a_right_checksum() {
    let temp_dir = TempDir::new("hostile");
    for (field, value) in [(84, 256_u32), (84, 0), (80, u32::MAX)] {
        let (path, _) = disk(&temp_dir, LogicalBlockSize::Lb512);
        let mut bytes = std::fs::read(&path).unwrap();
        for at in [512, LEN - 512] {
            bytes[at + field..at + field + 4].copy_from_slice(&value.to_le_bytes());
            bytes[at + 16..at + 20].fill(0);
            let sum = crc32fast::hash(&bytes[at..at + 92]);
            bytes[at + 16..at + 20].copy_from_slice(&sum.to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        assert!(read_disk(&path).is_err());
    }
}

#[test]
fn a_sound_disk_has_no_faults_and_a_damaged_one_says_what_it_has() {
    let (mbr, backup) = (TableFault::Mbr, TableFault::Backup);
    let primary = TableFault::Primary { is_backup_at_end: true };
    for (at, expected) in [
        (None, vec![]),
        (Some(512 + 60), vec![primary.clone()]),
        (Some(1024 + 40), vec![primary]),
        (Some(LEN - 512 + 60), vec![backup.clone()]),
        (Some(LEN - 512), vec![backup.clone()]),
        (Some(LEN - 33 * 512 + 40), vec![backup]),
        (Some(510), vec![mbr]),
    ] {
        let temp_dir = TempDir::new("faults");
        let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
        at.into_iter().for_each(|at| damage(&path, at));
        check_found(&path, guid);
        assert_eq!(faults(&path), expected, "{at:?}");
    }
}

#[test]
fn a_table_is_stale_under_an_mbr_without_an_entry_for_it() {
    for entry in 0..4 {
        let temp_dir = TempDir::new("stale");
        let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
        let set = |kind| change(&path, |bytes| bytes[446..510].copy_from_slice(&mbr_entries(entry, kind)));
        set(0xee);
        check_found(&path, guid);
        set(0x83);
        let (found, extents) = read_disk(&path).unwrap().unwrap();
        assert_eq!((found.parts.len(), extents.len(), found.faults), (0, 0, vec![TableFault::Stale]));
        // The remains of it.
        change(&path, |bytes| bytes[512..34 * 512].fill(0));
        assert_eq!(faults(&path), [TableFault::Stale]);
        change(&path, |bytes| bytes[LEN - 512..].fill(0));
        assert!(read_disk(&path).unwrap().is_none());
    }
}

/// The four entries of an MBR, one of which is of that type.
fn mbr_entries(entry: usize, kind: u8) -> [u8; 64] {
    let mut entries = [0; 64];
    entries[entry * 16 + 4] = kind;
    entries
}

#[test]
fn without_an_mbr_both_tables_have_to_agree() {
    for spoil in [512 + 60, LEN - 512 + 60, LEN - 512] {
        let temp_dir = TempDir::new("no-mbr");
        let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
        change(&path, |bytes| bytes[..512].fill(0));
        check_found(&path, guid);
        assert_eq!(faults(&path), [TableFault::Mbr]);
        damage(&path, spoil);
        assert!(read_disk(&path).is_err(), "{spoil}");
    }
}

#[test]
fn a_header_counts_only_where_it_says_that_it_is() {
    let temp_dir = TempDir::new("my-lba");
    let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
    // The backup's header in the primary's place, and the other way round.
    change(&path, |bytes| bytes.copy_within(LEN - 512.., 512));
    check_found(&path, guid);
    assert_eq!(faults(&path), [TableFault::Primary { is_backup_at_end: true }]);
    let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
    change(&path, |bytes| bytes.copy_within(512..1024, LEN - 512));
    check_found(&path, guid);
    assert_eq!(faults(&path), [TableFault::Backup]);
}

#[test]
fn the_backup_is_looked_for_where_the_primary_header_says() {
    for size in SIZES {
        // Nothing is damaged; the header; its signature; an entry.
        let sector = size.as_u64() as usize;
        for at in [None, Some(sector + 60), Some(sector), Some(2 * sector + 40)] {
            let temp_dir = TempDir::new("larger");
            let (path, guid) = disk(&temp_dir, size);
            change(&path, |bytes| bytes.resize(2 * LEN, 0));
            at.into_iter().for_each(|at| damage(&path, at));
            if at == Some(sector) {
                assert!(read_disk(&path).unwrap().is_none(), "nothing says where it is");
                continue;
            }
            check_found(&path, guid);
            let primary = TableFault::Primary { is_backup_at_end: false };
            assert_eq!(faults(&path), [if at.is_none() { TableFault::BackupNotAtEnd } else { primary }]);
        }
    }
}

#[test]
fn a_table_for_sectors_of_the_other_size_is_named_and_not_used() {
    for (size, other) in [(LogicalBlockSize::Lb512, 4096), (LogicalBlockSize::Lb4096, 512)] {
        let temp_dir = TempDir::new("other-size");
        let (path, guid) = disk(&temp_dir, size);
        let found = read(&File::open(path).unwrap(), "disk", Some(other)).unwrap().unwrap().0;
        assert_eq!((found.guid, found.parts.len()), (guid, 0));
        assert_eq!(found.faults, [TableFault::OtherSectorSize { table: size.as_u64(), disk: other }]);
        let text = &found.complaints()[0];
        assert!(text.contains(&format!("--sector-size {other}")), "{text}");
    }
}

/// One physical sector of 4096 bytes that does not read.
#[test]
fn the_backup_serves_where_the_beginning_of_the_disk_does_not_read() {
    let temp_dir = TempDir::new("beginning");
    let (path, guid) = disk(&temp_dir, LogicalBlockSize::Lb512);
    let disk = Failing { file: File::open(path).unwrap(), bad: (0..8).collect() };
    let (found, extents) = read_with(&disk, "disk", LogicalBlockSize::Lb512, LEN as u64).unwrap().unwrap();
    assert_eq!((found.guid, extents.len()), (guid, 2));
    assert_eq!(found.faults, [TableFault::Primary { is_backup_at_end: true }]);
}
