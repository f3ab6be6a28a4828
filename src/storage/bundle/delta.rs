//! A bundle's image as a delta: told by blocks that images in other slots have, and new ones packed against such
//! blocks.
//!
//! Nothing of it is signed, and nothing needs to be. The digests of copied blocks are those of their signed images, and
//! those of new blocks are made of the blocks; the tree over all of them must have the signed root hash, which is found
//! out before anything is written.

use super::Error;
use super::archive::Member;
use super::frames::Decoder;
use super::recipe::{GROUP_BLOCKS, GROUP_NEW, Group, Piece, Run, SOURCES_MAX};
use crate::medium::{Aligned, Medium};
use everboot_core::manifest::PartImage;
use everboot_core::slot::{BLOCK, Digest, RootHash};
use everboot_core::tree::{Builder, BuilderError, Emit, Geometry, Hasher, Reader};
use std::ops::Range;

pub(super) const MAGIC: [u8; 8] = *b"evbdelta";
pub(super) const VERSION: u16 = 1;
pub(super) const HEADER: usize = 16;
pub(super) const SOURCE: usize = 40;
pub(super) const ENTRY: usize = 12;
/// The most groups: 1 TiB.
pub const GROUPS_MAX: u64 = 1 << 18;
/// The most bytes that tell a group: its blocks one by one, and what the new ones are packed against.
const RECIPE_MAX: usize = 128 << 10;
/// Copied blocks that are read at once to be checked.
const STEP: usize = 256;

/// A delta, whose groups are where its table says.
#[derive(Debug)]
pub struct Delta {
    sources: Vec<(RootHash, u64)>,
    groups: Vec<Entry>,
    blocks: u64,
    hasher: Hasher,
    len: u64,
}

#[derive(Debug)]
struct Entry {
    /// The first block of the image that it tells.
    first: u64,
    /// Byte offset in the bundle of the recipe; the packed new blocks follow.
    at: u64,
    recipe: usize,
    packed: usize,
}

impl Delta {
    /// Reads header and table, and checks all their numbers.
    pub(super) fn read(medium: &impl Medium, member: Member, image: &PartImage) -> Result<Self, Error> {
        let within = |len: u64| match member.len.checked_sub(len) {
            Some(_) => Ok(()),
            None => Err(Error::Number { what: "bytes of the delta", expected: len, found: member.len }),
        };
        within(HEADER as u64)?;
        let mut header = [0; HEADER];
        medium.read_at(member.start, &mut header)?;
        if header[..8] != MAGIC || u16::from_le_bytes([header[8], header[9]]) != VERSION {
            return Err(Error::Unsupported { what: "the form of the delta" });
        }
        let sources = usize::from(u16::from_le_bytes([header[10], header[11]]));
        let groups = u64::from(number(&header, 12));
        if sources > SOURCES_MAX || groups > GROUPS_MAX {
            return Err(Error::Unsupported { what: "a delta of so many groups or other images" });
        }
        let mut at = HEADER as u64 + (sources * SOURCE) as u64 + groups * ENTRY as u64;
        within(at)?;
        let mut bytes = vec![0; at as usize - HEADER];
        medium.read_at(member.start + HEADER as u64, &mut bytes)?;
        let (of_sources, of_groups) = bytes.split_at(sources * SOURCE);
        let sources = of_sources.as_chunks::<SOURCE>().0.iter().map(source).collect();
        let hasher = Hasher::new(&image.salt);
        let mut delta = Self { sources, groups: Vec::new(), blocks: image.blocks(), hasher, len: member.len };
        let mut first = 0;
        for entry in of_groups.as_chunks::<ENTRY>().0 {
            let [blocks, recipe, packed] = [0, 4, 8].map(|at| number(entry, at) as usize);
            let packed_max = zstd_safe::compress_bound(GROUP_NEW * BLOCK);
            if blocks > GROUP_BLOCKS as usize || recipe > RECIPE_MAX || packed > packed_max {
                return Err(Error::Recipe { group: delta.count() });
            }
            delta.groups.push(Entry { first, at: member.start + at, recipe, packed });
            first += blocks as u64;
            at += (recipe + packed) as u64;
            within(at)?;
        }
        match first == delta.blocks {
            true => Ok(delta),
            false => Err(Error::Number { what: "blocks of the delta", expected: delta.blocks, found: first }),
        }
    }

