//! Packing the new blocks of a group against old blocks that resemble them.

use super::image::Image;
use super::plan::Plan;
use super::similar::{BlockAddress, Similar};
use anyhow::{Result, anyhow};
use everboot_core::slot::BLOCK;
use everboot_storage::bundle::write::PrefixEncoder;
use everboot_storage::bundle::{GROUP_PREFIX, Group, Piece};
use std::collections::BTreeSet;

/// Old blocks that are asked for each new one.
const EACH: usize = 4;

/// A group as it stands in the bundle.
pub(crate) struct Packed {
    pub(crate) blocks: u32,
    pub(crate) recipe: Vec<u8>,
    pub(crate) packed: Vec<u8>,
}

/// What all groups are packed with.
pub(crate) struct Packer<'a> {
    pub(crate) new: &'a Image,
    pub(crate) olds: &'a [Image],
    pub(crate) similar: &'a Similar,
    pub(crate) level: i32,
}

impl Packer<'_> {
    pub(crate) fn pack(&self, plan: Plan) -> Result<Packed> {
        let prefix = self.prefix(&plan)?;
        let content = self.new.blocks(plan.new.iter().copied())?;
        let packed = match content.is_empty() {
            true => Vec::new(),
            false => {
                let packed = PrefixEncoder::new(self.level).encode(&self.old(&prefix)?, &content);
                packed.map_err(|why| anyhow!("zstd: {why}"))?
            }
        };
        let blocks = (plan.blocks.end - plan.blocks.start) as u32;
        let group = Group { number: 0, blocks: plan.blocks, runs: plan.runs, prefix };
        Ok(Packed { blocks, recipe: group.encode(), packed })
    }

    /// The best old block of each new one, then the second best of each, and so on while there is room. Where
    /// nothing resembles a block, what follows the best one of the block before it.
    fn prefix(&self, plan: &Plan) -> Result<Vec<Piece>> {
        let (mut ranks, mut before) = (vec![Vec::new(); EACH], None::<BlockAddress>);
        for block in &plan.new {
            let mut best = self.similar.best(&self.new.block(*block)?, EACH);
            let behind = before.map(|(source, block)| (source, block + 1));
            if let (true, Some(behind)) = (best.is_empty(), behind.filter(|place| self.is_there(*place))) {
                best.push(behind);
            }
            before = best.first().copied();
            best.into_iter().zip(&mut ranks).for_each(|(place, rank)| rank.push(place));
        }
        let mut chosen = BTreeSet::new();
        for place in ranks.into_iter().flatten() {
            if chosen.len() < GROUP_PREFIX {
                chosen.insert(place);
            }
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for (source, block) in chosen {
            let (source, first) = (source as usize, u64::from(block));
            match pieces.last_mut() {
                Some(piece) if piece.source == source && piece.first + piece.count == first => {
                    piece.count += 1
                }
                _ => pieces.push(Piece { source, first, count: 1 }),
            }
        }
        Ok(pieces)
    }

    fn is_there(&self, (source, block): BlockAddress) -> bool {
        (block as usize) < self.olds[source as usize].digests.len()
    }

    fn old(&self, pieces: &[Piece]) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(GROUP_PREFIX * BLOCK);
        for piece in pieces {
            bytes.extend(self.olds[piece.source].blocks(piece.first..piece.first + piece.count)?);
        }
        Ok(bytes)
    }
}
