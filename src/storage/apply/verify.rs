//! Comparing what is in a slot with the tree of its image.

use super::Error;
use super::layout::Layout;
use super::worker;
use crate::medium::{Aligned, Medium};
use crate::worker_pool::{self, Jobs, Threads};
use everboot_core::manifest::PartImage;
use everboot_core::slot::{BLOCK, Digest};
use everboot_core::tree::{Hasher, Reader};

/// Most differing blocks that are listed by number.
const LISTED: usize = 1024;
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
/// hash of the signed `image` as it is read, with these threads beside this one. `watch` is called with the number of
/// blocks that are done.
pub fn verify<M: Medium>(
    part: &M,
    image: &PartImage,
    threads: Threads,
    watch: &mut dyn FnMut(u64),
) -> Result<Difference, Error> {
    let layout = Layout::new(part.len(), image.size).map_err(Error::DoesNotFit)?;
    let tree = Reader::new(layout.tree, &image.salt, image.root_hash);
    let found = Difference { blocks: layout.blocks(), ..Difference::default() };
    let mut verify = Verify { part, tree, layout, next: 0, done: 0, found, watch };
    let hasher = &Hasher::new(&image.salt);
    worker_pool::work(&mut verify, threads.at_most(THREADS), &|| {
        let mut there = Aligned::default();
        Box::new(move |step: Step| step.check_digest(part, hasher, &mut there))
    });
    Ok(verify.found)
}

/// Neighbouring blocks, and their digests as far as the tree has them.
struct Step {
    first: u64,
    digests: Vec<Option<Digest>>,
}

impl Step {
    /// How many blocks were judged, and those that are wrong or cannot be read.
    fn check_digest<M: Medium>(self, part: &M, hasher: &Hasher, there: &mut Aligned) -> (u64, Vec<u64>) {
        there.resize(self.digests.len() * BLOCK);
        let is_there = worker::read(part, self.first * BLOCK as u64, there, true);
        let (mut judged, mut wrong) = (0, Vec::new());
        let found = hasher.blocks_of(there).into_iter().zip(is_there);
        for ((block, (found, is_there)), wanted) in (self.first..).zip(found).zip(&self.digests) {
            let Some(wanted) = wanted else { continue };
            judged += 1;
            wrong.extend((!is_there || found != *wanted).then_some(block));
        }
        (judged, wrong)
    }
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

impl<M: Medium> Jobs for Verify<'_, M> {
    type Job = Step;
    type Outcome = (u64, Vec<u64>);

    fn next(&mut self) -> Option<Step> {
        let (first, end) = (self.next, (self.next + STEP).min(self.layout.blocks()));
        self.next = end;
        let at = self.layout.image_len;
        let mut fetch = |offset, node: &mut [u8]| self.part.read_at(at + offset, node);
        let digests: Vec<_> = (first..end).map(|block| self.tree.leaf(block, &mut fetch).ok()).collect();
        let unknown = digests.iter().filter(|digest| digest.is_none()).count() as u64;
        self.found.unknown += unknown;
        self.done += unknown;
        (first < end).then_some(Step { first, digests })
    }

    fn done(&mut self, (judged, differing): Self::Outcome) {
        self.done += judged;
        differing.into_iter().for_each(|block| self.found.note(block));
        (self.watch)(self.done);
    }
}
