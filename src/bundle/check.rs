//! Proving a bundle whole.

use super::{Bundle, Error};
use crate::medium::Medium;
use crate::slot::BLOCK;
use crate::tree::Hasher;

impl<M: Medium> Bundle<M> {
    /// Reads all of the bundle: every block of the image is unpacked and compared with its digest, and so
    /// every tree block with its parent. `watch` is told after each frame how many blocks are
    /// proven, and how many there are.
    pub fn check_all(&mut self, watch: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let hasher = Hasher::new(&self.manifest().payload.salt);
        let blocks = self.manifest().payload.blocks();
        let (mut content, mut block) = (Vec::new(), 0);
        for frame in 0..self.frame_count() {
            self.read_frame(frame, &mut content)?;
            for bytes in content.chunks_exact(BLOCK) {
                if hasher.block(bytes) != self.leaf(block)? {
                    return Err(Error::WrongBlock { block });
                }
                block += 1;
            }
            watch(block, blocks);
        }
        Ok(())
    }
}