    /// The root hashes of the images that it needs, and how many blocks each has.
    pub fn sources(&self) -> &[(RootHash, u64)] {
        &self.sources
    }

    /// Bytes of the archive member.
    pub fn member_len(&self) -> u64 {
        self.len
    }

    /// How many groups there are.
    pub fn count(&self) -> u64 {
        self.groups.len() as u64
    }

    fn entry(&self, group: u64) -> Result<&Entry, Error> {
        self.groups.get(group as usize).ok_or(Error::Recipe { group })
    }

    fn blocks(&self, group: u64) -> Result<Range<u64>, Error> {
        let end = self.groups.get(group as usize + 1).map_or(self.blocks, |next| next.first);
        Ok(self.entry(group)?.first..end)
    }

    /// The packed new blocks of group number `group`, in `packed`.
    fn packed(&self, medium: &impl Medium, group: u64, packed: &mut Vec<u8>) -> Result<(), Error> {
        let entry = self.entry(group)?;
        packed.resize(entry.packed, 0);
        Ok(medium.read_at(entry.at + entry.recipe as u64, packed)?)
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn source(bytes: &[u8; SOURCE]) -> (RootHash, u64) {
    let (mut root, mut blocks) = ([0; 32], [0; 8]);
    root.copy_from_slice(&bytes[..32]);
    blocks.copy_from_slice(&bytes[32..]);
    (RootHash(root), u64::from_le_bytes(blocks))
}

/// The other images that a delta needs, in slots of this machine, in the delta's order. They are only read.
#[derive(Debug)]
pub struct Sources<M> {
    parts: Vec<M>,
    trees: Vec<SourceTree>,
}

#[derive(Debug)]
struct SourceTree {
    root: RootHash,
    /// Where it begins in its part.
    at: u64,
    reader: Reader,
}

impl<M: Medium> Sources<M> {
    /// None: all that a whole image needs.
    pub fn none() -> Self {
        Self { parts: Vec::new(), trees: Vec::new() }
    }

    /// One more: this image, and behind it its tree, in this part.
    pub fn push(&mut self, part: M, image: &PartImage) -> Result<(), Error> {
        let missing = Error::Source { root: image.root_hash };
        let geometry = Geometry::new(image.blocks()).ok_or(missing)?;
        let reader = Reader::new(geometry, &image.salt, image.root_hash);
        self.parts.push(part);
        self.trees.push(SourceTree { root: image.root_hash, at: image.size, reader });
        Ok(())
    }
}

/// The trees of the other images. What they give was checked up to their root hashes, which the delta names.
#[derive(Debug)]
pub struct Trees<'a, M> {
    parts: &'a [M],
    trees: &'a mut [SourceTree],
}

impl<M: Medium> Trees<'_, M> {
    /// The digests of the blocks that a group copies.
    pub fn copied(&mut self, group: &Group) -> Result<Vec<Digest>, Error> {
        let mut digests = Vec::new();
        for run in &group.runs {
            if let Run::Copy(piece) = run {
                self.of(piece, &mut digests)?;
            }
        }
        Ok(digests)
    }

    /// Those of the blocks that the new blocks of a group are packed against.
    pub fn prefix(&mut self, group: &Group) -> Result<Vec<Digest>, Error> {
        let mut digests = Vec::new();
        group.prefix.iter().try_for_each(|piece| self.of(piece, &mut digests))?;
        Ok(digests)
    }

    fn of(&mut self, piece: &Piece, digests: &mut Vec<Digest>) -> Result<(), Error> {
        let (part, SourceTree { at, reader, .. }) =
            (&self.parts[piece.source], &mut self.trees[piece.source]);
        let mut fetch = |offset, buf: &mut [u8]| part.read_at(*at + offset, buf);
        for block in piece.first..piece.first + piece.count {
            digests.push(reader.leaf(block, &mut fetch)?);
        }
        Ok(())
    }
}

