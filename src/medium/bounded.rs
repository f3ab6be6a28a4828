//! A range of a medium, as a medium of its own.

use super::{Error, Medium, Op};

/// The bytes `start .. start + len` of another medium.
#[derive(Debug)]
pub struct Bounded<M> {
    inner: M,
    start: u64,
    len: u64,
}

impl<M: Medium> Bounded<M> {
    /// A view of `len` bytes from `start` on; `None` when it does not lie within `inner`.
    pub fn new(inner: M, start: u64, len: u64) -> Option<Self> {
        (start.checked_add(len)? <= inner.len()).then_some(Self { inner, start, len })
    }

    fn check(&self, op: Op, offset: u64, len: u64) -> Result<u64, Error> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(self.start + offset),
            _ => Err(Error::past_end(op, offset)),
        }
    }
}

impl<M: Medium> Medium for Bounded<M> {
    fn len(&self) -> u64 {
        self.len
    }
    fn alignment(&self) -> usize {
        self.inner.alignment()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.inner.read_at(self.check(Op::Read, offset, buf.len() as u64)?, buf)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.inner.write_at(self.check(Op::Write, offset, data.len() as u64)?, data)
    }
    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), Error> {
        self.inner.write_zeroes(self.check(Op::Write, offset, len)?, len)
    }
    fn sync(&self) -> Result<(), Error> {
        self.inner.sync()
    }
}
