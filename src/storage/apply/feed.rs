//! What has to be in a slot, piece by piece.

use super::Error;
use super::layout::Layout;
use super::worker::{Origin, Span};
use crate::bundle::{self, Carried, Packed, SharedDelta, Sources, Tree, Trees};
use crate::medium::{Aligned, Medium};
use crate::worker_pool::Threads;
use everboot_core::manifest::PartImage;
use everboot_core::slot::{BLOCK, Digest, RootHash, same};
use everboot_core::tree::{Builder, BuilderError, Emit, Hasher, Reader, Superblock, TreeBlock, TreeError};
use std::iter::once;
use std::ops::Range;

/// Tree blocks that are handled at once.
const STEP: u64 = 64;
/// Threads that unpack groups, of which each needs 9 MiB.
const PATCHERS: usize = 2;
/// Threads that only read and hash.
pub(super) const BESIDE: usize = 8;

/// Blocks of a slot that are looked at together when it is repaired.
const SPAN: u64 = 256;
/// Threads that repair, of which each needs 3 MiB.
const REPAIR_THREADS: usize = 4;

/// The tree in a slot.
pub(super) struct Made<'a, T> {
    slot: &'a T,
    layout: Layout,
    reader: Box<Reader>,
}

/// The pieces of an image, in order, each with its digests and where its content comes from.
pub(super) enum Feed<'a, S, T> {
    /// The frames of a whole image, and behind them its tree.
    Whole { tree: Tree<'a, S>, packed: Packed<'a, S>, layout: Layout },
    /// The groups of a delta. Their digests are those of the tree that was made of it in the slot before.
    Delta { shared: SharedDelta<'a, S, T>, trees: Trees<'a, T>, image: &'a PartImage, made: Made<'a, T> },
    /// What a slot has already, by its own tree; other slots may have what is missing.
    Slots { made: Made<'a, T>, sources: &'a [T], image: &'a PartImage, hasher: &'a Hasher, is_known: bool },
}

impl<'a, S: Medium, T: Medium> Feed<'a, S, T> {
    /// Opens the image for a part. A delta that tells another image than its manifest is refused, before anything is
    /// written. Memory bounds the threads. `alive` is called now and then.
    pub(super) fn open(
        (image, carried): (&'a PartImage, Carried<'a, S>),
        sources: &'a mut Sources<T>,
        (slot, layout): (&'a T, Layout),
        threads: Threads,
        alive: &mut dyn FnMut(),
    ) -> Result<(Self, Threads), Error> {
        match carried {
            Carried::Whole(tree, packed) => {
                Ok((Self::Whole { tree, packed, layout }, packed.frames().threads(threads)))
            }
            Carried::Delta(medium, delta) => {
                let (shared, trees) = SharedDelta::new((medium, delta), sources, image, alive)?;
                let made = Made::new(slot, layout, image);
                Ok((Self::Delta { shared, trees, image, made }, threads.at_most(PATCHERS)))
            }
        }
    }

    /// Opens the image that a slot has already, to be repaired with what other slots have.
    pub(super) fn repaired(
        (slot, layout): (&'a T, Layout),
        (image, sources): (&'a PartImage, &'a [T]),
        hasher: &'a Hasher,
        threads: Threads,
    ) -> (Self, Threads) {
        let made = Made::new(slot, layout, image);
        (Self::Slots { made, sources, image, hasher, is_known: false }, threads.at_most(REPAIR_THREADS))
    }

    /// A hasher with the salt of the image.
    pub(super) fn hasher(&self) -> &'a Hasher {
        match self {
            Self::Whole { packed, .. } => packed.hasher(),
            Self::Delta { shared, .. } => shared.hasher(),
            Self::Slots { hasher, .. } => hasher,
        }
    }

    /// How many pieces there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Whole { packed, layout, .. } => {
                packed.frames().count() + tree_blocks(*layout).div_ceil(STEP)
            }
            Self::Delta { shared, .. } => shared.count(),
            Self::Slots { image, .. } => image.blocks().div_ceil(SPAN),
        }
    }

    /// Makes the tree that a delta tells in the slot, whose trailer was erased before; returns the bytes written. A
    /// cut leaves parts of it, which are written again: a slot without a trailer says nothing of itself. In a slot
    /// that is repaired, blocks of the tree that are wrong are made right, if all of it is known: its root hash says
    /// so. `alive` is called now and then.
    pub(super) fn prepare(&mut self, alive: &mut dyn FnMut()) -> Result<u64, Error> {
        let (Self::Delta { made, image, .. } | Self::Slots { made, image, .. }) = self else {
            return Ok(0);
        };
        let (slot, layout, image) = (made.slot, made.layout, *image);
        if let Self::Slots { made, sources, hasher, is_known, .. } = self {
            *is_known = made.build((sources, hasher), image, &mut |_, _| Ok(()), alive)? == image.root_hash;
            if !*is_known {
                return Ok(0);
            }
        }
        let (mut there, mut written) = (Aligned::zeroed(BLOCK), 0);
        let mut put = |offset: u64, block: &TreeBlock| {
            let at = layout.image_len + offset;
            if slot.read_at(at, &mut there).is_err() || !same(&there, block) {
                there.copy_from_slice(block);
                slot.write_at(at, &there).map_err(Error::Target)?;
                written += BLOCK as u64;
            }
            Ok::<(), Error>(())
        };
        match self {
            Self::Delta { shared, trees, .. } => shared.build(trees, image, &mut put, alive)?,
            Self::Slots { made, sources, hasher, .. } => {
                made.build((sources, hasher), image, &mut put, alive)?
            }
            Self::Whole { .. } => image.root_hash,
        };
        slot.sync().map_err(Error::Target)?;
        // All other blocks are compared with their parents when they are read.
        slot.read_at(layout.image_len, &mut there).map_err(Error::Target)?;
        let superblock = Superblock::new(image.root_hash, image.blocks(), &image.salt).encode();
        match same(&there, &superblock) {
            true => Ok(written),
            false => Err(Error::ReadBack { block: layout.blocks() }),
        }
    }

    /// A piece.
    pub(super) fn piece(&mut self, number: u64) -> Result<(Span, Origin<'a, S, T>), Error> {
        match self {
            Self::Whole { tree, packed, layout } => match number.checked_sub(packed.frames().count()) {
                Some(step) => tree_step(tree, packed.hasher(), *layout, step),
                None => {
                    let blocks = packed.frames().blocks(number);
                    let span = Span { first: blocks.start, digests: tree.digests(blocks)? };
                    Ok((span, Origin::Frame(*packed, number)))
                }
            },
            Self::Delta { shared, trees, made, .. } => {
                let group = shared.group(number)?;
                let (first, digests) = (group.blocks.start, made.digests(group.blocks.clone())?);
                let prefix = trees.prefix(&group)?;
                Ok((Span { first, digests }, Origin::Group(*shared, group, prefix)))
            }
            Self::Slots { made, sources, image, is_known, .. } => {
                let (first, end) = (number * SPAN, ((number + 1) * SPAN).min(image.blocks()));
                let digests = match is_known {
                    true => made.digests(first..end)?,
                    // No block has the digest that stands for one that nobody knows.
                    false => (first..end).map(|block| made.digest(block, &[]).unwrap_or_default()).collect(),
                };
                Ok((Span { first, digests }, Origin::Slots(sources)))
            }
        }
    }
}

