//! embedded-io over a medium, where a stream is natural: the headers and small members of an archive.

use super::{Error, Medium};
use embedded_io::{ErrorKind, ErrorType, Read};

/// A cursor over a medium.
#[derive(Debug)]
pub struct Stream<M> {
    inner: M,
    position: u64,
}

impl<M: Medium> Stream<M> {
    /// A cursor at byte `position`.
    pub fn at(inner: M, position: u64) -> Self {
        Self { inner, position }
    }
}

impl embedded_io::Error for Error {
    fn kind(&self) -> ErrorKind {
        self.source.kind().into()
    }
}

impl<M> ErrorType for Stream<M> {
    type Error = Error;
}

impl<M: Medium> Read for Stream<M> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Error> {
        let left = self.inner.len().saturating_sub(self.position);
        let count = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.inner.read_at(self.position, &mut buf[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}
