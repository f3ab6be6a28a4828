//! Walks an untrusted tree from a trusted root hash.

use super::{FANOUT, Geometry, Hasher, TreeBlock};
use crate::slot::{BLOCK, Digest, RootHash};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Fills a tree block from its byte offset in the tree.
pub type Fetch<'a, E> = dyn FnMut(u64, &mut [u8]) -> Result<(), E> + 'a;

/// Reads digests out of a tree, checking every tree block against its parent whenever it is read. Memory:
/// one block for each level; walking the leaves in order reads each tree block once.
#[derive(Debug)]
pub struct Reader {
    geometry: Geometry,
    hasher: Hasher,
    root: RootHash,
    levels: Vec<Cached>,
}

/// The block of a level that was checked last; `index` is `None` while there is none.
#[derive(Debug)]
struct Cached {
    index: Option<u64>,
    block: Box<TreeBlock>,
}

/// Why a digest could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeError<E> {
    /// A tree block could not be read.
    Fetch(E),
    /// The tree block at this byte offset of the tree has not the hash that its parent names, or the tree has
    /// no such block.
    Mismatch {
        /// Byte offset in the tree, the superblock included; the tree's length when what was asked for lies
        /// outside it.
        offset: u64,
    },
}

impl Reader {
    /// A reader of the tree of this shape, salt and root hash.
    pub fn new(geometry: Geometry, salt: &[u8], root: RootHash) -> Self {
        let empty = |_: &_| Cached { index: None, block: Box::new([0; BLOCK]) };
        let levels = geometry.levels().iter().map(empty).collect();
        Self { geometry, hasher: Hasher::new(salt), root, levels }
    }

    /// The shape of the tree.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The digest that data block number `block` must have.
    pub fn leaf<E>(&mut self, block: u64, fetch: &mut Fetch<'_, E>) -> Result<Digest, TreeError<E>> {
        if block >= self.geometry.blocks() {
            return Err(TreeError::Mismatch { offset: self.geometry.len_bytes() });
        }
        self.descend(0, block / FANOUT, fetch)?;
        Ok(entry(&self.levels[0].block, block % FANOUT))
    }

    /// The tree block at this byte offset of the tree, checked. The superblock is none.
    pub fn block<E>(&mut self, offset: u64, fetch: &mut Fetch<'_, E>) -> Result<&TreeBlock, TreeError<E>> {
        let outside = TreeError::Mismatch { offset: self.geometry.len_bytes() };
        let (level, index) = self.geometry.locate(offset).ok_or(outside)?;
        self.descend(level, index, fetch)?;
        Ok(&self.levels[level].block)
    }

    /// Makes block `index` of `level` the cached one, and its ancestors before it.
    fn descend<E>(&mut self, level: usize, index: u64, fetch: &mut Fetch<'_, E>) -> Result<(), TreeError<E>> {
        let mut expected = self.root.0;
        for at in (level..self.levels.len()).rev() {
            let wanted = index / FANOUT.pow((at - level) as u32);
            let cached = &mut self.levels[at];
            if cached.index != Some(wanted) {
                // Until it is proven it is nobody's block, also when the fetch fails half-way.
                cached.index = None;
                let offset = self.geometry.levels()[at].offset + wanted * BLOCK as u64;
                fetch(offset, &mut cached.block[..]).map_err(TreeError::Fetch)?;
                if self.hasher.block(&*cached.block) != expected {
                    return Err(TreeError::Mismatch { offset });
                }
                cached.index = Some(wanted);
            }
            if at > level {
                let child = index / FANOUT.pow((at - 1 - level) as u32);
                expected = entry(&cached.block, child % FANOUT);
            }
        }
        Ok(())
    }
}

fn entry(block: &TreeBlock, number: u64) -> Digest {
    let mut digest = [0; 32];
    let at = number as usize * digest.len();
    digest.copy_from_slice(&block[at..at + 32]);
    digest
}

