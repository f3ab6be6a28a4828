//! A bundle of which only those frames are fetched that have a block that is nowhere on this machine. The others are
//! packed anew, out of what slots and files have.
//!
//! Nothing that is there is believed: a block counts by its digest, which the bundle's own tree says, up to the root
//! hash in its signed manifest. So what is put together is the same image under the same signature; its packed bytes
//! are others. Where anything is not as it should be, all of the bundle is fetched as it is.
//!
//! What a cut leaves: a part. Its head is written anew; its frames are checked one by one by the tree's digests, and
//! the first that is not right is where it goes on.

use super::partial::{Origin, Partial};
use super::problem::{Problem, Result, Tries};
use super::progress::Progress;
use super::ranged::Ranged;
use super::remote::Remote;
use anyhow::{Context, anyhow};
use everboot_agent::sys::FileMedium;
use everboot_core::manifest::PartImage;
use everboot_core::slot::{BLOCK, Digest, RootHash};
use everboot_core::tree::{Builder, BuilderError, Geometry, Hasher, TreeBlock};
use everboot_core::verbs::Exit;
use everboot_storage::bundle::write::{ARCHIVE_END, Encoder, SeekTable, header, member, padding};
use everboot_storage::bundle::{Bundle, Carried, Decoder, Frames, Keys, Packed, Signed, Tree, Unpacker};
use everboot_storage::medium::{Aligned, Medium};
use std::ops::Range;
use std::path::Path;

/// Smaller bundles are fetched as they are.
const LEAST: u64 = 4 << 20;
/// Where more than this part of it, in percent, would have to be fetched, all of it is.
const WORTH: u64 = 80;
/// Bytes that are asked for at once, at most.
const AT_ONCE: u64 = 4 << 20;
/// Blocks that are looked at together.
const STEP: usize = 256;
/// Quick: what is packed anew is unpacked twice.
const LEVEL: i32 = 1;

/// What there is on this machine, and whom it believes.
pub(crate) struct Have {
    pub(crate) parts: Vec<FileMedium>,
    pub(crate) keys: Keys,
}

/// Where a block of the image is to be had.
#[derive(Clone, Copy, PartialEq)]
enum LocalBlock {
    Nowhere,
    /// It is zero.
    Zeroes,
    /// At this byte of that part.
    At(usize, u64),
}

/// Fetches it; `false` when it should be fetched as it is.
pub(crate) fn fetch(
    remote: &mut dyn Remote,
    have: &Have,
    output: &Path,
    tries: Tries,
    progress: &mut Progress,
) -> Result<bool> {
    let (known, source) = (remote.known(), remote.source());
    // Packed bytes that are pinned cannot be others, unless the manifest is pinned, too.
    let is_pinned = known.sum.is_some() && known.manifest.is_none();
    if have.parts.is_empty() || is_pinned || known.len.is_some_and(|len| len < LEAST) {
        return Ok(false);
    }
    let patched = format!("what is missing of {source}");
    let mut part = Partial::take(output, &[&source, &patched])?;
    let Some(ranged) = Ranged::open(remote, tries).map_err(|problem| problem.context(&source))? else {
        return Ok(false);
    };
    if ranged.len() < LEAST || known.len.is_some_and(|len| len != ranged.len()) {
        return Ok(false);
    }
    let mut bundle = Bundle::open(&ranged, &have.keys).map_err(|error| ranged.problem(error))?;
    let signed = bundle.signed().clone();
    let found = RootHash(signed.digest());
    if let Some(expected) = known.manifest.filter(|expected| *expected != found) {
        let text = format!("expected a manifest with sha256:{expected}, found sha256:{found}");
        return Err(Problem::lasting(Exit::Untrusted, anyhow!(text)));
    }
    // A bundle of several parts is fetched whole.
    let is_single = bundle.bodies().len() == 1;
    let Some((image, Carried::Whole(tree, packed))) = bundle.carried().next().filter(|_| is_single) else {
        return Ok(false);
    };
    let reassembly = Reassembly::new(&ranged, &have.parts, tree, packed, image)?;
    let is_begun = part.origin().is_some_and(|origin| origin.source == patched);
    let rest = ranged.len().saturating_sub(part.len());
    if !is_begun && ranged.fetched() + reassembly.missing() > rest / 100 * WORTH {
        return Ok(false);
    }
    if !is_begun {
        part.begin(Origin { source: patched, validator: None, total: None })?;
    }
    part.check_free_space(ranged.len())?;
    if let Err(mut problem) = reassembly.write(&signed, &mut part, progress) {
        if !problem.is_passing() {
            part.forget()?;
        }
        // What is packed anew may be larger than the whole, for which there is room.
        if problem.exit == Exit::NoSpace {
            problem.exit = Exit::Failed;
        }
        return Err(problem);
    }
    part.finish()?;
    progress.end();
    let (fetched, all) = (ranged.fetched(), ranged.len());
    println!("fetched {fetched} of {all} bytes; this machine has the rest");
    Ok(true)
}

