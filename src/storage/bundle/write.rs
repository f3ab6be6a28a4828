//! The writing half of the bundle's bytes, for the tools that make bundles or put them together. No agent has it.

use super::archive::UNIT;
use super::delta::{MAGIC as DELTA_MAGIC, VERSION as DELTA_VERSION};
use super::frames::{SEEKABLE_MAGIC, SKIPPABLE_MAGIC, TABLE_ENTRY, TABLE_FOOTER};
use everboot_core::manifest::Manifest;
use everboot_core::slot::{BLOCK, RootHash};
use everboot_core::tree::{Builder, BuilderError, Geometry, Hasher};
use std::convert::Infallible;
use zstd_safe::{CCtx, CParameter, get_error_name};

/// The header of a member of so many bytes: owned by root, mode 0644, from 1970, so that the same content
/// always has the same bytes.
pub fn header(name: &str, len: u64) -> [u8; UNIT as usize] {
    let mut header = [0; UNIT as usize];
    header[..name.len().min(99)].copy_from_slice(&name.as_bytes()[..name.len().min(99)]);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    if len < 1 << 33 {
        header[124..136].copy_from_slice(format!("{len:011o}\0").as_bytes());
    } else {
        header[124] = 0x80;
        header[128..136].copy_from_slice(&len.to_be_bytes());
    }
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[265..269].copy_from_slice(b"root");
    header[297..301].copy_from_slice(b"root");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Zero bytes that follow a member of so many bytes.
pub fn padding(len: u64) -> u64 {
    len.next_multiple_of(UNIT) - len
}

/// Zero bytes at the end of the archive.
pub const ARCHIVE_END: u64 = 2 * UNIT;

/// Bytes from a member's header to the next header.
pub fn member_len(len: u64) -> u64 {
    UNIT + len + padding(len)
}

/// Packs frames. Each thread that packs has one.
pub struct Encoder(CCtx<'static>);

impl Encoder {
    /// An encoder of this zstd level.
    pub fn new(level: i32) -> Result<Self, &'static str> {
        let mut context = CCtx::create();
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(get_error_name)?;
        Ok(Self(context))
    }

    /// One zstd frame with the size of its content in its header and no checksum: the tree vouches for it.
    pub fn encode(&mut self, content: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut packed = vec![0; zstd_safe::compress_bound(content.len())];
        let len = self.0.compress2(&mut packed[..], content).map_err(get_error_name)?;
        packed.truncate(len);
        Ok(packed)
    }
}

/// Packs new blocks against old ones.
pub struct PrefixEncoder(i32);

impl PrefixEncoder {
    /// An encoder of this zstd level.
    pub fn new(level: i32) -> Self {
        Self(level)
    }

    /// One zstd frame as [`Encoder`] makes it, with the old blocks as what comes before it.
    pub fn encode(&self, old: &[u8], content: &[u8]) -> Result<Vec<u8>, &'static str> {
        let mut context = CCtx::create();
        let window = (old.len() + content.len()).next_power_of_two().trailing_zeros().max(10);
        for parameter in [CParameter::CompressionLevel(self.0), CParameter::WindowLog(window)] {
            context.set_parameter(parameter).map_err(get_error_name)?;
        }
        if !old.is_empty() {
            context.ref_prefix(old).map_err(get_error_name)?;
        }
        let mut packed = vec![0; zstd_safe::compress_bound(content.len())];
        let len = context.compress2(&mut packed[..], content).map_err(get_error_name)?;
        packed.truncate(len);
        Ok(packed)
    }
}

/// Header and table of a delta: root hash and blocks of each other image; blocks, and bytes of recipe and packed new
/// blocks, of each group.
pub fn delta_head(sources: &[(RootHash, u64)], groups: &[[u32; 3]]) -> Vec<u8> {
    let mut bytes = DELTA_MAGIC.to_vec();
    bytes.extend(DELTA_VERSION.to_le_bytes());
    bytes.extend((sources.len() as u16).to_le_bytes());
    bytes.extend((groups.len() as u32).to_le_bytes());
    for (root, blocks) in sources {
        bytes.extend(root.0);
        bytes.extend(blocks.to_le_bytes());
    }
    bytes.extend(groups.iter().flatten().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// The seek table while frames are written.
#[derive(Debug, Default)]
pub struct SeekTable(Vec<(u32, u32)>);

impl SeekTable {
    /// Enters the next frame: its packed and unpacked bytes.
    pub fn push(&mut self, packed: usize, content: usize) {
        self.0.push((packed as u32, content as u32));
    }

    /// How many frames were entered.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The skippable frame that holds the table, for the end of the member.
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.0.len() * TABLE_ENTRY as usize;
        let mut bytes = Vec::with_capacity(entries + 17);
        bytes.extend(SKIPPABLE_MAGIC.to_le_bytes());
        bytes.extend((entries as u32 + TABLE_FOOTER as u32).to_le_bytes());
        for (packed, content) in &self.0 {
            bytes.extend(packed.to_le_bytes());
            bytes.extend(content.to_le_bytes());
        }
        bytes.extend((self.0.len() as u32).to_le_bytes());
        bytes.push(0);
        bytes.extend(SEEKABLE_MAGIC.to_le_bytes());
        bytes
    }
}

/// A member with its header and padding.
pub fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, content.len() as u64).to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len() + padding(content.len() as u64) as usize, 0);
    bytes
}

/// The tree over a small image in memory, and its root hash.
pub fn tree(image: &[u8], salt: &[u8]) -> Option<(Vec<u8>, RootHash)> {
    let geometry = Geometry::new((image.len() / BLOCK) as u64)?;
    let mut bytes = vec![0; geometry.len_bytes() as usize];
    let mut emit = |offset: u64, block: &[u8; BLOCK]| {
        bytes[offset as usize..][..BLOCK].copy_from_slice(block);
        Ok::<_, Infallible>(())
    };
    let (mut builder, hasher) = (Builder::new(geometry, salt), Hasher::new(salt));
    let build = || -> Result<RootHash, BuilderError<Infallible>> {
        for block in image.chunks_exact(BLOCK) {
            builder.push(hasher.block(block), &mut emit)?;
        }
        builder.finish(&mut emit)
    };
    let root = build().ok()?;
    Some((bytes, root))
}

/// Makes a bundle of a small image in memory, as tests need it: the size and root hash of `manifest` are set
/// from `image`, whose length is a multiple of 4096 and at least 8192. `sign` makes the signature file.
pub fn assemble(mut manifest: Manifest, image: &[u8], sign: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let root = manifest.parts.iter_mut().find(|part| part.name.is_root())?;
    let (tree, root_hash) = tree(image, &root.salt)?;
    (root.size, root.root_hash) = (image.len() as u64, root_hash);
    let frame_blocks = root.frame_blocks as usize;
    let (mut encoder, mut table, mut zst) = (Encoder::new(3).ok()?, SeekTable::default(), Vec::new());
    for content in image.chunks(frame_blocks * BLOCK) {
        let packed = encoder.encode(content).ok()?;
        table.push(packed.len(), content.len());
        zst.extend(packed);
    }
    zst.extend(table.encode());
    let (json, name) = (manifest.to_json(), &manifest.root().name);
    let mut bytes = member("manifest.json", json.as_bytes());
    bytes.extend(member("manifest.json.minisig", &sign(json.as_bytes())));
    bytes.extend(member(&format!("{name}.tree"), &tree));
    bytes.extend(member(&format!("{name}.zst"), &zst));
    bytes.resize(bytes.len() + ARCHIVE_END as usize, 0);
    Some(bytes)
}