impl<E: fmt::Display> fmt::Display for TreeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => write!(f, "tree: {error}"),
            Self::Mismatch { offset } => {
                write!(f, "tree block at byte {offset} does not have the expected hash")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for TreeError<E> {}

#[cfg(test)]
mod tests {
    use super::super::Builder;
    use super::*;
    use std::convert::Infallible;

    /// The tree over blocks that each hold their own number, whole, with its root hash.
    fn tree(blocks: u64, salt: &[u8]) -> (Vec<u8>, RootHash) {
        let geometry = Geometry::new(blocks).unwrap();
        let mut bytes = vec![0xee; geometry.len_bytes() as usize];
        let mut emit = |offset: u64, block: &TreeBlock| -> Result<(), Infallible> {
            bytes[offset as usize..][..BLOCK].copy_from_slice(block);
            Ok(())
        };
        let mut builder = Builder::new(geometry, salt);
        for number in 0..blocks {
            builder.push(leaf(salt, number), &mut emit).unwrap();
        }
        let root = builder.finish(&mut emit).unwrap();
        (bytes, root)
    }

    fn leaf(salt: &[u8], number: u64) -> Digest {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&number.to_le_bytes());
        Hasher::new(salt).block(&block)
    }

    fn fetch_from(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> Result<(), ()> {
        |offset, buf| {
            let from = offset as usize;
            buf.copy_from_slice(bytes.get(from..from + buf.len()).ok_or(())?);
            Ok(())
        }
    }

    #[test]
    fn what_the_builder_made_the_reader_reads() {
        for blocks in [2, 3, 127, 128, 129, 255, 257, 16383, 16384, 16385] {
            let (bytes, root) = tree(blocks, b"salt");
            let mut reader = Reader::new(Geometry::new(blocks).unwrap(), b"salt", root);
            let mut fetch = fetch_from(&bytes);
            let step = if blocks > 300 { 61 } else { 1 };
            for number in (0..blocks).step_by(step).chain([blocks - 1, 0]) {
                assert_eq!(
                    reader.leaf(number, &mut fetch),
                    Ok(leaf(b"salt", number)),
                    "{number} of {blocks}"
                );
            }
            assert!(matches!(reader.leaf(blocks, &mut fetch), Err(TreeError::Mismatch { .. })));
        }
    }

    #[test]
    fn the_leaves_in_order_read_every_tree_block_once() {
        let (bytes, root) = tree(16385, b"");
        let mut reader = Reader::new(Geometry::new(16385).unwrap(), b"", root);
        let (mut reads, mut fetch) = (0, fetch_from(&bytes));
        for number in 0..16385 {
            let mut counted = |offset, buf: &mut [u8]| {
                reads += 1;
                fetch(offset, buf)
            };
            reader.leaf(number, &mut counted).unwrap();
        }
        assert_eq!(reads, reader.geometry().tree_blocks() - 1);
    }

    #[test]
    fn a_damaged_tree_block_hides_its_leaves_and_no_others() {
        let (good, root) = tree(16385, b"x");
        let geometry = Geometry::new(16385).unwrap();
        for damaged in 1..geometry.tree_blocks() {
            let mut bytes = good.clone();
            let offset = damaged * BLOCK as u64;
            bytes[offset as usize + (damaged as usize * 37) % BLOCK] ^= 1;
            let (level, index) = geometry.locate(offset).unwrap();
            let covered = FANOUT.pow(level as u32 + 1);
            let mut reader = Reader::new(geometry, b"x", root);
            let mut fetch = fetch_from(&bytes);
            let inside = (index * covered).min(16384);
            assert_eq!(reader.leaf(inside, &mut fetch), Err(TreeError::Mismatch { offset }));
            // A second try must not find it in the cache.
            assert_eq!(reader.leaf(inside, &mut fetch), Err(TreeError::Mismatch { offset }));
            let outside = if index == 0 { 16384 } else { 0 };
            if outside / covered != index {
                assert_eq!(reader.leaf(outside, &mut fetch), Ok(leaf(b"x", outside)));
            }
        }
    }

    #[test]
    fn any_tree_block_is_read_by_its_offset_and_checked() {
        let (mut bytes, root) = tree(300, b"");
        let mut reader = Reader::new(Geometry::new(300).unwrap(), b"", root);
        for offset in (4096..bytes.len() as u64).step_by(BLOCK) {
            let found = *reader.block(offset, &mut fetch_from(&bytes)).unwrap();
            assert_eq!(found[..], bytes[offset as usize..][..BLOCK]);
        }
        assert!(reader.block(0, &mut fetch_from(&bytes)).is_err());
        bytes[8192] ^= 1;
        let mut reader = Reader::new(Geometry::new(300).unwrap(), b"", root);
        let found = reader.block(8192, &mut fetch_from(&bytes));
        assert_eq!(found, Err(TreeError::Mismatch { offset: 8192 }));
    }

    #[test]
    fn a_failed_fetch_is_not_remembered() {
        let (bytes, root) = tree(129, b"");
        let mut reader = Reader::new(Geometry::new(129).unwrap(), b"", root);
        assert_eq!(reader.leaf(128, &mut |_, _| Err("cut")), Err(TreeError::Fetch("cut")));
        assert_eq!(reader.leaf(128, &mut fetch_from(&bytes)), Ok(leaf(b"", 128)));
    }

    #[test]
    fn too_few_or_too_many_digests_make_no_tree() {
        let mut emit = |_: u64, _: &TreeBlock| Ok::<(), ()>(());
        let mut builder = Builder::new(Geometry::new(2).unwrap(), b"");
        builder.push([0; 32], &mut emit).unwrap();
        let short = builder.finish(&mut emit);
        assert_eq!(short, Err(super::super::BuilderError::Count { expected: 2, found: 1 }));
        let mut builder = Builder::new(Geometry::new(2).unwrap(), b"");
        for _ in 0..2 {
            builder.push([0; 32], &mut emit).unwrap();
        }
        assert!(builder.push([0; 32], &mut emit).is_err());
    }
}
