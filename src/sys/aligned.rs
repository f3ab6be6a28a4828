//! Memory whose address suits direct I/O.

/// Address and length unit that every device and file system accepts for direct I/O.
pub(super) const PAGE: usize = 4096;

/// A zeroed buffer that begins at a multiple of [`PAGE`].
pub(super) struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// A buffer of `len` bytes.
    pub(super) fn zeroed(len: usize) -> Self {
        let bytes = vec![0; len + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Self { bytes, start, len }
    }

    /// The bytes.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}
