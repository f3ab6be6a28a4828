//! What a thread does to neighbouring blocks of a slot.

use super::Error;
use crate::bundle::{Delta, Group, Packed, Patcher, Unpacker};
use crate::medium::{Aligned, Medium};
use crate::seeded::{self, Bug};
use crate::slot::{BLOCK, Digest, same};
use crate::tree::Hasher;
use std::ops::Range;

/// So many blocks of a slot are looked at first: when none of them is right, the others are compared with what the
/// bundle has, which is cheaper than to hash them.
const FIRST: usize = 16;
/// So many blocks of a group are handled at once.
const PART: usize = 256;

/// Neighbouring blocks of a slot.
#[derive(Debug)]
pub(super) struct Span {
    /// The first of them.
    pub(super) first: u64,
    /// What each of them must have.
    pub(super) digests: Vec<Digest>,
}

impl Span {
    fn at(&self, block: usize) -> u64 {
        (self.first + block as u64) * BLOCK as u64
    }

    fn len(&self) -> usize {
        self.digests.len() * BLOCK
    }
}

/// Blocks of a span that were written and not read back yet.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) span: Span,
    /// Positions in the span.
    pub(super) blocks: Vec<usize>,
}

/// Where the content of a span comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// It is that frame of the bundle.
    Frame(u64),
    /// It is that group of a delta; its new blocks are packed against blocks with these digests.
    Group(u64, Group, Option<Vec<Digest>>),
    /// It is this.
    Memory(Aligned),
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Make these blocks of the slot what they must be.
    Bring(Span, Origin),
    /// Unpack them, and no more.
    Check(Span, Origin),
    /// Look which blocks of the slot are right; these positions nobody knows.
    Judge(Span, Vec<usize>),
    /// Make durable what was written, these among it.
    Sync(Vec<Written>),
    /// Read back from behind a barrier.
    Prove(Written),
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All blocks are as they must be, those that are not listed because they were so.
    Brought(Written),
    /// So many blocks have their digests.
    Checked(u64),
    /// So many blocks were judged, and these of the slot are wrong or cannot be read.
    Judged(u64, Vec<u64>),
    /// A barrier lies behind these.
    Synced(Vec<Written>),
    /// They were read back.
    Proven(Written),
}

/// Where a thread finds the content of frames and groups.
#[derive(Debug)]
pub(super) enum Carrier<'a, S, T> {
    /// Nowhere: none is asked for.
    None,
    /// In a whole image.
    Whole(Packed<'a, S>),
    /// In a delta and other slots.
    Delta(&'a S, &'a Delta, &'a [T]),
}

impl<S, T> Clone for Carrier<'_, S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for Carrier<'_, S, T> {}

/// A thread's view of bundle and slot, and its memory.
pub(super) struct Worker<'a, S, T> {
    carrier: Carrier<'a, S, T>,
    target: Option<&'a T>,
    hasher: &'a Hasher,
    unpacker: Unpacker,
    patcher: Patcher,
    content: Aligned,
    there: Aligned,
}

impl<'a, S: Medium, T: Medium> Worker<'a, S, T> {
    /// A worker for jobs that need a bundle's frames, or a slot, or both.
    pub(super) fn new(carrier: Carrier<'a, S, T>, target: Option<&'a T>, hasher: &'a Hasher) -> Self {
        let (unpacker, patcher) = (Unpacker::default(), Patcher::default());
        Self {
            carrier,
            target,
            hasher,
            unpacker,
            patcher,
            content: Aligned::default(),
            there: Aligned::default(),
        }
    }

    pub(super) fn work(&mut self, job: Job) -> Result<Outcome, Error> {
        match (job, self.target) {
            (Job::Check(span, mut origin), _) => {
                parts(&span, &origin).try_for_each(|part| self.unpack(&span, part, &mut origin))?;
                Ok(Outcome::Checked(span.digests.len() as u64))
            }
            (Job::Bring(span, origin), Some(target)) => self.bring(target, span, origin),
            (Job::Judge(span, unknown), Some(target)) => Ok(self.judge(target, &span, &unknown)),
            (Job::Sync(written), Some(target)) => {
                target.sync().map_err(Error::Target)?;
                Ok(Outcome::Synced(written))
            }
            (Job::Prove(written), Some(target)) => self.prove(target, written),
            (_, None) => Ok(Outcome::Checked(0)),
        }
    }

