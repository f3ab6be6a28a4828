//! Which blocks of the new image the old ones have, and in which groups the rest is packed.

use super::image::Image;
use everboot_core::slot::Digest;
use everboot_core::tree::Hasher;
use everboot_storage::bundle::{GROUP_BLOCKS, GROUP_NEW, Piece, Run};
use std::collections::HashMap;
use std::ops::Range;

/// A group before its new blocks are packed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The blocks that it describes.
    pub(crate) blocks: Range<u64>,
    /// Where they come from.
    pub(crate) runs: Vec<Run>,
    /// Those that are new.
    pub(crate) new: Vec<u64>,
}

/// Where one block comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Zero,
    New,
    Copy(usize, u64),
}

/// The groups of the whole image.
pub(crate) fn plan(new: &Image, olds: &[Image]) -> Vec<Plan> {
    let zeroes = Hasher::new(&new.manifest.root().salt).zeroes();
    let digests: Vec<&[Digest]> = olds.iter().map(|old| &old.digests[..]).collect();
    groups(&origins(&new.digests, &digests, zeroes))
}

/// A block that goes on where the copy before it ended is taken first, then one at the same place, then any.
fn origins(new: &[Digest], olds: &[&[Digest]], zeroes: Digest) -> Vec<Origin> {
    let mut anywhere = HashMap::new();
    for (source, digests) in olds.iter().enumerate() {
        for (block, digest) in digests.iter().enumerate() {
            anywhere.entry(digest).or_insert((source, block));
        }
    }
    let has = |digest: &Digest, (source, block): (usize, usize)| olds[source].get(block) == Some(digest);
    let mut before = None;
    let mut origins = Vec::with_capacity(new.len());
    for (block, digest) in new.iter().enumerate() {
        let place = match anywhere.get(digest) {
            _ if *digest == zeroes => None,
            None => None,
            Some(any) => {
                let behind = before.map(|(source, block)| (source, block + 1));
                let here = (0..olds.len()).map(|source| (source, block));
                behind.into_iter().chain(here).find(|place| has(digest, *place)).or(Some(*any))
            }
        };
        before = place;
        origins.push(match place {
            Some((source, block)) => Origin::Copy(source, block as u64),
            None if *digest == zeroes => Origin::Zero,
            None => Origin::New,
        });
    }
    origins
}

fn groups(origins: &[Origin]) -> Vec<Plan> {
    let mut plans = Vec::new();
    let empty = |first| Plan { blocks: first..first, runs: Vec::new(), new: Vec::new() };
    let mut plan = empty(0);
    for (block, origin) in (0..).zip(origins) {
        let is_full = plan.blocks.end - plan.blocks.start == u64::from(GROUP_BLOCKS);
        if is_full || plan.new.len() == GROUP_NEW && *origin == Origin::New {
            plans.push(std::mem::replace(&mut plan, empty(block)));
        }
        plan.blocks.end = block + 1;
        if *origin == Origin::New {
            plan.new.push(block);
        }
        match (plan.runs.last_mut(), *origin) {
            (Some(Run::Zero(count)), Origin::Zero) | (Some(Run::New(count)), Origin::New) => *count += 1,
            (Some(Run::Copy(piece)), Origin::Copy(source, block))
                if piece.source == source && piece.first + piece.count == block =>
            {
                piece.count += 1;
            }
            (_, Origin::Zero) => plan.runs.push(Run::Zero(1)),
            (_, Origin::New) => plan.runs.push(Run::New(1)),
            (_, Origin::Copy(source, first)) => {
                plan.runs.push(Run::Copy(Piece { source, first, count: 1 }));
            }
        }
    }
    plans.push(plan);
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(bytes: &[u8]) -> Vec<Digest> {
        bytes.iter().map(|byte| [*byte; 32]).collect()
    }

    #[test]
    fn copies_go_on_where_they_were_and_the_rest_is_zero_or_new() {
        let (a, b) = (digests(&[1, 2, 3, 0, 2, 7]), digests(&[9, 9, 8]));
        let plans = groups(&origins(&digests(&[2, 3, 0, 0, 5, 9, 8, 2, 7]), &[&a, &b], [0; 32]));
        let copy = |source, first, count| Run::Copy(Piece { source, first, count });
        let runs = [
            copy(0, 1, 2),
            Run::Zero(2),
            Run::New(1),
            copy(1, 0, 1),
            copy(1, 2, 1),
            copy(0, 1, 1),
            copy(0, 5, 1),
        ];
        assert_eq!(plans, [Plan { blocks: 0..9, runs: runs.to_vec(), new: vec![4] }]);
    }

    #[test]
    fn groups_end_where_their_limits_are() {
        let many = GROUP_BLOCKS as usize + 3;
        let plans = groups(&vec![Origin::Zero; many]);
        let blocks: Vec<_> = plans.iter().map(|plan| plan.blocks.clone()).collect();
        assert_eq!(blocks, [0..u64::from(GROUP_BLOCKS), u64::from(GROUP_BLOCKS)..many as u64]);
        let plans = groups(&vec![Origin::New; GROUP_NEW + 1]);
        assert_eq!(plans.iter().map(|plan| plan.new.len()).collect::<Vec<_>>(), [GROUP_NEW, 1]);
    }
}
