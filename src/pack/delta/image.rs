//! The image of a bundle, unpacked.

use crate::source::Source;
use anyhow::{Context, Result, bail};
use everboot_core::manifest::Manifest;
use everboot_core::slot::{BLOCK, Digest};
use everboot_storage::bundle::{Bundle, Carried, Signed, Unpacker};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// An image in a file that has no name any more.
pub(crate) struct Image {
    pub(crate) signed: Signed,
    pub(crate) manifest: Manifest,
    /// Those of all its blocks.
    pub(crate) digests: Vec<Digest>,
    file: File,
}

impl Image {
    /// Unpacks a whole bundle into a file beside `output`, each block compared with its digest. Who signed it is
    /// not looked at: what is made of it says who signed the image.
    pub(crate) fn unpack(path: &Path, output: &Path) -> Result<Self> {
        let named = || format!("{}", path.display());
        let mut bundle = Bundle::open_untrusted(Source::open(path)?).with_context(named)?;
        let (signed, manifest) = (bundle.signed().clone(), bundle.manifest().clone());
        let Some((_, Carried::Whole(mut tree, packed))) = bundle.carried().next() else {
            bail!("{}: expected a whole bundle, found a delta", path.display());
        };
        let room = crate::output::temporary(output)?;
        let file = File::options().read(true).write(true).create_new(true).open(&room);
        let file = file.with_context(|| format!("create {}", room.display()))?;
        fs::remove_file(&room)?;
        let (mut unpacker, mut content, mut digests) = (Unpacker::default(), Vec::new(), Vec::new());
        for frame in 0..packed.frames().count() {
            let blocks = packed.frames().blocks(frame);
            let wanted = tree.digests(blocks.clone()).with_context(named)?;
            content.resize(wanted.len() * BLOCK, 0);
            packed.read(frame, &wanted, &mut unpacker, &mut content).with_context(named)?;
            file.write_all_at(&content, blocks.start * BLOCK as u64)?;
            digests.extend(wanted);
        }
        Ok(Self { signed, manifest, digests, file })
    }

    /// One of its blocks.
    pub(crate) fn block(&self, block: u64) -> Result<[u8; BLOCK]> {
        let mut bytes = [0; BLOCK];
        self.file.read_exact_at(&mut bytes, block * BLOCK as u64)?;
        Ok(bytes)
    }

    /// Some of them, one behind the other.
    pub(crate) fn blocks(&self, blocks: impl Iterator<Item = u64>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for block in blocks {
            bytes.extend(self.block(block)?);
        }
        Ok(bytes)
    }
}
