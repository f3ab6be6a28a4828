//! Comparing what is in a slot with the tree of its image.

use super::Error;
use super::layout::Layout;
use crate::manifest::Manifest;
use crate::medium::Medium;
use crate::slot::BLOCK;
use crate::tree::{Geometry, Hasher, Reader, TreeError};

/// Most differing blocks that are listed by number.
const LISTED: usize = 64;
/// Blocks that are read at once.
const STEP: usize = 256;

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Blocks of the image.
    pub blocks: u64,
    /// Blocks whose bytes are not the image's, or cannot be read.
    pub differing: u64,
    /// The first of them.
    pub listed: Vec<u64>,
    /// Blocks that could not be judged, because the tree above them is damaged.
    pub unknown: u64,
}

impl Difference {
    /// Whether every block was judged and found right.
    pub fn is_none(&self) -> bool {
        self.differing == 0 && self.unknown == 0
    }

    fn note(&mut self, block: u64) {
        self.differing += 1;
        if self.listed.len() < LISTED {
            self.listed.push(block);
        }
    }
}

/// Reads every block of the part and judges it by the part's own tree, which is checked against the root
/// hash of the signed `manifest` as it is read. `watch` is told the number of blocks that are done.
pub fn verify(
    part: &impl Medium,
    manifest: &Manifest,
    watch: &mut dyn FnMut(u64),
) -> Result<Difference, Error> {
    let payload = &manifest.payload;
    let layout = Layout::new(part.len(), payload.size).map_err(Error::DoesNotFit)?;
    let Some(geometry) = Geometry::new(layout.blocks()) else { return Ok(Difference::default()) };
    let hasher = Hasher::new(&payload.salt);
    let mut tree = Reader::new(geometry, &payload.salt, payload.root_hash);
    let mut found = Difference { blocks: layout.blocks(), ..Difference::default() };
    let mut content = vec![0; STEP * BLOCK];
    for first in (0..layout.blocks()).step_by(STEP) {
        let count = (layout.blocks() - first).min(STEP as u64) as usize;
        let content = &mut content[..count * BLOCK];
        let readable = part.read_at(first * BLOCK as u64, content).is_ok();
        for (block, bytes) in (first..).zip(content.chunks_exact_mut(BLOCK)) {
            let leaf = tree.leaf(block, &mut |at, node: &mut [u8]| part.read_at(layout.image_len + at, node));
            let at = block * BLOCK as u64;
            match leaf {
                Err(TreeError::Fetch(_) | TreeError::Mismatch { .. }) => found.unknown += 1,
                Ok(digest) => {
                    let there = readable || part.read_at(at, bytes).is_ok();
                    if !there || hasher.block(bytes) != digest {
                        found.note(block);
                    }
                }
            }
        }
        watch(first + count as u64);
    }
    Ok(found)
}
