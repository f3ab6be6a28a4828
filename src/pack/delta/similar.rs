//! Which old blocks resemble a new one.
//!
//! No file system is looked into: a rebuilt library shares many short strings of bytes with its older self, wherever
//! they have moved. Of all strings of 21 bytes those are taken whose rolling hash begins with zeroes, so the same
//! string is taken wherever it stands; old blocks that share most with a new one resemble it.

use everboot_core::slot::BLOCK;
use std::collections::HashMap;

/// How far a byte moves the hash: it is forgotten after 21 bytes.
const SHIFT: u32 = 3;
/// Strings that are held at most; of larger images fewer are taken.
const HELD: u64 = 24 << 20;
/// A string that stands in more blocks than this says nothing.
const COMMON: usize = 24;

/// An old block: which image, and its number in it.
pub(crate) type BlockAddress = (u32, u32);

/// The strings of all old blocks.
pub(crate) struct Similar {
    gear: [u64; 256],
    /// Low bits of the hash that must be zero.
    mask: u64,
    strings: Vec<(u64, BlockAddress)>,
}

impl Similar {
    /// For old images with so many blocks together.
    pub(crate) fn new(blocks: u64) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let gear = std::array::from_fn(|_| {
            // splitmix64
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        let each = (HELD / blocks.max(1)).clamp(4, 256);
        let bits = (BLOCK as u64 / each).next_power_of_two().trailing_zeros();
        Self { gear, mask: !(u64::MAX >> bits), strings: Vec::new() }
    }

    /// Takes an old block in.
    pub(crate) fn learn(&mut self, place: BlockAddress, block: &[u8]) {
        let strings = self.strings_of(block);
        self.strings.extend(strings.into_iter().map(|hash| (hash, place)));
    }

    /// To be called when all old blocks are in.
    pub(crate) fn finish(&mut self) {
        self.strings.sort_unstable();
        self.strings.dedup();
    }

    fn strings_of(&self, block: &[u8]) -> Vec<u64> {
        let (mut hash, mut found) = (0_u64, Vec::new());
        for byte in block {
            hash = (hash << SHIFT).wrapping_add(self.gear[usize::from(*byte)]);
            if hash & self.mask == 0 {
                found.push(hash);
            }
        }
        found
    }

    /// The old blocks that resemble this one, the most similar first, at most so many.
    pub(crate) fn best(&self, block: &[u8], most: usize) -> Vec<BlockAddress> {
        let mut votes = HashMap::<BlockAddress, u32>::new();
        let mut strings = self.strings_of(block);
        strings.sort_unstable();
        strings.dedup();
        for hash in strings {
            let first = self.strings.partition_point(|(other, _)| *other < hash);
            let same = self.strings[first..].iter().take_while(|(other, _)| *other == hash);
            let places: Vec<BlockAddress> = same.take(COMMON + 1).map(|(_, place)| *place).collect();
            if places.len() <= COMMON {
                places.into_iter().for_each(|place| *votes.entry(place).or_default() += 1);
            }
        }
        let mut places: Vec<(u32, BlockAddress)> =
            votes.into_iter().map(|(place, votes)| (votes, place)).collect();
        places.sort_unstable_by_key(|(votes, place)| (std::cmp::Reverse(*votes), *place));
        places.truncate(most);
        places.into_iter().map(|(_, place)| place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                (state >> 57) as u8
            })
            .collect()
    }

    #[test]
    fn a_block_that_has_moved_and_changed_here_and_there_is_found() {
        let old = text(7, 64 * BLOCK);
        let mut similar = Similar::new(64);
        for (number, block) in (0..).zip(old.chunks(BLOCK)) {
            similar.learn((0, number), block);
        }
        similar.finish();
        let mut new = old[9 * BLOCK + 100..10 * BLOCK + 100].to_vec();
        new.iter_mut().step_by(50).for_each(|byte| *byte ^= 0x55);
        assert_eq!(similar.best(&new, 2), [(0, 9), (0, 10)]);
        assert!(similar.best(&text(8, BLOCK), 2).is_empty());
    }
}
