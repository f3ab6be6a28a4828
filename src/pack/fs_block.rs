//! The smallest unit in which the file system of an image reads: no kernel mounts it on a disk with larger sectors.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the superblock of btrfs begins, and bytes of the head of an image that are looked at.
const BTRFS: usize = 64 << 10;
const HEAD: usize = BTRFS + 4096;

/// Its bytes; `None` for a file system that is not known, or that takes sectors of any size.
pub(crate) fn of(image: &Path) -> Result<Option<u32>> {
    let mut head = Vec::new();
    let file = File::open(image).with_context(|| format!("open {}", image.display()))?;
    let mut chunk = vec![0; HEAD];
    let count = file.read_at(&mut chunk, 0).context("read the superblock")?;
    head.extend_from_slice(&chunk[..count]);
    head.resize(HEAD, 0);
    Ok(of_head(&head).filter(|bytes| (512..=65536).contains(bytes) && bytes.is_power_of_two()))
}

/// Of the head of an image. squashfs reads in sectors of the disk, whatever they are.
fn of_head(head: &[u8]) -> Option<u32> {
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    match head {
        // ext2, ext3, ext4: s_log_block_size.
        _ if head[1080..1082] == [0x53, 0xef] => 1024_u32.checked_shl(number(1024 + 24)),
        // erofs: blkszbits.
        _ if number(1024) == 0xE0F5_E1E2 => 1_u32.checked_shl(head[1024 + 12].into()),
        // xfs: sb_sectsize, not sb_blocksize.
        _ if head[..4] == *b"XFSB" => Some(u16::from_be_bytes([head[102], head[103]]).into()),
        // btrfs: sectorsize.
        _ if head[BTRFS + 64..BTRFS + 72] == *b"_BHRfS_M" => Some(number(BTRFS + 0x90)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: Option<u32>, fields: &[(usize, &[u8])]) {
        let mut head = vec![0; HEAD];
        fields.iter().for_each(|(at, bytes)| head[*at..at + bytes.len()].copy_from_slice(bytes));
        let path =
            std::env::temp_dir().join(format!("everboot-fs-block-{}-{expected:?}", std::process::id()));
        std::fs::write(&path, &head).unwrap();
        let found = of(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn each_file_system_says_in_which_units_it_reads() {
        check(None, &[]);
        check(None, &[(0, b"hsqs")]);
        check(Some(1024), &[(1080, &[0x53, 0xef])]);
        check(Some(4096), &[(1080, &[0x53, 0xef]), (1048, &[2])]);
        check(Some(512), &[(1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (1036, &[9])]);
        check(Some(2048), &[(0, b"XFSB"), (102, &[8, 0])]);
        check(Some(8192), &[(BTRFS + 64, b"_BHRfS_M"), (BTRFS + 0x90, &[0, 0x20])]);
        // What no kernel would take says nothing.
        check(None, &[(1080, &[0x53, 0xef]), (1048, &[200])]);
    }
}
