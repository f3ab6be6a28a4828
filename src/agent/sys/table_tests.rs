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
