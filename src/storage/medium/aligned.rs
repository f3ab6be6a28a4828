//! Memory whose address suits direct I/O.

use std::ops::{Deref, DerefMut};

/// Address and length unit that every device and file system accepts for direct I/O.
pub const PAGE: usize = 4096;

/// A buffer that begins at a multiple of [`PAGE`].
#[derive(Debug, Default)]
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// A buffer of `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        let bytes = vec![0; len + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Self { bytes, start, len }
    }

    /// Makes it so long. Its content is undefined afterwards: zeroes, or what was in it.
    pub fn resize(&mut self, len: usize) {
        match self.bytes.len().checked_sub(self.start + len) {
            Some(_) => self.len = len,
            None => *self = Self::zeroed(len),
        }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}
