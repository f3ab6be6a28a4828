//! What stands on a disk that anybody may have written: partition table and tree.

use super::bytes::block;
use super::heap::within;
use everboot_agent::machine::Machine;
use everboot_agent::sys::DiskFileMachine;
use everboot_core::slot::{BLOCK, RootHash};
use everboot_core::tree::{Builder, Geometry, Hasher, Reader, SALT_MAX, Superblock};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

const SECTOR: usize = 512;
/// Bytes of a disk: table and backup of either size of sectors, and a little more.
const DISK: usize = 256 << 10;

/// The partition table of a disk that begins with these bytes, with its checksums repaired and as it is.
pub fn gpt(data: &[u8]) {
    let mut disk = data[..data.len().min(DISK)].to_vec();
    disk.resize(DISK, 0);
    survey(&disk);
    let len = disk.len();
    for (at, sector) in [(SECTOR, SECTOR), (len - SECTOR, SECTOR), (BLOCK, BLOCK)] {
        repair(&mut disk, at, sector);
    }
    survey(&disk);
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// Makes the checksums of the header at byte `at` fit (UEFI, 5.3.2).
fn repair(disk: &mut [u8], at: usize, sector: usize) {
    let (start, count, each) = (number(disk, at + 72, 8), number(disk, at + 80, 4), number(disk, at + 84, 4));
    let len = count.saturating_mul(each);
    let start = start.saturating_mul(sector as u64);
    let entries = start.checked_add(len).and_then(|end| disk.get(start as usize..end as usize));
    let checksum = crc32fast::hash(entries.unwrap_or_default());
    disk[at..at + 8].copy_from_slice(b"EFI PART");
    disk[at + 88..at + 92].copy_from_slice(&checksum.to_le_bytes());
    disk[at + 16..at + 20].fill(0);
    let len = (number(disk, at + 12, 4) as usize).min(sector);
    let checksum = crc32fast::hash(&disk[at..at + len]);
    disk[at + 16..at + 20].copy_from_slice(&checksum.to_le_bytes());
}

fn survey(disk: &[u8]) {
    let file = File::from(memfd_create("disk", MemfdFlags::CLOEXEC).expect("memory for a disk"));
    file.write_all_at(disk, 0).expect("a disk in memory");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut machine = DiskFileMachine::look(Path::new(&path), None);
    let Ok(survey) = within(1 << 20, || machine.survey()) else { return };
    for part in survey.disks.iter().flat_map(|disk| &disk.parts) {
        let end = part.start.checked_add(part.len);
        assert!(part.len > 0 && end.is_some_and(|end| end <= disk.len() as u64), "{part:?}");
    }
}

/// A tree that nobody vouches for, and its superblock. The first 8 bytes are the number of blocks, the next one says
/// how much of the tree is made to fit.
pub fn tree(data: &[u8]) {
    superblock(data);
    let Some((head, rest)) = data.split_first_chunk::<8>() else { return };
    let Some(geometry) = Geometry::new(u64::from_le_bytes(*head)) else { return };
    assert_eq!(geometry.len_bytes(), geometry.tree_blocks() * BLOCK as u64);
    made(rest);
    let (salt, tree) = rest.split_at(rest.len().min(4));
    // The top block is the right one, so that what is below it is looked at.
    let root = RootHash(Hasher::new(salt).block(&block(tree)));
    let mut reader = Reader::new(geometry, salt, root);
    let mut fetch = |offset: u64, buf: &mut [u8]| {
        let at = usize::try_from(offset).ok().and_then(|at| at.checked_sub(BLOCK));
        let there = at.and_then(|at| tree.get(at..)).unwrap_or_default();
        buf.copy_from_slice(&block(there)[..buf.len()]);
        Ok::<(), ()>(())
    };
    within(256 << 10, || {
        for leaf in [0, 1, 127, 128, geometry.blocks() - 1, geometry.blocks(), u64::MAX] {
            let found = reader.leaf(leaf, &mut fetch);
            assert!(found.is_err() || leaf < geometry.blocks());
        }
        for level in geometry.levels() {
            let _ = reader.block(level.offset, &mut fetch);
            let _ = reader.block(level.offset + 1, &mut fetch);
        }
    });
}

fn superblock(data: &[u8]) {
    let bytes = block(data);
    if let Ok(found) = Superblock::decode(&bytes) {
        assert!(found.salt.len() <= SALT_MAX);
        assert_eq!(Superblock::decode(&found.encode()).as_ref(), Ok(&found));
    }
}

/// What the builder makes of these digests the reader reads, and nothing else.
fn made(data: &[u8]) {
    let digests = data.as_chunks::<32>().0;
    let Some(geometry) = Geometry::new(digests.len() as u64) else { return };
    let mut tree = vec![0; geometry.len_bytes() as usize];
    let mut emit = |offset: u64, block: &[u8; BLOCK]| {
        tree[offset as usize..][..BLOCK].copy_from_slice(block);
        Ok::<(), ()>(())
    };
    let mut builder = Builder::new(geometry, &[]);
    digests.iter().for_each(|digest| builder.push(*digest, &mut emit).expect("one digest a block"));
    let root = builder.finish(&mut emit).expect("as many digests as blocks");
    let mut reader = Reader::new(geometry, &[], root);
    let mut fetch = |offset: u64, buf: &mut [u8]| {
        buf.copy_from_slice(&tree[offset as usize..][..buf.len()]);
        Ok::<(), ()>(())
    };
    for (number, digest) in (0..).zip(digests) {
        assert_eq!(reader.leaf(number, &mut fetch), Ok(*digest));
    }
}