struct Reassembly<'a, 'b> {
    ranged: &'a Ranged<'b>,
    parts: &'a [FileMedium],
    image: &'a PartImage,
    packed: Packed<'a, &'a Ranged<'b>>,
    digests: Vec<Digest>,
    places: Vec<LocalBlock>,
}

impl<'a, 'b> Reassembly<'a, 'b> {
    /// Looks where the blocks of the image are. Memory: 64 bytes for each of them.
    fn new(
        ranged: &'a Ranged<'b>,
        parts: &'a [FileMedium],
        mut tree: Tree<'a, &'a Ranged<'b>>,
        packed: Packed<'a, &'a Ranged<'b>>,
        image: &'a PartImage,
    ) -> Result<Self> {
        let digests = tree.digests(0..image.blocks()).map_err(|error| ranged.problem(error))?;
        let places = find(&digests, parts, packed.hasher());
        Ok(Self { ranged, parts, image, packed, digests, places })
    }

    fn frames(&self) -> &'a Frames {
        self.packed.frames()
    }

    fn blocks(&self, frame: u64) -> Range<usize> {
        let blocks = self.frames().blocks(frame);
        blocks.start as usize..blocks.end as usize
    }

    fn is_missing(&self, frame: u64) -> bool {
        self.places[self.blocks(frame)].contains(&LocalBlock::Nowhere)
    }

    /// Bytes of the frames that have to be fetched.
    fn missing(&self) -> u64 {
        let missing = (0..self.frames().count()).filter(|frame| self.is_missing(*frame));
        missing.filter_map(|frame| self.frames().place(frame)).map(|(_, len)| len as u64).sum()
    }

    fn write(&self, signed: &Signed, part: &mut Partial, progress: &mut Progress) -> Result<()> {
        let name = &self.image.name;
        let geometry = Geometry::new(self.image.blocks()).context("the image's size")?;
        let tree_len = geometry.len_bytes();
        let mut head = member("manifest.json", &signed.manifest);
        head.extend(member("manifest.json.minisig", &signed.signature));
        head.extend(header(&format!("{name}.tree"), tree_len));
        let tree_at = head.len() as u64;
        let header_at = tree_at + tree_len + padding(tree_len);
        let frames_header = |len| header(&format!("{name}.zst"), len);
        let frames_at = header_at + frames_header(0).len() as u64;
        let (mut table, end) = self.frames_there(part, frames_at)?;
        part.set_len(end)?;
        part.patch(0, &head)?;
        self.write_tree(geometry, tree_at, part)?;
        self.write_frames(&mut table, part, progress)?;
        let len = part.len() - frames_at;
        part.skip(padding(len) + ARCHIVE_END)?;
        part.patch(header_at, &frames_header(len))
    }

    /// Made again of the digests: it was fetched once.
    fn write_tree(&self, geometry: Geometry, start: u64, part: &Partial) -> Result<()> {
        let PartImage { salt, root_hash, .. } = self.image;
        let mut emit = |offset: u64, block: &TreeBlock| part.patch(start + offset, block);
        let failed = |error| match error {
            BuilderError::Emit(problem) => problem,
            BuilderError::Count { .. } => Problem::lasting(Exit::Failed, anyhow!("the tree's size")),
        };
        let mut builder = Builder::new(geometry, salt);
        for digest in &self.digests {
            builder.push(*digest, &mut emit).map_err(failed)?;
        }
        let root = builder.finish(&mut emit).map_err(failed)?;
        match root == *root_hash {
            true => Ok(()),
            false => Err(Problem::lasting(Exit::Failed, anyhow!("the tree has another root hash"))),
        }
    }

    /// The frames from byte `start` on that are there from another time, and where they end. A frame counts by the
    /// digests of its blocks, and says itself how long it is (RFC 8878, section 3.1.1).
    fn frames_there(&self, part: &Partial, start: u64) -> Result<(SeekTable, u64)> {
        let (mut table, mut end, mut decoder) = (SeekTable::default(), start, Decoder::default());
        for frame in 0..self.frames().count() {
            let digests = &self.digests[self.blocks(frame)];
            let mut content = vec![0; digests.len() * BLOCK];
            let Ok(packed) = part.read(end, zstd_safe::compress_bound(content.len())) else { break };
            let Ok(len) = zstd_safe::find_frame_compressed_size(&packed) else { break };
            let decoded = decoder.decode(frame, &packed[..len], &[], &mut content);
            if decoded.is_err() || self.packed.hasher().blocks_of(&content) != digests {
                break;
            }
            table.push(len, content.len());
            end += len as u64;
        }
        Ok((table, end))
    }

    fn write_frames(&self, table: &mut SeekTable, part: &mut Partial, progress: &mut Progress) -> Result<()> {
        let mut unpacker = Unpacker::default();
        let mut encoder = Encoder::new(LEVEL).map_err(|what| anyhow!(what))?;
        for frame in table.count()..self.frames().count() {
            let digests = &self.digests[self.blocks(frame)];
            let mut content = Aligned::zeroed(digests.len() * BLOCK);
            let bytes = match self.is_missing(frame) || !self.gather(frame, &mut content) {
                true => self.fetch(frame, &mut unpacker, &mut content)?,
                false => encoder.encode(&content).map_err(|what| anyhow!(what))?,
            };
            table.push(bytes.len(), content.len());
            part.append(&bytes)?;
            progress.show(self.blocks(frame).end as u64 * BLOCK as u64, Some(self.image.size));
        }
        part.append(&table.encode())
    }

    /// Fills `content` with a frame out of what is there; whether it still is.
    fn gather(&self, frame: u64, content: &mut [u8]) -> bool {
        let blocks = self.blocks(frame);
        let places = &self.places[blocks.clone()];
        let mut at = 0;
        for run in places.chunk_by(|one, next| *next == follows(*one)) {
            let bytes = &mut content[at * BLOCK..][..run.len() * BLOCK];
            if let LocalBlock::At(part, from) = run[0]
                && self.parts[part].read_at(from, bytes).is_err()
            {
                return false;
            }
            at += run.len();
        }
        let found = self.packed.hasher().blocks_of(content);
        found == self.digests[blocks]
    }

    /// The packed bytes of a frame, which were checked; those behind it that are missing, too, come with it.
    fn fetch(&self, frame: u64, unpacker: &mut Unpacker, content: &mut [u8]) -> Result<Vec<u8>> {
        let (at, len) = self.frames().place(frame).context("there is no such frame")?;
        let mut bytes = vec![0; len];
        if !self.ranged.has(at, len) {
            let behind = (frame + 1..self.frames().count()).take_while(|frame| self.is_missing(*frame));
            let ends = behind.filter_map(|frame| self.frames().place(frame)).map(|(at, len)| at + len as u64);
            let end = ends.take_while(|end| end - at <= AT_ONCE).last().unwrap_or(at + len as u64);
            self.ranged.ask(at, (end - at) as usize)?;
        }
        let checked = self.packed.read(frame, &self.digests[self.blocks(frame)], unpacker, content);
        checked.map_err(|error| self.ranged.problem(error))?;
        self.ranged.read_at(at, &mut bytes).map_err(|error| self.ranged.problem(error))?;
        Ok(bytes)
    }
}

