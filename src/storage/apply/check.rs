//! Proving a bundle whole.

use super::Error;
use super::feed::BESIDE;
use crate::bundle::{Bundle, Carried, Group, Packed, SharedDelta, Sources, Tree, Trees, Unpacker};
use crate::medium::{Aligned, Medium};
use crate::worker_pool::{self, Jobs, Threads};
use everboot_core::manifest::PartImage;
use everboot_core::slot::{BLOCK, Digest};

/// Reads all of a bundle, with these threads: every block of the image is unpacked and compared with its digest, for a
/// delta those that `sources` have too (of each part, in the order of the manifest), and so every tree block with its
/// parent. `watch` is called after each piece, and while a tree is made, with the number of blocks that are proven, and
/// of those that there are: nothing goes on for long without a call.
pub fn check<S: Medium, T: Medium>(
    bundle: &mut Bundle<S>,
    sources: &mut [Sources<T>],
    threads: Threads,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let (mut proven, blocks) = (0, bundle.manifest().blocks());
    for ((image, carried), sources) in bundle.carried().zip(sources) {
        proven = check_part(image, carried, sources, threads, (proven, blocks), watch)?;
    }
    Ok(())
}

/// Goes on from so many proven blocks of all, and returns how many are proven then.
fn check_part<S: Medium, T: Medium>(
    image: &PartImage,
    carried: Carried<'_, S>,
    sources: &mut Sources<T>,
    threads: Threads,
    (proven, blocks): (u64, u64),
    watch: &mut dyn FnMut(u64, u64),
) -> Result<u64, Error> {
    // A sign of life, where nothing new is proven yet.
    let mut alive = || watch(proven, blocks);
    let (pieces, count, threads) = match carried {
        Carried::Whole(tree, packed) => {
            let frames = packed.frames();
            (Pieces::Whole(tree, packed), frames.count(), frames.threads(threads))
        }
        Carried::Delta(medium, delta) => {
            // That it tells the signed image is found out here, by all its new blocks.
            let (shared, trees) = SharedDelta::new((medium, delta), sources, image, &mut alive)?;
            (Pieces::Delta(shared, trees), delta.count(), threads.at_most(BESIDE))
        }
    };
    let mut check = Check { pieces, next: 0, count, proven, blocks, error: None, watch };
    worker_pool::work(&mut check, threads, &|| {
        let (mut unpacker, mut buffer) = (Unpacker::default(), Aligned::default());
        Box::new(move |piece: Piece<'_, S, T>| piece.prove(&mut unpacker, &mut buffer))
    });
    check.error.map_or(Ok(check.proven), Err)
}

/// What is read.
enum Pieces<'a, S, T> {
    Whole(Tree<'a, S>, Packed<'a, S>),
    Delta(SharedDelta<'a, S, T>, Trees<'a, T>),
}

/// A frame with the digests of its blocks, or a group with those of the blocks that it copies.
enum Piece<'a, S, T> {
    Frame(Packed<'a, S>, u64, Vec<Digest>),
    Group(SharedDelta<'a, S, T>, Group, Vec<Digest>),
}

impl<'a, S: Medium, T: Medium> Pieces<'a, S, T> {
    fn piece(&mut self, number: u64) -> Result<Piece<'a, S, T>, Error> {
        Ok(match self {
            Self::Whole(tree, packed) => {
                Piece::Frame(*packed, number, tree.digests(packed.frames().blocks(number))?)
            }
            Self::Delta(shared, trees) => {
                let group = shared.group(number)?;
                let copied = trees.copied(&group)?;
                Piece::Group(*shared, group, copied)
            }
        })
    }
}

impl<S: Medium, T: Medium> Piece<'_, S, T> {
    /// How many blocks it has.
    fn prove(self, unpacker: &mut Unpacker, buffer: &mut Aligned) -> Result<u64, Error> {
        match self {
            Self::Frame(packed, frame, digests) => {
                buffer.resize(digests.len() * BLOCK);
                packed.read(frame, &digests, unpacker, buffer)?;
                Ok(digests.len() as u64)
            }
            Self::Group(shared, group, copied) => {
                shared.check_copied(&group, &copied, buffer)?;
                Ok(group.blocks.end - group.blocks.start)
            }
        }
    }
}

struct Check<'a, S, T> {
    pieces: Pieces<'a, S, T>,
    next: u64,
    count: u64,
    proven: u64,
    blocks: u64,
    error: Option<Error>,
    watch: &'a mut dyn FnMut(u64, u64),
}

impl<'a, S: Medium, T: Medium> Jobs for Check<'a, S, T> {
    type Job = Piece<'a, S, T>;
    type Outcome = Result<u64, Error>;

    fn next(&mut self) -> Option<Self::Job> {
        if self.error.is_some() || self.next == self.count {
            return None;
        }
        self.next += 1;
        self.pieces.piece(self.next - 1).map_err(|error| self.error = Some(error)).ok()
    }

    fn done(&mut self, outcome: Self::Outcome) {
        match outcome {
            Ok(blocks) => {
                self.proven += blocks;
                (self.watch)(self.proven, self.blocks);
            }
            Err(error) => self.error = Some(self.error.take().unwrap_or(error)),
        }
    }
}
