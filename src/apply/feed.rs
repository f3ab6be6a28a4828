//! What has to be in a slot, piece by piece.

use super::Error;
use super::layout::Layout;
use super::worker::{Carrier, Origin, Span};
use crate::bundle::{self, Bundle, Carried, Delta, Frames, Sources, Tree, Trees};
use crate::crew::Threads;
use crate::manifest::Payload;
use crate::medium::{Aligned, Medium};
use crate::slot::{BLOCK, Digest, same};
use crate::tree::{Geometry, Hasher, Reader, Superblock, TreeBlock, TreeError};
use std::ops::Range;

/// Tree blocks that are handled at once.
const STEP: u64 = 64;
/// Threads that unpack groups, of which each needs 8 MiB.
const PATCHERS: usize = 2;

/// The tree in a slot.
pub(super) struct Made<'a, T> {
    slot: &'a T,
    layout: Layout,
    reader: Box<Reader>,
}

/// The pieces of an image, in order, each with its digests and where its content comes from.
pub(super) enum Feed<'a, S, T> {
    /// The frames of a whole image, and behind them its tree if that is to be in the slot too.
    Whole { tree: Tree<'a, S>, frames: &'a Frames, hasher: &'a Hasher, layout: Option<Layout> },
    /// The groups of a delta. Their digests are those of the tree that was made of it in the slot before; where no
    /// slot is written, those that it tells.
    Delta {
        medium: &'a S,
        delta: &'a Delta,
        payload: &'a Payload,
        trees: Trees<'a, T>,
        made: Option<Made<'a, T>>,
    },
}

impl<S: Medium, T: Medium> Feed<'_, S, T> {
    /// How many pieces there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Whole { frames, layout, .. } => {
                frames.count() + layout.map_or(0, tree_blocks).div_ceil(STEP)
            }
            Self::Delta { delta, .. } => delta.count(),
        }
    }

    /// Makes the tree that a delta tells in the slot, whose trailer was erased before; returns the bytes written. A
    /// cut leaves parts of it, which are written again: a slot without a trailer says nothing of itself.
    pub(super) fn prepare(&mut self) -> Result<u64, Error> {
        let Self::Delta { medium, delta, payload, trees, made: Some(Made { slot, layout, .. }) } = self
        else {
            return Ok(0);
        };
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
        bundle::build((*medium, *delta), trees, payload, &mut put)?;
        slot.sync().map_err(Error::Target)?;
        // All other blocks are compared with their parents when they are read.
        slot.read_at(layout.image_len, &mut there).map_err(Error::Target)?;
        let superblock = Superblock::new(payload.root_hash, payload.blocks(), &payload.salt).encode();
        match same(&there, &superblock) {
            true => Ok(written),
            false => Err(Error::ReadBack { block: layout.blocks() }),
        }
    }

    /// A piece.
    pub(super) fn piece(&mut self, number: u64) -> Result<(Span, Origin), Error> {
        match self {
            Self::Whole { tree, frames, hasher, layout } => {
                match (number.checked_sub(frames.count()), layout) {
                    (Some(step), Some(layout)) => tree_step(tree, hasher, *layout, step),
                    _ => {
                        let blocks = frames.blocks(number);
                        let span = Span { first: blocks.start, digests: tree.digests(blocks)? };
                        Ok((span, Origin::Frame(number)))
                    }
                }
            }
            Self::Delta { medium, delta, trees, made, .. } => {
                let group = delta.group(*medium, number)?;
                let digests = match made {
                    Some(made) => made.digests(group.blocks.clone())?,
                    None => trees.digests(delta.hasher(), &group)?,
                };
                let (first, prefix) = (group.blocks.start, trees.prefix(&group)?);
                Ok((Span { first, digests }, Origin::Group(number, group, Some(prefix))))
            }
        }
    }
}

fn tree_blocks(layout: Layout) -> u64 {
    layout.tree_len / BLOCK as u64
}

/// Some blocks of the tree, behind the image.
fn tree_step<S: Medium>(
    tree: &mut Tree<'_, S>,
    hasher: &Hasher,
    layout: Layout,
    step: u64,
) -> Result<(Span, Origin), Error> {
    let first = step * STEP;
    let count = STEP.min(tree_blocks(layout) - first) as usize;
    let mut content = Aligned::zeroed(count * BLOCK);
    for (number, block) in (first..).zip(content.chunks_exact_mut(BLOCK)) {
        tree.block(number, block)?;
    }
    let digests = hasher.blocks(&content.chunks_exact(BLOCK).collect::<Vec<_>>());
    Ok((Span { first: layout.blocks() + first, digests }, Origin::Memory(content)))
}

impl<T: Medium> Made<'_, T> {
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

/// What an image is fed from.
pub(super) struct Opened<'a, S, T> {
    pub(super) feed: Feed<'a, S, T>,
    pub(super) carrier: Carrier<'a, S, T>,
    pub(super) hasher: &'a Hasher,
    pub(super) threads: Threads,
}

/// Opens an image for a slot, or only to be looked at. A delta that tells another image than its manifest is refused,
/// before anything is written.
pub(super) fn open<'a, S: Medium, T: Medium>(
    bundle: &'a mut Bundle<S>,
    sources: &'a mut Sources<T>,
    slot: Option<(&'a T, Layout)>,
    threads: Threads,
) -> Result<Opened<'a, S, T>, Error> {
    let (payload, carried) = bundle.carried();
    match carried {
        Carried::Whole(tree, packed) => {
            let (frames, hasher, layout) = (packed.frames(), packed.hasher(), slot.map(|(_, layout)| layout));
            let feed = Feed::Whole { tree, frames, hasher, layout };
            Ok(Opened { feed, carrier: Carrier::Whole(packed), hasher, threads: frames.threads(threads) })
        }
        Carried::Delta(medium, delta) => {
            let (mut trees, parts) = sources.halves(delta)?;
            let root = bundle::build((medium, delta), &mut trees, payload, &mut |_, _| Ok::<(), Error>(()))?;
            if root != payload.root_hash {
                return Err(Error::Bundle(bundle::Error::WrongRoot));
            }
            let geometry = Geometry::new(payload.blocks());
            let made = slot.zip(geometry).map(|((slot, layout), geometry)| {
                let reader = Box::new(Reader::new(geometry, &payload.salt, payload.root_hash));
                Made { slot, layout, reader }
            });
            let feed = Feed::Delta { medium, delta, payload, trees, made };
            let carrier = Carrier::Delta(medium, delta, parts);
            Ok(Opened { feed, carrier, hasher: delta.hasher(), threads: threads.at_most(PATCHERS) })
        }
    }
}
