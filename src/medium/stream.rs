//! embedded-io over a medium, where a stream is natural: fixed blocks, archive headers.

use super::{Error, Medium};
use embedded_io::{ErrorKind, ErrorType, Read, Seek, SeekFrom, Write};

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

    /// The byte that comes next.
    pub fn position(&self) -> u64 {
        self.position
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

impl<M: Medium> Write for Stream<M> {
    fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.inner.write_at(self.position, data)?;
        self.position += data.len() as u64;
        Ok(data.len())
    }

    /// A barrier, as [`Medium::sync`].
    fn flush(&mut self) -> Result<(), Error> {
        self.inner.sync()
    }
}

impl<M: Medium> Seek for Stream<M> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, Error> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(delta) => self.inner.len().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or_else(|| Error::past_end(super::Op::Read, self.position))?;
        Ok(self.position)
    }
}
