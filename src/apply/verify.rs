//! Comparing what is in a slot with the tree of its image.

use super::Error;
use super::layout::Layout;
use super::worker::{Carrier, Job, Outcome, Span, Worker};
use crate::crew::{self, Plan, Threads};
use crate::manifest::Manifest;
use crate::medium::Medium;
use crate::tree::{Geometry, Hasher, Reader};

/// Most differing blocks that are listed by number.
const LISTED: usize = 64;
/// Blocks that are read at once.
const STEP: u64 = 256;
/// The most threads, each with room for a step.
const THREADS: usize = 8;

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

    /// Threads judge in no order, so the first are known when all are.
    fn note(&mut self, block: u64) {
        self.differing += 1;
        let at = self.listed.partition_point(|listed| *listed < block);
        self.listed.insert(at, block);
        self.listed.truncate(LISTED);
    }
}

/// Reads every block of the part and judges it by the part's own tree, which is checked against the root
/// hash of the signed `manifest` as it is read, with these threads beside this one. `watch` is told the number of
/// blocks that are done.
pub fn verify<M: Medium>(
    part: &M,
    manifest: &Manifest,
    threads: Threads,
    watch: &mut dyn FnMut(u64),
) -> Result<Difference, Error> {
    let payload = &manifest.payload;
    let layout = Layout::new(part.len(), payload.size).map_err(Error::DoesNotFit)?;
    let Some(geometry) = Geometry::new(layout.blocks()) else { return Ok(Difference::default()) };
    let tree = Reader::new(geometry, &payload.salt, payload.root_hash);
    let found = Difference { blocks: layout.blocks(), ..Difference::default() };
    let mut verify = Verify { part, tree, layout, next: 0, done: 0, found, watch };
    let hasher = Hasher::new(&payload.salt);
    crew::work(&mut verify, threads.at_most(THREADS), &|| {
        let mut worker = Worker::<M, M>::new(Carrier::None, Some(part), &hasher);
        Box::new(move |job| worker.work(job))
    });
    Ok(verify.found)
}

struct Verify<'a, M> {
    part: &'a M,
    tree: Reader,
    layout: Layout,
    next: u64,
    done: u64,
    found: Difference,
    watch: &'a mut dyn FnMut(u64),
}

impl<M: Medium> Plan for Verify<'_, M> {
    type Job = Job;
    type Outcome = Result<Outcome, Error>;

    fn next(&mut self) -> Option<Job> {
        let (first, end) = (self.next, (self.next + STEP).min(self.layout.blocks()));
        self.next = end;
        let at = self.layout.image_len;
        let mut fetch = |offset, node: &mut [u8]| self.part.read_at(at + offset, node);
        let (mut digests, mut unknown) = (Vec::new(), Vec::new());
        for (at, block) in (first..end).enumerate() {
            let digest = self.tree.leaf(block, &mut fetch);
            unknown.extend(digest.is_err().then_some(at));
            digests.push(digest.unwrap_or_default());
        }
        self.found.unknown += unknown.len() as u64;
        self.done += unknown.len() as u64;
        (first < end).then_some(Job::Judge(Span { first, digests }, unknown))
    }

    fn done(&mut self, outcome: Self::Outcome) {
        if let Ok(Outcome::Judged(judged, differing)) = outcome {
            self.done += judged;
            differing.into_iter().for_each(|block| self.found.note(block));
            (self.watch)(self.done);
        }
    }
}
