//! The apply itself: what is done in which order.

use super::feed::Feed;
use super::layout::Layout;
use super::worker::{Job, Outcome, Worker, Written};
use super::{Error, layouts, trailer};
use crate::bundle::{Bundle, Carried, Sources};
use crate::medium::Medium;
use crate::worker_pool::{self, Jobs, Threads};
use everboot_core::manifest::PartImage;
use everboot_core::mutant::{self, Mutant};
use everboot_core::slot::BLOCK;
use everboot_core::tree::Hasher;
use std::sync::atomic::AtomicBool;

/// Blocks that are written between two barriers. After a cut at most twice as many are written again: those behind
/// which a barrier is under way, and those that are written meanwhile; and the pieces under way. On a medium that makes
/// no zeroes these come on top.
const EPOCH: usize = (32 << 20) / BLOCK;
/// Pieces between two barriers, when little has to be written: what a start has proven counts at a barrier, and a
/// slow medium must get to one.
const PIECES: u64 = 64;

/// How far an apply is. Numbers never go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Blocks of all parts of the image.
    pub blocks: u64,
    /// Of these: read from the medium in this run, behind a barrier if they were written, and right.
    pub proven: u64,
    /// Of these: written in this run, and proven since.
    pub written: u64,
    /// Bytes written to the medium in this run: tree, zeroes that it was asked for, and what was written again
    /// included.
    pub bytes_written: u64,
}

/// Makes the parts of a slot equal to the image of `bundle`: promises 3 and 10. `parts`, and the `sources` of each, are
/// in the order of the manifest. The caller has made sure that nobody boots the slot meanwhile, by saving its state as
/// *writing*.
///
/// The trailer of the root part seals the slot: it is erased before anything is written, and written when every part is
/// durable and was read back. So a cut at any instant leaves a slot without a trailer, or a whole one.
///
/// With no `threads` beside this one, everything happens in order. `watch` is called after each step, and while a tree
/// is made: nothing goes on for long without a call. Memory: at most 24 MiB, whatever the size of the image.
pub fn apply<S: Medium, T: Medium>(
    bundle: &mut Bundle<S>,
    sources: &mut [Sources<T>],
    parts: &[T],
    threads: Threads,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Progress, Error> {
    let layouts = layouts(parts, bundle.manifest())?;
    let (signed, image) = (bundle.signed().clone(), bundle.manifest().image_id());
    let mut progress = Progress { blocks: bundle.manifest().blocks(), ..Progress::default() };
    let root = bundle.manifest().root_at();
    let (root, at) = (&parts[root], layouts[root].trailer);
    let read_back = || Error::ReadBack { block: at / BLOCK as u64 };
    // A delta that tells another image is found out here, of whichever part.
    let mut feeds = Vec::new();
    for (((part, layout), carried), sources) in parts.iter().zip(&layouts).zip(bundle.carried()).zip(sources)
    {
        let alive = &mut || watch(&progress);
        let (feed, threads) = Feed::open(carried, sources, (part, *layout), threads, alive)?;
        feeds.push((feed, threads, part, *layout));
    }
    if !mutant::is(Mutant::TrailerKept) && !trailer::erase(root, at).map_err(Error::Target)? {
        return Err(read_back());
    }
    if mutant::is(Mutant::TrailerFirst) {
        trailer::write_trailer(root, at, &signed, image).map_err(Error::Target)?;
    }
    for (feed, threads, part, layout) in feeds {
        progress = blocks(feed, threads, (part, layout), (false, progress), watch)?;
    }
    match trailer::write_trailer(root, at, &signed, image).map_err(Error::Target)? {
        true => Ok(progress),
        false => Err(read_back()),
    }
}

/// Makes what is wrong in image and tree of the part `target` right, and writes nothing else; the image is in it
/// already. With what a bundle of it has, or without one, with what the slots `sources` have: there a block counts by
/// its bytes, wherever it lies. Blocks that nobody has are the difference between [`Progress::blocks`] and
/// [`Progress::proven`].
///
/// Crash argument: a block is written with what it must have by what the trailer says. A cut leaves it as it was, torn
/// or right, and doing this again goes on.
pub fn repair<S: Medium, T: Medium>(
    carried: Option<(Carried<'_, S>, &mut Sources<T>)>,
    (image, sources): (&PartImage, &[T]),
    (target, before): (&T, Progress),
    threads: Threads,
    watch: &mut dyn FnMut(&Progress),
) -> Result<Progress, Error> {
    let layout = Layout::new(target.len(), image.size).map_err(Error::DoesNotFit)?;
    let hasher = Hasher::new(&image.salt);
    let (feed, threads) = match carried {
        Some((carried, sources)) => {
            let alive = &mut || watch(&before);
            Feed::open((image, carried), sources, (target, layout), threads, alive)?
        }
        None => Feed::repaired((target, layout), (image, sources), &hasher, threads),
    };
    blocks(feed, threads, (target, layout), (true, before), watch)
}

/// Image and tree of a part, durable and proven. Goes on with the progress of the parts before it.
fn blocks<S: Medium, T: Medium>(
    mut feed: Feed<'_, S, T>,
    threads: Threads,
    (target, layout): (&T, Layout),
    (is_exact, mut progress): (bool, Progress),
    watch: &mut dyn FnMut(&Progress),
) -> Result<Progress, Error> {
    progress.bytes_written += feed.prepare(&mut || watch(&progress))?;
    let hasher = feed.hasher();
    let (mut engine, found) = (Engine::new(feed, layout, progress, watch), AtomicBool::new(false));
    worker_pool::work(&mut engine, threads, &|| {
        let mut worker = Worker::new(target, hasher, is_exact, &found);
        Box::new(move |job| worker.work(job))
    });
    match engine.error {
        None => Ok(engine.progress),
        Some(error) => Err(error),
    }
}

/// Hands out the pieces of the image, and of its tree; between them barriers, and behind each barrier the reading back
/// of what it covers.
///
/// Crash argument: a barrier covers the writes whose outcomes had come before it was handed out. Writes that go on
/// meanwhile belong to the next one, whatever the medium makes of them. The last barrier is handed out when no piece is
/// under way. Reading back may write zeroes once more, also behind it: these get another last barrier. So nothing that
/// was written is without one when the trailer is.
struct Engine<'a, S, T> {
    feed: Feed<'a, S, T>,
    layout: Layout,
    watch: &'a mut dyn FnMut(&Progress),
    progress: Progress,
    /// Pieces that were handed out, and how many of these are under way.
    next: u64,
    out: u64,
    /// What no barrier covers yet, its blocks, and the pieces since the last barrier.
    fresh: Vec<Written>,
    fresh_blocks: usize,
    since: u64,
    barrier: Barrier,
    /// What lies behind a barrier and was not read back yet.
    behind: Vec<Written>,
    error: Option<Error>,
}

/// How it stands with barriers.
#[derive(PartialEq)]
enum Barrier {
    None,
    UnderWay,
    Last,
}

impl<'a, S: Medium, T: Medium> Engine<'a, S, T> {
    fn new(
        feed: Feed<'a, S, T>,
        layout: Layout,
        progress: Progress,
        watch: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        let (fresh, behind, barrier) = (Vec::new(), Vec::new(), Barrier::None);
        let (next, out, fresh_blocks, since, error) = (0, 0, 0, 0, None);
        Self { feed, layout, watch, progress, next, out, fresh, fresh_blocks, since, barrier, behind, error }
    }

    fn is_full(&self) -> bool {
        self.fresh_blocks >= EPOCH || self.since >= PIECES && !self.fresh.is_empty()
    }

    /// The barrier that is due, with what it covers.
    fn barrier(&mut self) -> Option<Job<'a, S, T>> {
        let is_last = self.next == self.feed.count() && self.out == 0;
        if self.barrier != Barrier::None || !self.is_full() && !is_last {
            return None;
        }
        self.barrier = if is_last { Barrier::Last } else { Barrier::UnderWay };
        (self.fresh_blocks, self.since) = (0, 0);
        let fresh = std::mem::take(&mut self.fresh);
        if is_last && mutant::is(Mutant::NoBarrierBeforeTrailer) {
            self.behind = fresh;
            return self.behind.pop().map(Job::Prove);
        }
        Some(Job::Sync(fresh))
    }

    fn brought(&mut self, written: Written) {
        let (all, wrong) = (written.span.digests.len() as u64, written.blocks.len());
        self.out -= 1;
        if written.span.first < self.layout.blocks() {
            self.progress.proven += all - (wrong + written.missing) as u64;
        }
        if wrong > 0 {
            self.wrote(written, wrong);
        }
    }

    fn wrote(&mut self, written: Written, blocks: usize) {
        self.progress.bytes_written += (blocks * BLOCK) as u64;
        self.fresh_blocks += blocks;
        self.fresh.push(written);
    }

    /// What was written again needs a barrier of its own, behind the last one if need be.
    fn rewritten(&mut self, written: Written, blocks: usize) {
        self.wrote(written, blocks);
        if self.barrier == Barrier::Last {
            self.barrier = Barrier::None;
        }
    }

    fn proven(&mut self, written: &Written) {
        if written.span.first < self.layout.blocks() {
            self.progress.proven += written.blocks.len() as u64;
            self.progress.written += written.blocks.len() as u64;
        }
    }
}

