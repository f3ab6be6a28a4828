//! The apply itself.

use super::layout::Layout;
use super::{Error, trailer};
use crate::bundle::{self, Bundle};
use crate::medium::Medium;
use crate::seeded::{self, Bug};
use crate::slot::BLOCK;
use crate::tree::Hasher;

/// Bytes that are written between two barriers, and held in memory until they were read back. After a cut at
/// most this much is written again.
const EPOCH: usize = 8 << 20;
/// Frames between two barriers, when little has to be written: what a start has proven counts at a barrier, and a
/// slow medium must get to one.
const FRAMES: u64 = 64;
/// Tree blocks that are handled at once.
const TREE_STEP: u64 = 64;

/// How far an apply is. Numbers never go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Blocks of the image.
    pub blocks: u64,
    /// Of these: read from the medium in this run, behind a barrier if they were written, and right.
    pub proven: u64,
    /// Of these: written in this run, and proven since.
    pub written: u64,
    /// Bytes written to the medium in this run, tree included.
    pub bytes_written: u64,
}

/// Makes the part `target` equal to the image of `bundle`: promises 3 and 10. The caller has made sure that
/// nobody boots the slot meanwhile, by saving its state as *writing*.
///
/// `watch` is called after each frame, each barrier, and each step of the tree.
pub fn apply<S: Medium, T: Medium>(
    bundle: &mut Bundle<S>,
    target: &T,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Progress, Error> {
    let layout = Layout::new(target.len(), bundle.manifest().payload.size).map_err(Error::DoesNotFit)?;
    let is_erased =
        seeded::is(Bug::TrailerKept) || trailer::erase(target, layout.trailer).map_err(Error::Target)?;
    if !is_erased {
        return Err(Error::ReadBack { block: layout.trailer / BLOCK as u64 });
    }
    if seeded::is(Bug::TrailerFirst) {
        trailer::write_trailer(target, layout.trailer, bundle.signed()).map_err(Error::Target)?;
    }
    let mut engine = Engine::new(bundle, target, layout, watch);
    engine.image()?;
    engine.tree()?;
    let progress = engine.progress;
    let signed = bundle.signed();
    match trailer::write_trailer(target, layout.trailer, signed).map_err(Error::Target)? {
        true => Ok(progress),
        false => Err(Error::ReadBack { block: layout.trailer / BLOCK as u64 }),
    }
}

/// A run of blocks that was written and not read back yet.
struct Written {
    first: u64,
    bytes: Vec<u8>,
}

struct Engine<'a, S: Medium, T: Medium> {
    bundle: &'a mut Bundle<S>,
    target: &'a T,
    layout: Layout,
    watch: &'a mut dyn FnMut(&Progress),
    progress: Progress,
    hasher: Hasher,
    epoch: Vec<Written>,
    /// Content of the frame, and of the same blocks in the slot.
    frame: Vec<u8>,
    there: Vec<u8>,
}

impl<'a, S: Medium, T: Medium> Engine<'a, S, T> {
    fn new(
        bundle: &'a mut Bundle<S>,
        target: &'a T,
        layout: Layout,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        let hasher = Hasher::new(&bundle.manifest().payload.salt);
        let progress = Progress { blocks: layout.blocks(), ..Progress::default() };
        let (epoch, frame, there) = (Vec::new(), Vec::new(), Vec::new());
        Self { bundle, target, layout, watch, progress, hasher, epoch, frame, there }
    }

    fn image(&mut self) -> Result<(), Error> {
        let frame_len = self.bundle.manifest().payload.frame_blocks as usize * BLOCK;
        for frame in 0..self.bundle.frame_count() {
            if self.epoch_len() + frame_len > EPOCH || frame % FRAMES == 0 {
                self.barrier()?;
            }
            self.frame(frame)?;
            (self.watch)(&self.progress);
        }
        self.barrier()
    }

    /// Brings the blocks of one frame into the slot. Those that are right are only read: bytes that equal
    /// bytes which were hashed need no hash of their own.
    fn frame(&mut self, frame: u64) -> Result<(), Error> {
        let first = frame * u64::from(self.bundle.manifest().payload.frame_blocks);
        let mut content = std::mem::take(&mut self.frame);
        self.bundle.read_frame(frame, &mut content)?;
        self.check(first, &content)?;
        let wrong = self.wrong_blocks(first, &content);
        self.progress.proven += (content.len() / BLOCK - wrong.len()) as u64;
        for run in wrong.chunk_by(|one, next| one + 1 == *next) {
            self.write(first, run, &content)?;
        }
        self.frame = content;
        Ok(())
    }