/// A delta, the bundle that it is in, and the parts with what it names: to be used by several threads.
#[derive(Debug)]
pub struct SharedDelta<'a, S, T> {
    medium: &'a S,
    delta: &'a Delta,
    parts: &'a [T],
}

impl<S, T> Clone for SharedDelta<'_, S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for SharedDelta<'_, S, T> {}

impl<'a, S: Medium, T: Medium> SharedDelta<'a, S, T> {
    /// With the trees of the other images, for one thread. Refused when these are not the images that the delta names,
    /// or when it describes another image than that of `image`. That reads the whole delta: `alive` is called after
    /// each group.
    pub fn new(
        (medium, delta): (&'a S, &'a Delta),
        sources: &'a mut Sources<T>,
        image: &PartImage,
        alive: &mut dyn FnMut(),
    ) -> Result<(Self, Trees<'a, T>), Error> {
        for (at, (root, _)) in delta.sources.iter().enumerate() {
            if sources.trees.get(at).is_none_or(|tree| tree.root != *root) {
                return Err(Error::Source { root: *root });
            }
        }
        let shared = Self { medium, delta, parts: &sources.parts };
        let mut trees = Trees { parts: &sources.parts, trees: &mut sources.trees };
        match shared.build(&mut trees, image, &mut |_, _| Ok::<(), Error>(()), alive)? {
            root if root == image.root_hash => Ok((shared, trees)),
            _ => Err(Error::WrongRoot),
        }
    }

    /// How many groups there are.
    pub fn count(&self) -> u64 {
        self.delta.count()
    }

    /// A hasher with the salt of the image.
    pub fn hasher(&self) -> &'a Hasher {
        &self.delta.hasher
    }

    /// Reads what is told of group number `number`.
    pub fn group(&self, number: u64) -> Result<Group, Error> {
        let entry = self.delta.entry(number)?;
        let mut bytes = vec![0; entry.recipe];
        self.medium.read_at(entry.at, &mut bytes)?;
        let sources: Vec<u64> = self.delta.sources.iter().map(|(_, blocks)| *blocks).collect();
        Group::parse(number, self.delta.blocks(number)?, &bytes, &sources)
    }

    /// Makes the tree that the delta describes, and gives its blocks out as [`Builder`] does; returns the root hash.
    /// All new blocks are unpacked for that; `alive` is called after each group.
    pub fn build<E: From<Error>>(
        self,
        trees: &mut Trees<'_, T>,
        image: &PartImage,
        emit: &mut Emit<'_, E>,
        alive: &mut dyn FnMut(),
    ) -> Result<RootHash, E> {
        let geometry =
            Geometry::new(image.blocks()).ok_or(Error::Unsupported { what: "the image's size" })?;
        let (mut builder, mut patcher) = (Builder::new(geometry, &image.salt), Patcher::default());
        let failed = |error| match error {
            BuilderError::Emit(error) => error,
            BuilderError::Count { expected, found } => {
                Error::Number { what: "blocks of the delta", expected, found }.into()
            }
        };
        for number in 0..self.count() {
            let group = self.group(number)?;
            patcher.unpack(self, &group, &trees.prefix(&group)?)?;
            for digest in patcher.digests(self.hasher(), &group, &trees.copied(&group)?) {
                builder.push(digest, emit).map_err(failed)?;
            }
            alive();
        }
        builder.finish(emit).map_err(failed)
    }

    /// Reads a block and those behind it into `content`; each must have its digest.
    fn copy(
        &self,
        (group, source, block): (u64, usize, u64),
        digests: &[Digest],
        content: &mut [u8],
    ) -> Result<(), Error> {
        self.parts[source].read_at(block * BLOCK as u64, content)?;
        let blocks: Vec<&[u8]> = content.chunks_exact(BLOCK).collect();
        match self.hasher().blocks(&blocks) == digests {
            true => Ok(()),
            false => Err(Error::WrongSource { group }),
        }
    }

    /// Reads all blocks that a group copies, which have these digests, with `buffer` for some of them.
    pub fn check_copied(
        &self,
        group: &Group,
        mut digests: &[Digest],
        buffer: &mut Aligned,
    ) -> Result<(), Error> {
        for run in &group.runs {
            let Run::Copy(piece) = run else { continue };
            for first in (0..piece.count).step_by(STEP) {
                let count = STEP.min((piece.count - first) as usize);
                let (some, rest) = digests.split_at(count);
                buffer.resize(count * BLOCK);
                self.copy((group.number, piece.source, piece.first + first), some, buffer)?;
                digests = rest;
            }
        }
        Ok(())
    }
}