    /// Fills `content` with what these blocks of the span must have. Parts come in order, and the first that is
    /// asked for of a group unpacks its new blocks.
    fn unpack(&mut self, span: &Span, part: Range<usize>, origin: &mut Origin) -> Result<(), Error> {
        let digests = &span.digests[part.clone()];
        self.content.resize(digests.len() * BLOCK);
        match (&self.carrier, origin) {
            (_, Origin::Memory(content)) => self.content = std::mem::take(content),
            (Carrier::Whole(packed), Origin::Frame(frame)) => {
                packed.read(*frame, digests, &mut self.unpacker, &mut self.content)?;
            }
            (Carrier::Delta(medium, delta, parts), Origin::Group(number, group, prefix)) => {
                let of = (*number, &*group);
                if let Some(prefix) = prefix.take() {
                    self.patcher.unpack((*medium, *delta, *parts), of, &prefix)?;
                }
                self.patcher.fill((*delta, *parts), of, (part.start, digests), &mut self.content)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Blocks that have their digest are only read. What is not right, or cannot be read, is written: that may
    /// mend the medium.
    fn bring(&mut self, target: &T, span: Span, mut origin: Origin) -> Result<Outcome, Error> {
        let mut blocks = Vec::new();
        for part in parts(&span, &origin) {
            self.there.resize(part.len() * BLOCK);
            let is_readable = target.read_at(span.at(part.start), &mut self.there).is_ok();
            if is_readable && are_right(self.hasher, &self.there, &span.digests[part.clone()]) {
                continue;
            }
            self.unpack(&span, part.clone(), &mut origin)?;
            let end = if seeded::is(Bug::HalfCompared) { BLOCK / 2 } else { BLOCK };
            let pairs = self.there.chunks_exact(BLOCK).zip(self.content.chunks_exact(BLOCK));
            let differs =
                |(there, wanted): (&[u8], &[u8])| !is_readable || !same(&there[..end], &wanted[..end]);
            let before = blocks.len();
            blocks.extend(part.clone().zip(pairs).filter_map(|(at, pair)| differs(pair).then_some(at)));
            self.write(target, &span, part.start, &blocks[before..])?;
        }
        Ok(Outcome::Brought(Written { span, blocks }))
    }

    /// Writes these blocks of a span; `content` begins with its block `first`.
    fn write(&self, target: &T, span: &Span, first: usize, blocks: &[usize]) -> Result<(), Error> {
        for run in blocks.chunk_by(|one, next| one + 1 == *next) {
            let bytes = &self.content[(run[0] - first) * BLOCK..][..run.len() * BLOCK];
            target.write_at(span.at(run[0]), bytes).map_err(Error::Target)?;
        }
        Ok(())
    }

    fn prove(&mut self, target: &T, written: Written) -> Result<Outcome, Error> {
        let Written { span, blocks } = &written;
        for run in blocks.chunk_by(|one, next| one + 1 == *next) {
            let (from, count) = (run[0], run.len());
            self.there.resize(count * BLOCK);
            target.read_at(span.at(from), &mut self.there).map_err(Error::Target)?;
            let found = digests(self.hasher, &self.there);
            let wrong = found.iter().zip(&span.digests[from..]).position(|(found, wanted)| found != wanted);
            if let Some(wrong) = wrong.filter(|_| !seeded::is(Bug::BlocksNotReadBack)) {
                return Err(Error::ReadBack { block: span.first + (from + wrong) as u64 });
            }
        }
        Ok(Outcome::Proven(written))
    }

    fn judge(&mut self, target: &T, span: &Span, unknown: &[usize]) -> Outcome {
        self.there.resize(span.len());
        let mut is_there = vec![true; span.digests.len()];
        if target.read_at(span.at(0), &mut self.there).is_err() {
            let blocks = self.there.chunks_exact_mut(BLOCK).zip(&mut is_there).enumerate();
            blocks.for_each(|(at, (block, is_there))| *is_there = target.read_at(span.at(at), block).is_ok());
        }
        let found = digests(self.hasher, &self.there);
        let is_wrong = |at: &usize| !is_there[*at] || found[*at] != span.digests[*at];
        let wrong = (0..found.len()).filter(|at| !unknown.contains(at)).filter(is_wrong);
        let judged = (span.digests.len() - unknown.len()) as u64;
        Outcome::Judged(judged, wrong.map(|at| span.first + at as u64).collect())
    }
}

/// The blocks of a span that are handled at once: all of a frame, some of a group.
fn parts(span: &Span, origin: &Origin) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = span.digests.len();
    let step = if matches!(origin, Origin::Group(..)) { PART } else { end.max(1) };
    (0..end).step_by(step).map(move |first| first..(first + step).min(end))
}

fn digests(hasher: &Hasher, bytes: &[u8]) -> Vec<Digest> {
    hasher.blocks(&bytes.chunks_exact(BLOCK).collect::<Vec<_>>())
}

/// Whether all blocks have their digests. It looks at a few first.
fn are_right(hasher: &Hasher, bytes: &[u8], wanted: &[Digest]) -> bool {
    let first = wanted.len().min(FIRST);
    let (bytes, rest) = bytes.split_at(first * BLOCK);
    !seeded::is(Bug::HalfCompared)
        && digests(hasher, bytes) == wanted[..first]
        && digests(hasher, rest) == wanted[first..]
}
