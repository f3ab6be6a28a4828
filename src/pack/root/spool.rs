//! A stream as a file, unpacked.

use super::temp_dir::TempDir;
use anyhow::{Context, Result};
use everboot_core::slot::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

/// What came, and what it holds.
pub(crate) struct Spooled {
    /// Unpacked.
    pub file: Arc<File>,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// SHA-256 of the stream as it came.
    pub packed_digest: Digest,
    /// Bytes of the stream as it came.
    pub packed_len: u64,
}

/// A stream as an unpacked file; it may be packed by gzip, zstd or xz.
pub(crate) fn spool(from: impl Read, temp_dir: &TempDir) -> Result<Arc<File>> {
    let file = temp_dir.file()?;
    unpack(&mut buffered(from), &mut &file)?;
    Ok(Arc::new(file))
}

/// The same with both sums. What stands behind the packed stream belongs to its sum as well.
pub(crate) fn spool_and_sum(from: impl Read, temp_dir: &TempDir) -> Result<Spooled> {
    let file = temp_dir.file()?;
    let (mut from, mut out) = (buffered(Sum::new(from)), Sum::new(&file));
    unpack(&mut from, &mut out)?;
    io::copy(&mut from, &mut io::sink())?;
    let from = from.into_inner();
    let digest = out.hash.finalize().into();
    let (packed_digest, packed_len) = (from.hash.finalize().into(), from.len);
    Ok(Spooled { file: Arc::new(file), digest, packed_digest, packed_len })
}

fn buffered<T: Read>(from: T) -> BufReader<T> {
    BufReader::with_capacity(1 << 18, from)
}

/// How a stream is packed, by what it begins with.
enum Packing {
    Gzip,
    Zstd,
    Xz,
}

impl Packing {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }
}

/// Whether what begins so has to be unpacked.
pub(crate) fn is_packed(head: &[u8]) -> bool {
    Packing::of(head).is_some()
}

fn unpack(from: &mut impl BufRead, out: &mut impl Write) -> Result<()> {
    let copied = match Packing::of(from.fill_buf()?) {
        None => io::copy(from, out),
        Some(Packing::Gzip) => io::copy(&mut flate2::bufread::MultiGzDecoder::new(from), out),
        Some(Packing::Zstd) => io::copy(&mut zstd::stream::read::Decoder::with_buffer(from)?, out),
        Some(Packing::Xz) => io::copy(&mut liblzma::bufread::XzDecoder::new_multi_decoder(from), out),
    };
    copied.context("unpack").map(drop)
}

/// Sums what passes by.
struct Sum<T> {
    inner: T,
    hash: Sha256,
    len: u64,
}

impl<T> Sum<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), len: 0 }
    }

    fn count(&mut self, bytes: &[u8]) -> usize {
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        bytes.len()
    }
}

impl<T: Read> Read for Sum<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        Ok(self.count(&buf[..count]))
    }
}

impl<T: Write> Write for Sum<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        Ok(self.count(&bytes[..count]))
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
