//! An open bundle.

use super::archive::{Member, UNIT};
use super::delta::Delta;
use super::frames::{Decoder, Frames};
use super::signed::{Signed, within};
use super::{Error, Keys, SIGNATURE_MAX};
use crate::medium::Medium;
use everboot_core::manifest::{MANIFEST_MAX, Manifest, PartImage};
use everboot_core::slot::{BLOCK, Digest};
use everboot_core::tree::{Geometry, Hasher, Reader, Superblock};
use std::ops::Range;

/// A bundle whose manifest is signed by a trusted key, or need not be, and whose archive has the right form. Its tree
/// and its frames are checked as they are read.
#[derive(Debug)]
pub struct Bundle<M> {
    medium: M,
    signed: Signed,
    manifest: Manifest,
    /// How each part of the manifest is carried, in its order.
    bodies: Vec<Body>,
    total_len: u64,
}

/// How a bundle carries a part.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Box<Whole>),
    /// What other images have not.
    Delta(Box<Delta>),
}

/// A tree, and the image in frames.
#[derive(Debug)]
pub struct Whole {
    tree: Member,
    reader: Reader,
    superblock: [u8; BLOCK],
    /// The frames.
    pub frames: Frames,
    hasher: Hasher,
}

impl<M: Medium> Bundle<M> {
    /// Opens the bundle that begins at byte 0 of `medium`. What comes behind it is ignored.
    ///
    /// Reads, in this order: the manifest and its signature, within their limits; then, once they are
    /// trusted, the other headers, the seek table and the tree's superblock.
    pub fn open(medium: M, keys: &Keys) -> Result<Self, Error> {
        Self::open_insecure(medium, keys, false)
    }

    /// The same; with `insecure` also one that no trusted key has signed, where the keys allow that.
    pub fn open_insecure(medium: M, keys: &Keys, insecure: bool) -> Result<Self, Error> {
        let (signed, next) = read_signed(&medium)?;
        let manifest = signed.accept(keys, insecure)?;
        Self::open_parts(medium, signed, manifest, next)
    }

    /// Opens a bundle that nobody vouches for, for a tool that shows what it says.
    #[cfg(feature = "write")]
    pub fn open_untrusted(medium: M) -> Result<Self, Error> {
        let (signed, next) = read_signed(&medium)?;
        let manifest = Manifest::parse(&signed.manifest).map_err(super::TrustError::Manifest)?;
        Self::open_parts(medium, signed, manifest, next)
    }

    fn open_parts(medium: M, signed: Signed, manifest: Manifest, at: u64) -> Result<Self, Error> {
        let (mut bodies, mut next) = (Vec::new(), at);
        for image in &manifest.parts {
            let body;
            (body, next) = Body::read(&medium, image, next)?;
            bodies.push(body);
        }
        let end = Member::pass_over(&medium, next);
        let total_len = end.saturating_add(2 * UNIT).min(medium.len());
        Ok(Self { medium, signed, manifest, bodies, total_len })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's bytes and signature, as they are to be kept in a slot's trailer.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// Bytes of the bundle, the archive's end included: what staging has to copy.
    pub fn total_len(&self) -> u64 {
        self.total_len
    }

    /// The medium that holds it.
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// How it carries each part, in the order of the manifest.
    pub fn bodies(&self) -> &[Body] {
        &self.bodies
    }

    /// Each part, and the halves in which it is used: what one thread has, and what all share.
    pub fn carried(&mut self) -> impl Iterator<Item = (&PartImage, Carried<'_, M>)> {
        let medium = &self.medium;
        let carried = self.bodies.iter_mut().map(move |body| match body {
            Body::Delta(delta) => Carried::Delta(medium, delta),
            Body::Whole(whole) => {
                let Whole { tree, reader, superblock, frames, hasher } = &mut **whole;
                let tree = Tree { medium, start: tree.start, reader, superblock };
                Carried::Whole(tree, Packed { medium, frames, hasher })
            }
        });
        self.manifest.parts.iter().zip(carried)
    }
}

/// A part in a bundle, to be used by several threads.
#[derive(Debug)]
pub enum Carried<'a, M> {
    /// The tree for one of them, and the frames for all.
    Whole(Tree<'a, M>, Packed<'a, M>),
    /// The bundle's medium and the delta, for all.
    Delta(&'a M, &'a Delta),
}

impl Body {
    /// Reads what tells of this part from byte `at` on, and says where the archive goes on.
    fn read(medium: &impl Medium, image: &PartImage, at: u64) -> Result<(Self, u64), Error> {
        match Member::read(medium, at, &format!("{}.delta", image.name)) {
            Ok(member) => Ok((Self::Delta(Box::new(Delta::read(medium, member, image)?)), member.next())),
            Err(Error::Member { .. }) => Whole::read(medium, image, at),
            Err(error) => Err(error),
        }
    }
}

impl Whole {
    /// Bytes of the tree, its superblock included.
    pub fn tree_len(&self) -> u64 {
        self.tree.len
    }

