//! Making a tree from the digests of an image's blocks.

use super::{FANOUT, Geometry, Hasher, Superblock, TreeBlock};
use crate::slot::{BLOCK, Digest, RootHash};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Takes a finished tree block, with its byte offset in the tree.
pub type Emit<'a, E> = dyn FnMut(u64, &TreeBlock) -> Result<(), E> + 'a;

/// Takes the digests of data blocks in order and gives out finished tree blocks, in no promised order.
/// Memory: one block for each level.
#[derive(Debug)]
pub struct Builder {
    geometry: Geometry,
    hasher: Hasher,
    salt: Vec<u8>,
    levels: Vec<Open>,
    pushed: u64,
    root: Option<RootHash>,
}

/// The block of a level that is being filled.
#[derive(Debug)]
struct Open {
    block: Box<TreeBlock>,
    entries: usize,
    index: u64,
}

/// Why a builder could not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuilderError<E> {
    /// The number of digests is not the geometry's number of blocks.
    Count {
        /// Blocks of the geometry.
        expected: u64,
        /// Digests that came.
        found: u64,
    },
    /// The tree block could not be given away.
    Emit(E),
}

impl Builder {
    /// A builder for the tree of this shape with this salt.
    ///
    /// # Panics
    /// When the salt is longer than [`super::SALT_MAX`].
    pub fn new(geometry: Geometry, salt: &[u8]) -> Self {
        assert!(salt.len() <= super::SALT_MAX, "a salt of at most {} bytes", super::SALT_MAX);
        let open = |_: &_| Open { block: Box::new([0; BLOCK]), entries: 0, index: 0 };
        let levels = geometry.levels().iter().map(open).collect();
        Self { geometry, hasher: Hasher::new(salt), salt: salt.to_vec(), levels, pushed: 0, root: None }
    }

    /// Takes the digest of the next data block. `emit` gets each tree block that this finishes.
    pub fn push<E>(&mut self, digest: Digest, emit: &mut Emit<'_, E>) -> Result<(), BuilderError<E>> {
        self.pushed += 1;
        if self.pushed > self.geometry.blocks() {
            return Err(self.wrong_count());
        }
        self.add(0, digest, emit)
    }

    /// Finishes the tree: emits the blocks that are still open and the superblock, and returns the root hash.
    pub fn finish<E>(mut self, emit: &mut Emit<'_, E>) -> Result<RootHash, BuilderError<E>> {
        for level in 0..self.levels.len() {
            if self.levels[level].entries > 0 {
                self.close(level, emit)?;
            }
        }
        match self.root {
            Some(root) if self.pushed == self.geometry.blocks() => {
                let superblock = Superblock::new(root, self.geometry.blocks(), &self.salt);
                emit(0, &superblock.encode()).map_err(BuilderError::Emit)?;
                Ok(root)
            }
            _ => Err(self.wrong_count()),
        }
    }

    fn wrong_count<E>(&self) -> BuilderError<E> {
        BuilderError::Count { expected: self.geometry.blocks(), found: self.pushed }
    }

    fn add<E>(
        &mut self,
        level: usize,
        digest: Digest,
        emit: &mut Emit<'_, E>,
    ) -> Result<(), BuilderError<E>> {
        let Some(open) = self.levels.get_mut(level) else {
            self.root = Some(RootHash(digest));
            return Ok(());
        };
        let at = open.entries * digest.len();
        open.block[at..at + digest.len()].copy_from_slice(&digest);
        open.entries += 1;
        if open.entries as u64 == FANOUT { self.close(level, emit) } else { Ok(()) }
    }

    /// Emits the open block of `level` and enters its digest one level up. At most [`super::MAX_LEVELS`] deep.
    fn close<E>(&mut self, level: usize, emit: &mut Emit<'_, E>) -> Result<(), BuilderError<E>> {
        let open = &mut self.levels[level];
        let offset = self.geometry.levels()[level].offset + open.index * BLOCK as u64;
        emit(offset, &open.block).map_err(BuilderError::Emit)?;
        let digest = self.hasher.block(&*open.block);
        open.block.fill(0);
        (open.entries, open.index) = (0, open.index + 1);
        self.add(level + 1, digest, emit)
    }
}

impl<E: fmt::Display> fmt::Display for BuilderError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { expected, found } => {
                write!(f, "tree: expected the digests of {expected} blocks, found {found}")
            }
            Self::Emit(error) => write!(f, "tree block: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for BuilderError<E> {}