/// The place of the next block, if it lies behind this one.
fn follows(place: LocalBlock) -> LocalBlock {
    match place {
        LocalBlock::At(part, from) => LocalBlock::At(part, from + BLOCK as u64),
        other => other,
    }
}

/// Where blocks with these digests are. What cannot be read is not there.
fn find(digests: &[Digest], parts: &[FileMedium], hasher: &Hasher) -> Vec<LocalBlock> {
    let is_zero = |digest: &Digest| *digest == hasher.zeroes();
    let place = |digest| if is_zero(digest) { LocalBlock::Zeroes } else { LocalBlock::Nowhere };
    let mut places: Vec<_> = digests.iter().map(place).collect();
    let mut wanted: Vec<_> = (0..digests.len()).filter(|block| !is_zero(&digests[*block])).collect();
    wanted.sort_unstable_by_key(|block| digests[*block]);
    let (mut bytes, mut open) = (Aligned::zeroed(STEP * BLOCK), wanted.len());
    for (number, part) in parts.iter().enumerate() {
        for at in (0..part.len() / BLOCK as u64 * BLOCK as u64).step_by(STEP * BLOCK) {
            if open == 0 {
                return places;
            }
            bytes.resize((part.len() - at).min((STEP * BLOCK) as u64) as usize / BLOCK * BLOCK);
            if part.read_at(at, &mut bytes).is_err() {
                continue;
            }
            let found = hasher.blocks_of(&bytes);
            for (from, digest) in (at..).step_by(BLOCK).zip(&found).filter(|(_, digest)| !is_zero(digest)) {
                let first = wanted.partition_point(|block| digests[*block] < *digest);
                let equal = wanted[first..].iter().take_while(|block| digests[**block] == *digest);
                for block in equal {
                    // All of them have a place, or none.
                    if places[*block] != LocalBlock::Nowhere {
                        break;
                    }
                    places[*block] = LocalBlock::At(number, from);
                    open -= 1;
                }
            }
        }
    }
    places
}
