//! A medium that is only looked at.

use super::pages::Pages;
use everboot_storage::medium::{Error, Medium, Op};
use std::io::ErrorKind;

/// A part of some pages.
#[derive(Debug)]
pub struct PageView<'a> {
    pages: &'a Pages,
    start: u64,
    len: u64,
}

impl<'a> PageView<'a> {
    /// All of them.
    pub fn all(pages: &'a Pages) -> Self {
        Self::part(pages, 0, pages.len() as u64)
    }

    /// So many bytes from there on.
    pub fn part(pages: &'a Pages, start: u64, len: u64) -> Self {
        Self { pages, start, len }
    }
}

impl Medium for PageView<'_> {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let inside = offset + buf.len() as u64 <= self.len;
        match inside && self.pages.read((self.start + offset) as usize, buf) {
            true => Ok(()),
            false => Err(Error::past_end(Op::Read, offset)),
        }
    }
    fn write_at(&self, offset: u64, _: &[u8]) -> Result<(), Error> {
        Err(Error::at(Op::Write, offset, ErrorKind::PermissionDenied.into()))
    }
    fn write_zeroes(&self, offset: u64, _: u64) -> Result<(), Error> {
        self.write_at(offset, &[])
    }
    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}
