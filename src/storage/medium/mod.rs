//! What everboot needs of storage: positional access with explicit durability.
//!
//! Invariants that every implementation keeps:
//! - bytes are durable only after a [`Medium::sync`] that was called after their write has returned `Ok`;
//! - after that `sync`, [`Medium::read_at`] returns what the medium holds and not what a cache remembers;
//! - after an error from `sync`, nothing written since the last good `sync` may be trusted: the caller
//!   verifies by reading, or gives up. A second `sync` that succeeds proves nothing about those writes.

mod aligned;
mod stream;

pub use aligned::{Aligned, PAGE};
pub use stream::Stream;

use std::fmt;
use std::io;

/// Positional storage: a partition, a disk image's range, a file, or a simulation of one.
///
/// Methods take `&self`, so that several threads may keep operations under way: a barrier covers the writes that had
/// returned before it was called. Offsets and lengths are bytes. An implementation accepts any offset and length;
/// multiples of 4096 need no read-modify-write, and in [`Aligned`] memory no copy.
pub trait Medium: Sync {
    /// Size in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a logical sector of the device below: the least that it reads or writes.
    fn sector_size(&self) -> u32 {
        512
    }

    /// Fills `buf` with the bytes at `offset`. Reading past the end is an error.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error>;

    /// Writes all of `data` at `offset`. Writing past the end is an error, unless the medium is a growing file.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error>;

    /// Makes `len` bytes at `offset` read as zeroes: a write like others, durable behind a sync; past the end is an
    /// error. Never a discard, which promises nothing.
    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), Error>;

    /// A barrier: returns when all that was written before is durable, and makes later reads come from the
    /// medium itself.
    fn sync(&self) -> Result<(), Error>;
}

impl<M: Medium + ?Sized> Medium for &M {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn sector_size(&self) -> u32 {
        (**self).sector_size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        (**self).read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        (**self).write_at(offset, data)
    }
    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), Error> {
        (**self).write_zeroes(offset, len)
    }
    fn sync(&self) -> Result<(), Error> {
        (**self).sync()
    }
}

/// A directory of a file system that holds staged bundles.
///
/// Names are single path components. A new name, a rename or a removal is durable only after
/// [`Staging::sync_dir`].
pub trait Staging {
    /// An open file of it.
    type File: Medium;

    /// Opens a file for reading.
    fn open(&self, name: &str) -> Result<Self::File, Error>;

    /// Creates a file, or empties the one of that name, for writing and reading.
    fn create(&self, name: &str) -> Result<Self::File, Error>;

    /// Renames within the directory, replacing what has the new name.
    fn rename(&self, from: &str, to: &str) -> Result<(), Error>;

    /// Removes a file; that it is not there is no error.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// The same, unless a process holds its lock (flock(2)): then it stays.
    fn remove_unheld(&self, name: &str) -> Result<(), Error> {
        self.remove(name)
    }

    /// Makes names, renames and removals durable (fsync of the directory, then syncfs).
    fn sync_dir(&self) -> Result<(), Error>;

    /// Whether a file of that name is there.
    fn exists(&self, name: &str) -> Result<bool, Error>;

    /// Bytes that a new file may still take.
    fn available(&self) -> Result<u64, Error>;
}

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Opening or creating.
    Open,
    /// Reading bytes.
    Read,
    /// Writing bytes or zeroes.
    Write,
    /// Making writes durable.
    Sync,
    /// Renaming, removing or listing.
    Name,
}

/// A failed operation: what, where, and the system's reason.
#[derive(Debug)]
pub struct Error {
    /// What was tried.
    pub op: Op,
    /// Byte offset, or the name that was concerned.
    pub place: FailedAt,
    /// The system's reason.
    pub source: io::Error,
}

/// Where an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailedAt {
    /// Byte offset in the medium.
    Offset(u64),
    /// Path or name.
    Name(String),
    /// The medium as a whole.
    Whole,
}

impl Error {
    /// An error at a byte offset.
    pub fn at(op: Op, offset: u64, source: io::Error) -> Self {
        Self { op, place: FailedAt::Offset(offset), source }
    }

    /// An error that concerns a name.
    pub fn named(op: Op, name: impl Into<String>, source: io::Error) -> Self {
        Self { op, place: FailedAt::Name(name.into()), source }
    }

    /// The access at `offset` that reaches past the end.
    pub fn past_end(op: Op, offset: u64) -> Self {
        Self::at(op, offset, io::ErrorKind::UnexpectedEof.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.op {
            Op::Open => "open",
            Op::Read => "read",
            Op::Write => "write",
            Op::Sync => "sync",
            Op::Name => "rename or remove",
        };
        match &self.place {
            FailedAt::Offset(at) => write!(f, "{verb} at byte {at}: {}", self.source),
            FailedAt::Name(name) => write!(f, "{verb} {name}: {}", self.source),
            FailedAt::Whole => write!(f, "{verb}: {}", self.source),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
