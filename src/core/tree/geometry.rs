//! Where the blocks of a tree are.

use super::FANOUT;
use crate::slot::BLOCK;

/// Levels that the largest tree has: 128^8 blocks are more than any medium's.
pub const MAX_LEVELS: usize = 8;

/// The most blocks that an image may have, so that no offset overflows: 2^51 (8 EiB).
const MAX_BLOCKS: u64 = 1 << 51;

/// One level of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Byte offset of its first block in the tree, the superblock included.
    pub offset: u64,
    /// How many blocks it has.
    pub blocks: u64,
}

/// The shape of the tree over an image of so many blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    blocks: u64,
    count: usize,
    levels: [Level; MAX_LEVELS],
}

impl Geometry {
    /// The tree over `blocks` data blocks; `None` for fewer than two (there is no tree then) or more than
    /// 2^51.
    pub fn new(blocks: u64) -> Option<Self> {
        if !(2..=MAX_BLOCKS).contains(&blocks) {
            return None;
        }
        let mut levels = [Level::default(); MAX_LEVELS];
        let (mut count, mut below) = (0, blocks);
        while below > 1 {
            below = below.div_ceil(FANOUT);
            levels[count].blocks = below;
            count += 1;
        }
        let mut offset = BLOCK as u64;
        for level in levels[..count].iter_mut().rev() {
            level.offset = offset;
            offset += level.blocks * BLOCK as u64;
        }
        Some(Self { blocks, count, levels })
    }

    /// Data blocks of the image.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The levels from the lowest, whose entries are the digests of data blocks, to the top, which has one
    /// block. At least one.
    pub fn levels(&self) -> &[Level] {
        &self.levels[..self.count]
    }

    /// Blocks of the tree, the superblock included.
    pub fn tree_blocks(&self) -> u64 {
        1 + self.levels().iter().map(|level| level.blocks).sum::<u64>()
    }

    /// Bytes of the tree, the superblock included.
    pub fn len_bytes(&self) -> u64 {
        self.tree_blocks() * BLOCK as u64
    }

    /// Which block of which level is at this byte offset of the tree; `None` for the superblock, and for what
    /// is no block of the tree.
    pub fn locate(&self, offset: u64) -> Option<(usize, u64)> {
        if !offset.is_multiple_of(BLOCK as u64) {
            return None;
        }
        self.levels().iter().enumerate().find_map(|(number, level)| {
            let index = offset.checked_sub(level.offset)? / BLOCK as u64;
            (index < level.blocks).then_some((number, index))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: u64, levels: &[(u64, u64)]) {
        let geometry = Geometry::new(blocks).unwrap();
        let found: Vec<_> = geometry.levels().iter().map(|level| (level.offset, level.blocks)).collect();
        assert_eq!(found, levels, "{blocks} blocks");
    }

    #[test]
    fn levels_lie_from_the_top_down_behind_the_superblock() {
        check(2, &[(4096, 1)]);
        check(128, &[(4096, 1)]);
        check(129, &[(8192, 2), (4096, 1)]);
        check(16384, &[(8192, 128), (4096, 1)]);
        check(16385, &[(4096 * 4, 129), (8192, 2), (4096, 1)]);
    }

    #[test]
    fn the_largest_image_does_not_overflow() {
        let geometry = Geometry::new(MAX_BLOCKS).unwrap();
        assert_eq!(geometry.levels().len(), MAX_LEVELS);
        assert!(geometry.len_bytes() < MAX_BLOCKS * 4096 / 100);
        for blocks in [0, 1, MAX_BLOCKS + 1, u64::MAX] {
            assert_eq!(Geometry::new(blocks), None, "{blocks}");
        }
    }

    #[test]
    fn every_block_of_a_tree_is_located_once() {
        let geometry = Geometry::new(16385).unwrap();
        let places: Vec<_> = (0..geometry.tree_blocks()).map(|block| geometry.locate(block * 4096)).collect();
        assert_eq!(places[0], None);
        assert_eq!(places[1], Some((2, 0)));
        assert_eq!(places[2..4], [Some((1, 0)), Some((1, 1))]);
        assert_eq!(places[4], Some((0, 0)));
        assert_eq!(places.last(), Some(&Some((0, 128))));
        assert_eq!(geometry.locate(geometry.len_bytes()), None);
        assert_eq!(geometry.locate(4097), None);
    }
}