fn tree_blocks(layout: Layout) -> u64 {
    layout.tree_len / BLOCK as u64
}

/// Some blocks of the tree, behind the image.
fn tree_step<'a, S: Medium, T>(
    tree: &mut Tree<'_, S>,
    hasher: &Hasher,
    layout: Layout,
    step: u64,
) -> Result<(Span, Origin<'a, S, T>), Error> {
    let first = step * STEP;
    let count = STEP.min(tree_blocks(layout) - first) as usize;
    let mut content = Aligned::zeroed(count * BLOCK);
    for (number, block) in (first..).zip(content.chunks_exact_mut(BLOCK)) {
        tree.block(number, block)?;
    }
    let digests = hasher.blocks_of(&content);
    Ok((Span { first: layout.blocks() + first, digests }, Origin::Memory(content)))
}

impl<'a, T: Medium> Made<'a, T> {
    fn new(slot: &'a T, layout: Layout, image: &PartImage) -> Self {
        let reader = Reader::new(layout.tree, &image.salt, image.root_hash);
        Self { slot, layout, reader: Box::new(reader) }
    }

    /// The digest that a block must have, if the tree in the slot or in another one tells it; whoever does, it was
    /// checked up to the signed root hash.
    fn digest(&mut self, block: u64, sources: &[T]) -> Option<Digest> {
        let (image_len, reader) = (self.layout.image_len, &mut self.reader);
        once(self.slot).chain(sources).find_map(|part| {
            reader.leaf(block, &mut |offset, node| part.read_at(image_len + offset, node)).ok()
        })
    }

    /// Makes the tree of the image, and gives out its blocks and its root hash. Where no tree tells a digest, the block
    /// is taken to be right. `alive` is called now and then.
    fn build(
        &mut self,
        (sources, hasher): (&[T], &Hasher),
        image: &PartImage,
        emit: &mut Emit<'_, Error>,
        alive: &mut dyn FnMut(),
    ) -> Result<RootHash, Error> {
        let mut builder = Builder::new(self.layout.tree, &image.salt);
        let failed = |error| match error {
            BuilderError::Emit(error) => error,
            BuilderError::Count { .. } => bundle::Error::WrongRoot.into(),
        };
        let mut there = Aligned::zeroed(BLOCK);
        for block in 0..image.blocks() {
            let digest = self.digest(block, sources).unwrap_or_else(|| {
                let _ = self.slot.read_at(block * BLOCK as u64, &mut there);
                hasher.block(&there)
            });
            builder.push(digest, emit).map_err(failed)?;
            if block % SPAN == 0 {
                alive();
            }
        }
        builder.finish(emit).map_err(failed)
    }

    /// What the tree says, checked up to the signed root hash. It was written a moment ago, so one that is wrong was
    /// not read back as it was written.
    fn digests(&mut self, blocks: Range<u64>) -> Result<Vec<Digest>, Error> {
        let (slot, image_len) = (self.slot, self.layout.image_len);
        let mut fetch = |offset, buf: &mut [u8]| slot.read_at(image_len + offset, buf);
        let failed = |error| match error {
            TreeError::Fetch(error) => Error::Target(error),
            TreeError::Mismatch { offset } => Error::ReadBack { block: (image_len + offset) / BLOCK as u64 },
        };
        blocks.map(|block| self.reader.leaf(block, &mut fetch).map_err(failed)).collect()
    }
}