/// What a thread needs to unpack groups: less than 8 MiB.
#[derive(Debug, Default)]
pub struct Patcher {
    decoder: Decoder,
    packed: Vec<u8>,
    prefix: Aligned,
    new: Aligned,
}

impl Patcher {
    /// Unpacks the new blocks of a group. Each block that they are packed against has its digest in `prefix`.
    pub fn unpack<S: Medium, T: Medium>(
        &mut self,
        shared: SharedDelta<'_, S, T>,
        group: &Group,
        mut prefix: &[Digest],
    ) -> Result<(), Error> {
        self.new.resize(group.new_blocks() * BLOCK);
        if self.new.is_empty() {
            return Ok(());
        }
        self.prefix.resize(prefix.len() * BLOCK);
        let mut rest = &mut self.prefix[..];
        for piece in &group.prefix {
            let (digests, content);
            (digests, prefix) = prefix.split_at(piece.count as usize);
            (content, rest) = rest.split_at_mut(digests.len() * BLOCK);
            shared.copy((group.number, piece.source, piece.first), digests, content)?;
        }
        shared.delta.packed(shared.medium, group.number, &mut self.packed)?;
        self.decoder.decode(group.number, &self.packed, &self.prefix, &mut self.new)
    }

    /// The digests of all blocks of a group, of which those that it copies have these. Its new blocks were unpacked
    /// before.
    fn digests(&self, hasher: &Hasher, group: &Group, mut copied: &[Digest]) -> Vec<Digest> {
        let new = hasher.blocks_of(&self.new);
        let (mut new, mut digests) = (&new[..], Vec::new());
        for run in &group.runs {
            let count = run.count() as usize;
            match run {
                Run::Zero(_) => digests.resize(digests.len() + count, hasher.zeroes()),
                Run::New(_) => digests.extend(new.split_off(..count).unwrap_or_default()),
                Run::Copy(_) => digests.extend(copied.split_off(..count).unwrap_or_default()),
            }
        }
        digests
    }

    /// Fills `content` with the blocks from block `first` of the group on, of which each has its digest; else it is
    /// an error. Its new blocks were unpacked before.
    pub fn fill<S: Medium, T: Medium>(
        &self,
        shared: SharedDelta<'_, S, T>,
        group: &Group,
        (first, digests): (usize, &[Digest]),
        content: &mut [u8],
    ) -> Result<(), Error> {
        let wanted = first..first + digests.len();
        let (mut at, mut new) = (0, 0);
        for run in &group.runs {
            let run_end = at + run.count() as usize;
            let (from, to) = (at.max(wanted.start), run_end.min(wanted.end));
            if from < to {
                let target = &mut content[(from - first) * BLOCK..(to - first) * BLOCK];
                match run {
                    Run::Zero(_) => target.fill(0),
                    Run::New(_) => {
                        target.copy_from_slice(&self.new[(new + from - at) * BLOCK..][..target.len()])
                    }
                    Run::Copy(piece) => {
                        let block = piece.first + (from - at) as u64;
                        shared.parts[piece.source].read_at(block * BLOCK as u64, target)?;
                    }
                }
            }
            new += if matches!(run, Run::New(_)) { run.count() as usize } else { 0 };
            at = run_end;
        }
        let blocks: Vec<&[u8]> = content.chunks_exact(BLOCK).collect();
        match shared.hasher().blocks(&blocks) == digests {
            true => Ok(()),
            false => Err(Error::WrongSource { group: group.number }),
        }
    }
}
