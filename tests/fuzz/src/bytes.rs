//! Bytes as a medium that is only read.

use everboot_storage::medium::{Error, Medium, Op};
use std::io::ErrorKind;

/// Some bytes, and zeroes behind them up to a length.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) len: u64,
}

impl<'a> Bytes<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, len: bytes.len() as u64 }
    }
}

impl Medium for Bytes<'_> {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let end = offset.checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(Error::past_end(Op::Read, offset));
        }
        buf.fill(0);
        let there = self.bytes.get(offset as usize..).unwrap_or_default();
        let count = there.len().min(buf.len());
        buf[..count].copy_from_slice(&there[..count]);
        Ok(())
    }
    fn write_at(&self, offset: u64, _: &[u8]) -> Result<(), Error> {
        Err(Error::at(Op::Write, offset, ErrorKind::ReadOnlyFilesystem.into()))
    }
    fn write_zeroes(&self, offset: u64, _: u64) -> Result<(), Error> {
        self.write_at(offset, &[])
    }
    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A block of these bytes, and zeroes behind them.
pub(crate) fn block(data: &[u8]) -> [u8; 4096] {
    let mut block = [0; 4096];
    let count = data.len().min(block.len());
    block[..count].copy_from_slice(&data[..count]);
    block
}

/// The same with a checksum in its last four bytes that fits, behind its magic.
pub(crate) fn sealed(data: &[u8], magic: &[u8; 8]) -> [u8; 4096] {
    let mut block = block(data);
    block[..8].copy_from_slice(magic);
    let checksum = crc32fast::hash(&block[..4092]);
    block[4092..].copy_from_slice(&checksum.to_le_bytes());
    block
}
