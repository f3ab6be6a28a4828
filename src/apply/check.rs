//! Proving a bundle whole.

use super::Error;
use super::worker::{Job, Origin, Outcome, Span, Worker};
use crate::bundle::{Bundle, Frames, Tree};
use crate::crew::{self, Plan, Threads};
use crate::medium::Medium;

/// Reads all of a bundle, with these threads: every block of the image is unpacked and compared with its digest, and
/// so every tree block with its parent. `watch` is told after each frame how many blocks are proven, and how many
/// there are.
pub fn check<M: Medium>(
    bundle: &mut Bundle<M>,
    threads: Threads,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<(), Error> {
    let blocks = bundle.manifest().payload.blocks();
    let (tree, packed) = bundle.halves();
    let threads = packed.frames().threads(threads);
    let mut check = Check { tree, frames: packed.frames(), next: 0, proven: 0, blocks, error: None, watch };
    crew::work(&mut check, threads, &|| {
        let mut worker = Worker::<M, M>::new(Some(&packed), None, packed.hasher());
        Box::new(move |job| worker.work(job))
    });
    check.error.map_or(Ok(()), Err)
}

struct Check<'a, M> {
    tree: Tree<'a, M>,
    frames: &'a Frames,
    next: u64,
    proven: u64,
    blocks: u64,
    error: Option<Error>,
    watch: &'a mut dyn FnMut(u64, u64),
}

impl<M: Medium> Plan for Check<'_, M> {
    type Job = Job;
    type Outcome = Result<Outcome, Error>;

    fn next(&mut self) -> Option<Job> {
        if self.error.is_some() || self.next == self.frames.count() {
            return None;
        }
        let (frame, blocks) = (self.next, self.frames.blocks(self.next));
        self.next += 1;
        match self.tree.digests(blocks.clone()) {
            Ok(digests) => Some(Job::Check(Span { first: blocks.start, digests }, Origin::Frame(frame))),
            Err(error) => {
                self.error = Some(error.into());
                None
            }
        }
    }

    fn done(&mut self, outcome: Self::Outcome) {
        match outcome {
            Ok(Outcome::Checked(blocks)) => {
                self.proven += blocks;
                (self.watch)(self.proven, self.blocks);
            }
            Ok(_) => {}
            Err(error) => self.error = Some(self.error.take().unwrap_or(error)),
        }
    }
}
