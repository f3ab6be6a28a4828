//! What a thread does to neighbouring blocks of a slot.

use super::Error;
use crate::bundle::{Group, Packed, Patcher, SharedDelta, Unpacker};
use crate::medium::{Aligned, Medium};
use everboot_core::mutant::{self, Mutant};
use everboot_core::slot::{BLOCK, Digest, same};
use everboot_core::tree::Hasher;
use std::iter::once;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// While nothing on a slot is right, so many blocks of a part are sampled, at one of so many places.
const SAMPLE: usize = 16;
const PLACES: usize = 4;
/// So many blocks of a group are handled at once.
const PART: usize = 256;
/// A run of so many zero blocks, counted from the start of a span (the last may be shorter), is asked of the medium and
/// not sent.
const ZERO_RUN: usize = 16;

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
}

/// Blocks of a span that were written and not read back yet.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) span: Span,
    /// Positions in the span.
    pub(super) blocks: Vec<usize>,
    /// How many others are wrong as before, for nobody has them.
    pub(super) missing: usize,
    /// Whether zeroes were sent as bytes, after the medium was asked for them and did not make them.
    zeroes_sent: bool,
}

/// Where the content of a span comes from.
#[derive(Debug)]
pub(super) enum Origin<'a, S, T> {
    /// It is that frame of the bundle.
    Frame(Packed<'a, S>, u64),
    /// It is that group of a delta; its new blocks are packed against blocks with these digests.
    Group(SharedDelta<'a, S, T>, Group, Vec<Digest>),
    /// It is this.
    Memory(Aligned),
    /// These slots may have it.
    Slots(&'a [T]),
}

/// What there is to do.
#[derive(Debug)]
pub(super) enum Job<'a, S, T> {
    /// Make these blocks of the slot what they must be.
    Bring(Span, Origin<'a, S, T>),
    /// Make durable what was written, these among it.
    Sync(Vec<Written>),
    /// Read back from behind a barrier.
    Prove(Written),
}

/// How blocks are, or are expected to be.
#[derive(Clone, Copy, PartialEq)]
enum Looks {
    Right,
    Wrong,
    /// Some are right and some wrong, or they cannot be read.
    Mixed,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All blocks are as they must be, those that are not listed because they were so.
    Brought(Written),
    /// A barrier lies behind these.
    Synced(Vec<Written>),
    /// They were read back.
    Proven(Written),
    /// The medium did not make the zeroes that it was asked for, so that many of these were written again.
    Rewritten(Written, usize),
}

/// A thread's view of a slot, and its memory.
pub(super) struct Worker<'a, T> {
    target: &'a T,
    /// Whether no block is written that was not found wrong: all are read, one by one if need be.
    is_exact: bool,
    /// Whether the medium is asked for zeroes: it makes them, as far as this thread knows.
    makes_zeroes: bool,
    /// How the blocks looked that this thread saw last: so may the next.
    last_part: Looks,
    /// Whether any thread has found a block of the slot right.
    found: &'a AtomicBool,
    hasher: &'a Hasher,
    unpacker: Unpacker,
    patcher: Patcher,
    content: Aligned,
    there: Aligned,
}

impl<'a, T: Medium> Worker<'a, T> {
    pub(super) fn new(target: &'a T, hasher: &'a Hasher, is_exact: bool, found: &'a AtomicBool) -> Self {
        let (unpacker, patcher) = (Unpacker::default(), Patcher::default());
        let (content, there) = (Aligned::default(), Aligned::default());
        Self {
            target,
            is_exact,
            // Few blocks are repaired, maybe beneath a mount.
            makes_zeroes: !is_exact,
            last_part: Looks::Right,
            found,
            hasher,
            unpacker,
            patcher,
            content,
            there,
        }
    }

    pub(super) fn work<S: Medium>(&mut self, job: Job<'_, S, T>) -> Result<Outcome, Error> {
        match job {
            Job::Bring(span, origin) => self.bring(span, &origin),
            Job::Sync(written) => {
                self.target.sync().map_err(Error::Target)?;
                Ok(Outcome::Synced(written))
            }
            Job::Prove(written) => self.prove(written),
        }
    }

    /// Blocks that have their digest are only read. What is not right, or cannot be read, is written: that may
    /// repair the medium.
    fn bring<S: Medium>(&mut self, span: Span, origin: &Origin<'_, S, T>) -> Result<Outcome, Error> {
        let (mut blocks, mut missing, mut is_unpacked) = (Vec::new(), 0, false);
        for part in parts(&span, origin) {
            let Some(is_there) = self.read_part(&span, part.clone()) else {
                self.saw(Looks::Right);
                continue;
            };
            let before = blocks.len();
            if let Origin::Slots(sources) = origin {
                missing += self.gather(sources, &span, &is_there, &mut blocks);
            } else {
                let digests = &span.digests[part.clone()];
                if let Err(error) = self.unpack(part.start, digests, origin, is_unpacked) {
                    // What cannot be unpacked need not be, where it is there.
                    if is_there.contains(&false) || self.hasher.blocks_of(&self.there) != digests {
                        return Err(error);
                    }
                    continue;
                }
                is_unpacked = true;
                let end = if mutant::is(Mutant::HalfCompared) { BLOCK / 2 } else { BLOCK };
                let pairs = self.there.chunks_exact(BLOCK).zip(self.content.chunks_exact(BLOCK));
                for ((at, is_there), (there, wanted)) in part.clone().zip(is_there).zip(pairs) {
                    if !is_there || !same(&there[..end], &wanted[..end]) {
                        blocks.push(at);
                    }
                }
            }
            let wrong = &blocks[before..];
            // Before the write: the other threads should know.
            self.saw(match wrong.len() {
                0 => Looks::Right,
                all if all == part.len() => Looks::Wrong,
                _ => Looks::Mixed,
            });
            self.write(&span, part.start, wrong)?;
        }
        Ok(Outcome::Brought(Written { span, blocks, missing, zeroes_sent: false }))
    }

    // Inlined it costs two kilobytes.
    #[inline(never)]
    fn saw(&mut self, looks: Looks) {
        self.last_part = looks;
        if looks != Looks::Wrong {
            self.found.store(true, Ordering::Relaxed);
        }
    }

    /// Reads a part, and says which of its blocks could be read; nothing when all are right. On a slot on which nothing
    /// was right so far, none is read of a part that looks all wrong: that would cost as much as to write it. On others
    /// all are: none is written that is right, but beside one that cannot be read.
    fn read_part(&mut self, span: &Span, part: Range<usize>) -> Option<Vec<bool>> {
        let looks = match self.last_part {
            _ if self.is_exact => Looks::Right,
            Looks::Wrong if self.found.load(Ordering::Relaxed) => Looks::Mixed,
            Looks::Wrong => self.sample(span, part.clone()),
            last => last,
        };
        self.there.resize(part.len() * BLOCK);
        if looks == Looks::Wrong {
            return Some(vec![false; part.len()]);
        }
        let is_there = read(self.target, span.at(part.start), &mut self.there, self.is_exact);
        // Where some are expected to be wrong, comparing bytes says as much as hashing them.
        let is_right = looks == Looks::Right
            && !is_there.contains(&false)
            && self.hasher.blocks_of(&self.there) == span.digests[part];
        (!is_right).then_some(is_there)
    }

    /// Puts into `content` what wrong blocks of a span must have, as far as these slots have it: at the same place,
    /// else anywhere. Names them, and returns how many others are wrong.
    fn gather(&mut self, sources: &[T], span: &Span, is_there: &[bool], blocks: &mut Vec<usize>) -> usize {
        let len = self.there.len();
        self.content.resize(len);
        let mut found = self.hasher.blocks_of(&self.there);
        // What cannot be read has a digest that no block has, and that stands for nothing: a block whose digest nobody
        // knows would else be called right.
        found
            .iter_mut()
            .zip(is_there)
            .filter(|(_, is_there)| !**is_there)
            .for_each(|(found, _)| found.fill(0xff));
        let mut given = Aligned::zeroed(len);
        let mut missing = found.iter().zip(&span.digests).filter(|(found, wanted)| found != wanted).count();
        let end = sources.iter().map(T::len).max().unwrap_or(0);
        for at in once(span.at(0)).chain((0..end).step_by(len)) {
            for source in sources {
                if missing == 0 {
                    return 0;
                }
                let len = source.len().saturating_sub(at).min(len as u64) as usize / BLOCK * BLOCK;
                read(source, at, &mut given[..len], true);
                for (from, digest) in self.hasher.blocks_of(&given[..len]).iter().enumerate() {
                    for (to, wanted) in span.digests.iter().enumerate() {
                        if wanted == digest && found[to] != *wanted {
                            found[to] = *wanted;
                            missing -= 1;
                            blocks.push(to);
                            self.content[to * BLOCK..][..BLOCK]
                                .copy_from_slice(&given[from * BLOCK..][..BLOCK]);
                        }
                    }
                }
            }
        }
        missing
    }

    /// Looks at a few neighbouring blocks of the slot, in each part at the next of a few places. Blocks that were
    /// written together, and proven, look right or partly so.
    fn sample(&mut self, span: &Span, part: Range<usize>) -> Looks {
        let turn = (span.first as usize + part.start) / part.len() % PLACES;
        let first = part.start + part.len() * turn / PLACES;
        let wanted = &span.digests[first..(first + SAMPLE).min(part.end)];
        self.there.resize(wanted.len() * BLOCK);
        if self.target.read_at(span.at(first), &mut self.there).is_err() {
            return Looks::Mixed;
        }
        let found = self.hasher.blocks_of(&self.there);
        match found.iter().zip(wanted).filter(|(found, wanted)| found == wanted).count() {
            _ if mutant::is(Mutant::HalfCompared) => Looks::Mixed,
            0 => Looks::Wrong,
            right if right == wanted.len() => Looks::Right,
            _ => Looks::Mixed,
        }
    }

    /// Fills `content` with what the blocks from `first` on must have. The new blocks of a group may have been
    /// unpacked for blocks before these.
    fn unpack<S: Medium>(
        &mut self,
        first: usize,
        digests: &[Digest],
        origin: &Origin<'_, S, T>,
        is_unpacked: bool,
    ) -> Result<(), Error> {
        self.content.resize(digests.len() * BLOCK);
        match origin {
            Origin::Memory(content) => self.content.copy_from_slice(content),
            // A frame of zeroes need not be read from the bundle.
            Origin::Frame(..) if digests.iter().all(|digest| *digest == self.hasher.zeroes()) => {
                self.content.fill(0);
            }
            Origin::Frame(packed, frame) => {
                packed.read(*frame, digests, &mut self.unpacker, &mut self.content)?;
            }
            Origin::Group(shared, group, prefix) => {
                if !is_unpacked {
                    self.patcher.unpack(*shared, group, prefix)?;
                }
                self.patcher.fill(*shared, group, (first, digests), &mut self.content)?;
            }
            Origin::Slots(_) => {}
        }
        Ok(())
    }

    /// Writes these blocks of a span; `content` begins with its block `first`.
    ///
    /// A medium that is asked for zeroes and fails gets them as bytes: whether it fails then is what counts.
    ///
    /// Crash argument: zeroes that the medium makes are a write like others, torn by a cut like others, durable behind
    /// a barrier and read back behind it.
    fn write(&self, span: &Span, first: usize, blocks: &[usize]) -> Result<(), Error> {
        let zero_runs = self.zero_runs(span);
        let asked = |block: usize| self.makes_zeroes && zero_runs[block / ZERO_RUN];
        for run in blocks.chunk_by(|one, next| one + 1 == *next && asked(*one) == asked(*next)) {
            let bytes = &self.content[(run[0] - first) * BLOCK..][..run.len() * BLOCK];
            let at = span.at(run[0]);
            if asked(run[0]) && self.target.write_zeroes(at, bytes.len() as u64).is_ok() {
                continue;
            }
            self.target.write_at(at, bytes).map_err(Error::Target)?;
        }
        Ok(())
    }

    /// Of each run of blocks of a span, whether all are zero.
    fn zero_runs(&self, span: &Span) -> Vec<bool> {
        let is_zero = |digest: &Digest| *digest == self.hasher.zeroes();
        span.digests.chunks(ZERO_RUN).map(|some| some.iter().all(is_zero)).collect()
    }

    /// Reads back what was written. There are devices that say that they have made zeroes, and have not: these get
    /// them as bytes.
    fn prove(&mut self, mut written: Written) -> Result<Outcome, Error> {
        let Written { span, blocks, .. } = &written;
        let Some(wrong) = self.wrong(span, blocks)?.filter(|_| !mutant::is(Mutant::BlocksNotReadBack)) else {
            return Ok(Outcome::Proven(written));
        };
        let zero_runs = self.zero_runs(span);
        if self.is_exact || written.zeroes_sent || !zero_runs[wrong / ZERO_RUN] {
            return Err(Error::ReadBack { block: span.first + wrong as u64 });
        }
        log::warn!("this disk does not write zeroes by itself; everboot writes them");
        self.makes_zeroes = false;
        let zeroes: Vec<usize> =
            blocks.iter().copied().filter(|block| zero_runs[*block / ZERO_RUN]).collect();
        for run in runs(&zeroes) {
            self.content.resize(run.len() * BLOCK);
            self.content.fill(0);
            self.write(span, run[0], run)?;
        }
        written.zeroes_sent = true;
        Ok(Outcome::Rewritten(written, zeroes.len()))
    }

    /// The first of these blocks of a span that is not what it must be.
    fn wrong(&mut self, span: &Span, blocks: &[usize]) -> Result<Option<usize>, Error> {
        for run in runs(blocks) {
            let (from, count) = (run[0], run.len());
            self.there.resize(count * BLOCK);
            self.target.read_at(span.at(from), &mut self.there).map_err(Error::Target)?;
            let found = self.hasher.blocks_of(&self.there);
            let wrong = found.iter().zip(&span.digests[from..]).position(|(found, wanted)| found != wanted);
            if let Some(wrong) = wrong {
                return Ok(Some(from + wrong));
            }
        }
        Ok(None)
    }
}

/// Neighbours among these blocks, as many as there is memory for: more may lie together in a group.
fn runs(blocks: &[usize]) -> impl Iterator<Item = &[usize]> {
    blocks.chunk_by(|one, next| one + 1 == *next).flat_map(|run| run.chunks(PART))
}

/// The blocks of a span that are handled at once: all of a frame, some of a group.
fn parts<S, T>(span: &Span, origin: &Origin<'_, S, T>) -> impl Iterator<Item = Range<usize>> + use<S, T> {
    let end = span.digests.len();
    let step = if matches!(origin, Origin::Group(..)) { PART } else { end.max(1) };
    (0..end).step_by(step).map(move |first| first..(first + step).min(end))
}

/// Reads blocks from byte `at` on, one by one if need be and asked for; returns which of them could be read.
pub(super) fn read(medium: &impl Medium, at: u64, bytes: &mut [u8], one_by_one: bool) -> Vec<bool> {
    let is_readable = medium.read_at(at, bytes).is_ok();
    let mut is_there = vec![is_readable; bytes.len() / BLOCK];
    if !is_readable && one_by_one {
        let blocks = (at..).step_by(BLOCK).zip(bytes.chunks_exact_mut(BLOCK));
        for ((at, block), is_there) in blocks.zip(&mut is_there) {
            *is_there = medium.read_at(at, block).is_ok();
        }
    }
    is_there
}