impl<'a, S: Medium, T: Medium> Jobs for Engine<'a, S, T> {
    type Job = Job<'a, S, T>;
    type Outcome = Result<Outcome, Error>;

    fn next(&mut self) -> Option<Self::Job> {
        if self.error.is_some() {
            return None;
        }
        if let Some(written) = self.behind.pop() {
            return Some(Job::Prove(written));
        }
        if let Some(barrier) = self.barrier() {
            return Some(barrier);
        }
        // While a barrier is slow, no more is written than the next one may cover.
        if self.next == self.feed.count() || self.is_full() {
            return None;
        }
        (self.next, self.out, self.since) = (self.next + 1, self.out + 1, self.since + 1);
        let piece = self.feed.piece(self.next - 1);
        piece.map(|(span, origin)| Job::Bring(span, origin)).map_err(|error| self.error = Some(error)).ok()
    }

    fn done(&mut self, outcome: Self::Outcome) {
        match outcome {
            Ok(Outcome::Brought(written)) => self.brought(written),
            Ok(Outcome::Synced(written)) => {
                self.behind.extend(written.into_iter().rev());
                if self.barrier == Barrier::UnderWay {
                    self.barrier = Barrier::None;
                }
            }
            Ok(Outcome::Proven(written)) => self.proven(&written),
            Ok(Outcome::Rewritten(written, blocks)) => self.rewritten(written, blocks),
            Err(error) => self.error = Some(self.error.take().unwrap_or(error)),
        }
        (self.watch)(&self.progress);
    }
}