    /// Reads headers and seek table, and says where the archive goes on.
    fn read(medium: &impl Medium, image: &PartImage, at: u64) -> Result<(Body, u64), Error> {
        let geometry =
            Geometry::new(image.blocks()).ok_or(Error::Unsupported { what: "the image's size" })?;
        let tree = Member::read(medium, at, &format!("{}.tree", image.name))?;
        if tree.len != geometry.len_bytes() {
            let expected = geometry.len_bytes();
            return Err(Error::Number { what: "bytes of the tree", expected, found: tree.len });
        }
        let zst = Member::read(medium, tree.next(), &format!("{}.zst", image.name))?;
        let frames = Frames::read(medium, zst, image)?;
        let reader = Reader::new(geometry, &image.salt, image.root_hash);
        // Nothing signed covers the superblock, so it must be the one that the manifest implies.
        let superblock = Superblock::new(image.root_hash, image.blocks(), &image.salt).encode();
        let mut found = [0; BLOCK];
        medium.read_at(tree.start, &mut found)?;
        if found != superblock {
            return Err(Error::Superblock);
        }
        let whole = Self { tree, reader, superblock, frames, hasher: Hasher::new(&image.salt) };
        Ok((Body::Whole(Box::new(whole)), zst.next()))
    }
}

/// The tree of a bundle. What it gives was checked up to the signed root hash.
#[derive(Debug)]
pub struct Tree<'a, M> {
    medium: &'a M,
    start: u64,
    reader: &'a mut Reader,
    superblock: &'a [u8; BLOCK],
}

impl<M: Medium> Tree<'_, M> {
    /// The digests that these blocks of the image must have. Asked in order, each tree block is read once.
    pub fn digests(&mut self, blocks: Range<u64>) -> Result<Vec<Digest>, Error> {
        let (medium, start) = (self.medium, self.start);
        let mut fetch = |offset, buf: &mut [u8]| medium.read_at(start + offset, buf);
        blocks.map(|block| Ok(self.reader.leaf(block, &mut fetch)?)).collect()
    }

    /// Fills `buf`, of 4096 bytes, with block number `block` of the tree; block 0 is the superblock.
    pub fn block(&mut self, block: u64, buf: &mut [u8]) -> Result<(), Error> {
        if block == 0 {
            buf.copy_from_slice(self.superblock);
            return Ok(());
        }
        let (medium, start) = (self.medium, self.start);
        let mut fetch = |offset, buf: &mut [u8]| medium.read_at(start + offset, buf);
        buf.copy_from_slice(self.reader.block(block.saturating_mul(BLOCK as u64), &mut fetch)?);
        Ok(())
    }
}

/// The frames of a bundle, packed.
#[derive(Debug)]
pub struct Packed<'a, M> {
    medium: &'a M,
    frames: &'a Frames,
    hasher: &'a Hasher,
}

impl<M> Clone for Packed<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Packed<'_, M> {}

/// What a thread needs to unpack frames: about 160 KiB, and room for a packed frame.
#[derive(Debug, Default)]
pub struct Unpacker {
    decoder: Decoder,
    packed: Vec<u8>,
}

impl<'a, M: Medium> Packed<'a, M> {
    /// Fills `content` with the blocks of frame number `frame`, of which each has its digest; else it is an error.
    pub fn read(
        &self,
        frame: u64,
        digests: &[Digest],
        unpacker: &mut Unpacker,
        content: &mut [u8],
    ) -> Result<(), Error> {
        let (at, len) =
            self.frames.place(frame).ok_or(Error::Frame { frame, what: "there is no such frame" })?;
        unpacker.packed.resize(len, 0);
        self.medium.read_at(at, &mut unpacker.packed)?;
        unpacker.decoder.decode(frame, &unpacker.packed, &[], content)?;
        let found = self.hasher.blocks_of(content);
        match found.iter().zip(digests).position(|(found, wanted)| found != wanted) {
            None if found.len() == digests.len() => Ok(()),
            wrong => Err(Error::WrongBlock { block: self.frames.first(frame) + wrong.unwrap_or(0) as u64 }),
        }
    }

    /// Where the frames are.
    pub fn frames(&self) -> &'a Frames {
        self.frames
    }

    /// A hasher with the salt of the tree.
    pub fn hasher(&self) -> &'a Hasher {
        self.hasher
    }
}

/// Reads the first two members, within their limits, and says where the next one begins.
fn read_signed(medium: &impl Medium) -> Result<(Signed, u64), Error> {
    let json = Member::read(medium, 0, "manifest.json")?;
    within("manifest", json.len, MANIFEST_MAX)?;
    let minisig = Member::read(medium, json.next(), "manifest.json.minisig")?;
    within("signature", minisig.len, SIGNATURE_MAX)?;
    let signed = Signed { manifest: json.content(medium)?, signature: minisig.content(medium)? };
    Ok((signed, minisig.next()))
}
