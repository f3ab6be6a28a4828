//! The salted hash of a block.

use crate::multi_buffer::{self, CHUNK, Data, LANES, State, Vectors};
use crate::slot::{BLOCK, Digest, is_zero};
use alloc::vec;
use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// SHA-256 that has already taken in the salt of a tree. Cheap to clone; uses the CPU's vectors where these are faster
/// than its SHA instructions, or it has none.
#[derive(Clone)]
pub struct Hasher {
    salted: Sha256,
    zeroes: Digest,
    many: Option<Many>,
}

impl Hasher {
    /// A hasher for trees with this salt.
    pub fn new(salt: &[u8]) -> Self {
        let salted = Sha256::new_with_prefix(salt);
        // Blocks of zeroes, of which an image has many, are looked up and not computed.
        let zeroes = salted.clone().chain_update([0; BLOCK]).finalize().into();
        Self { salted, zeroes, many: multi_buffer::vectors().map(|vectors| Many::new(vectors, salt)) }
    }

    /// The digest of one data or tree block: SHA-256 of the salt, then the block.
    pub fn block(&self, block: &[u8]) -> Digest {
        if block.len() == BLOCK && is_zero(block) {
            return self.zeroes;
        }
        self.salted.clone().chain_update(block).finalize().into()
    }

    /// The digest of a block of zeroes.
    pub fn zeroes(&self) -> Digest {
        self.zeroes
    }

    /// The digests of the whole blocks in these bytes.
    pub fn blocks_of(&self, bytes: &[u8]) -> Vec<Digest> {
        self.blocks(&bytes.chunks_exact(BLOCK).collect::<Vec<_>>())
    }

    /// The digests of some blocks, of 4096 bytes each.
    pub fn blocks(&self, blocks: &[&[u8]]) -> Vec<Digest> {
        let mut digests = vec![self.zeroes; blocks.len()];
        let left: Vec<usize> = (0..blocks.len()).filter(|at| !is_zero(blocks[*at])).collect();
        for group in left.chunks(LANES) {
            match &self.many {
                Some(many) if group.len() >= multi_buffer::min_batch() => {
                    // Lanes that are left over do what the first one does.
                    let mut lanes = [blocks[group[0]]; LANES];
                    lanes.iter_mut().zip(group).for_each(|(lane, at)| *lane = blocks[*at]);
                    let state = many.hash(&lanes);
                    for (lane, at) in group.iter().enumerate() {
                        digests[*at] = digest(&state, lane);
                    }
                }
                _ => group.iter().for_each(|at| digests[*at] = self.block(blocks[*at])),
            }
        }
        digests
    }
}

fn digest(state: &State, lane: usize) -> Digest {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word[lane].to_be_bytes();
    }
    digest
}

/// The same for many blocks at once.
#[derive(Clone)]
struct Many {
    vectors: Vectors,
    /// The state behind the whole chunks of the salt.
    state: [u32; 8],
    /// The rest of the salt.
    rest: Vec<u8>,
    /// Bytes of salt and block.
    len: usize,
}

impl Many {
    fn new(vectors: Vectors, salt: &[u8]) -> Self {
        let (whole, rest) = salt.split_at(salt.len() - salt.len() % CHUNK);
        let mut state = multi_buffer::START.map(|word| [word; LANES]);
        multi_buffer::compress(vectors, &mut state, &[whole; LANES]);
        Self { vectors, state: state.map(|word| word[0]), rest: rest.to_vec(), len: salt.len() + BLOCK }
    }

    /// The rest of the salt and what completes its chunk; the whole chunks of the block; what is left of it, which
    /// is as long as the rest of the salt, and the padding (FIPS 180-4, section 5.1.1).
    fn hash(&self, blocks: &Data<'_>) -> State {
        let mut state = self.state.map(|word| [word; LANES]);
        let rest = self.rest.len();
        let (head, end) = ((CHUNK - rest) % CHUNK, BLOCK - rest);
        let mut edge = [[0; 2 * CHUNK]; LANES];
        if rest > 0 {
            for (edge, block) in edge.iter_mut().zip(blocks) {
                edge[..rest].copy_from_slice(&self.rest);
                edge[rest..CHUNK].copy_from_slice(&block[..head]);
            }
            self.compress(&mut state, edge.iter().map(|edge| &edge[..CHUNK]));
        }
        self.compress(&mut state, blocks.iter().map(|block| &block[head..end]));
        let len = if rest + 9 <= CHUNK { CHUNK } else { 2 * CHUNK };
        for (edge, block) in edge.iter_mut().zip(blocks) {
            edge.fill(0);
            edge[..rest].copy_from_slice(&block[end..BLOCK]);
            edge[rest] = 0x80;
            edge[len - 8..len].copy_from_slice(&(self.len as u64 * 8).to_be_bytes());
        }
        self.compress(&mut state, edge.iter().map(|edge| &edge[..len]));
        state
    }

    fn compress<'a>(&self, state: &mut State, data: impl Iterator<Item = &'a [u8]>) {
        let mut lanes: Data<'_> = [&[]; LANES];
        lanes.iter_mut().zip(data).for_each(|(lane, data)| *lane = data);
        multi_buffer::compress(self.vectors, state, &lanes);
    }
}

impl core::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::to_hex;

    #[test]
    fn a_block_of_zeroes_has_the_known_digest() {
        // head -c 4096 /dev/zero | sha256sum; (printf ab; head -c 4096 /dev/zero) | sha256sum
        let rows = [
            (&b""[..], "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7"),
            (&b"ab"[..], "4a2caa177f940daab6b16fa7603be8c34ceaa5e83ec3426dba76aaf3012499ed"),
        ];
        for (salt, digest) in rows {
            assert_eq!(to_hex(&Hasher::new(salt).block(&[0; 4096])), digest);
        }
    }

    #[test]
    fn what_is_no_whole_block_has_its_own_digest() {
        // printf demo | sha256sum
        let demo = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea";
        assert_eq!(to_hex(&Hasher::new(b"").block(b"demo")), demo);
        let (short, long) = ([0; 63], [0; 4095]);
        let hasher = Hasher::new(b"salt");
        assert!(hasher.block(&short) != hasher.block(&long) && hasher.block(&long) != hasher.zeroes());
    }

    #[test]
    fn many_blocks_have_the_digests_of_each_with_every_salt() {
        let block = |number: usize| -> Vec<u8> {
            (0..BLOCK).map(|at| if number % 5 == 4 { 0 } else { (at * number + (at >> 8)) as u8 }).collect()
        };
        let blocks: Vec<Vec<u8>> = (0..2 * LANES + 5).map(block).collect();
        let blocks: Vec<&[u8]> = blocks.iter().map(|block| &block[..]).collect();
        for salt_len in 0..=256 {
            let hasher = Hasher::new(&vec![0x5a; salt_len]);
            let count = salt_len % (blocks.len() + 1);
            let one_by_one: Vec<Digest> = blocks[..count].iter().map(|block| hasher.block(block)).collect();
            assert_eq!(hasher.blocks(&blocks[..count]), one_by_one, "{salt_len}");
        }
    }
}