    /// Nothing of a payload is written before its hash was checked against the signed root.
    fn check(&mut self, first: u64, content: &[u8]) -> Result<(), Error> {
        for (block, bytes) in (first..).zip(content.chunks_exact(BLOCK)) {
            if self.hasher.block(bytes) != self.bundle.leaf(block)? {
                return Err(Error::Bundle(bundle::Error::WrongBlock { block }));
            }
        }
        Ok(())
    }

    /// Positions, counted from block `first`, of the blocks whose bytes in the slot are not those of
    /// `content`. A block that cannot be read is not right; writing it may mend the medium.
    fn wrong_blocks(&mut self, first: u64, content: &[u8]) -> Vec<usize> {
        self.there.resize(content.len(), 0);
        if self.target.read_at(first * BLOCK as u64, &mut self.there).is_err() {
            return (0..content.len() / BLOCK).collect();
        }
        let end = if seeded::is(Bug::HalfCompared) { BLOCK / 2 } else { BLOCK };
        let blocks = self.there.chunks_exact(BLOCK).zip(content.chunks_exact(BLOCK)).enumerate();
        blocks.filter(|(_, (there, wanted))| there[..end] != wanted[..end]).map(|(at, _)| at).collect()
    }

    fn write(&mut self, first: u64, run: &[usize], content: &[u8]) -> Result<(), Error> {
        let (Some(from), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let (first, bytes) = (first + *from as u64, &content[from * BLOCK..(last + 1) * BLOCK]);
        self.target.write_at(first * BLOCK as u64, bytes).map_err(Error::Target)?;
        self.progress.bytes_written += bytes.len() as u64;
        self.epoch.push(Written { first, bytes: bytes.to_vec() });
        Ok(())
    }

    fn epoch_len(&self) -> usize {
        self.epoch.iter().map(|run| run.bytes.len()).sum()
    }

    /// Makes the epoch durable and reads it back from the medium. Only then is it proven.
    fn barrier(&mut self) -> Result<(), Error> {
        if self.epoch.is_empty() {
            return Ok(());
        }
        self.target.sync().map_err(Error::Target)?;
        for run in std::mem::take(&mut self.epoch) {
            self.there.resize(run.bytes.len(), 0);
            self.target.read_at(run.first * BLOCK as u64, &mut self.there).map_err(Error::Target)?;
            let blocks = (run.first..).zip(self.there.chunks_exact(BLOCK).zip(run.bytes.chunks_exact(BLOCK)));
            for (block, (there, written)) in blocks {
                if there != written && !seeded::is(Bug::BlocksNotReadBack) {
                    return Err(Error::ReadBack { block });
                }
            }
            let blocks = (run.bytes.len() / BLOCK) as u64;
            self.progress.proven += blocks;
            self.progress.written += blocks;
        }
        (self.watch)(&self.progress);
        Ok(())
    }

    /// Writes the tree behind the image, in the same manner: compare, write, barrier, read back.
    fn tree(&mut self) -> Result<(), Error> {
        let blocks = self.layout.tree_len / BLOCK as u64;
        for first in (0..blocks).step_by(TREE_STEP as usize) {
            self.tree_step(first, TREE_STEP.min(blocks - first), true)?;
            (self.watch)(&self.progress);
        }
        if !seeded::is(Bug::NoBarrierBeforeTrailer) {
            self.target.sync().map_err(Error::Target)?;
        }
        for first in (0..blocks).step_by(TREE_STEP as usize) {
            self.tree_step(first, TREE_STEP.min(blocks - first), false)?;
            (self.watch)(&self.progress);
        }
        Ok(())
    }

    /// Compares some blocks of the tree; those that differ are written, or else are an error.
    fn tree_step(&mut self, first: u64, count: u64, may_write: bool) -> Result<(), Error> {
        let (len, at) = ((count as usize) * BLOCK, self.layout.image_len + first * BLOCK as u64);
        self.frame.resize(len, 0);
        for (block, bytes) in (first..).zip(self.frame.chunks_exact_mut(BLOCK)) {
            self.bundle.tree_block(block, bytes)?;
        }
        self.there.resize(len, 0);
        match self.target.read_at(at, &mut self.there) {
            Ok(()) if self.there == self.frame => return Ok(()),
            Err(error) if !may_write => return Err(Error::Target(error)),
            _ if !may_write => return Err(Error::ReadBack { block: at / BLOCK as u64 }),
            _ => {}
        }
        self.progress.bytes_written += len as u64;
        self.target.write_at(at, &self.frame).map_err(Error::Target)
    }
}
