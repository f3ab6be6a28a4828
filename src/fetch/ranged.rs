//! A remote as a medium: what is read is asked for in ranges, a good deal at a time.

use super::problem::{Problem, Result, Tries};
use super::remote::{Piece, Remote, Rest};
use anyhow::anyhow;
use everboot_core::verbs::Exit;
use everboot_storage::medium::{Error, Medium, Op};
use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are asked for at once, at least.
const AHEAD: usize = 1 << 20;

/// So much of what came is kept.
const WINDOWS: usize = 4;

/// A remote that serves ranges.
pub(crate) struct Ranged<'a> {
    len: u64,
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    remote: &'a mut dyn Remote,
    tries: Tries,
    validator: Option<String>,
    /// What was used last, each with its place, the latest first: a tree is read in several places by turns.
    windows: VecDeque<(u64, Vec<u8>)>,
    fetched: u64,
    /// Why it did not go on.
    problem: Option<Problem>,
}

impl<'a> Ranged<'a> {
    /// Asks for the beginning; nothing when the server does not give it. A request for the whole then shows why.
    pub(crate) fn open(remote: &'a mut dyn Remote, tries: Tries) -> Result<Option<Self>> {
        let first = tries.with_retries(|| remote.piece(&Rest { from: 0, validator: None }, AHEAD));
        let Piece { bytes, total, validator } = match first {
            Ok(Some(piece)) => piece,
            Err(problem) if problem.is_passing() => return Err(problem),
            Ok(None) | Err(_) => return Ok(None),
        };
        let fetched = bytes.len() as u64;
        let windows = [(0, bytes)].into();
        let inner = Inner { remote, tries, validator, windows, fetched, problem: None };
        Ok(Some(Self { len: total, inner: Mutex::new(inner) }))
    }

    /// Bytes that have come.
    pub(crate) fn fetched(&self) -> u64 {
        self.inner().fetched
    }

    /// Whether these bytes are among those that came last.
    pub(crate) fn has(&self, from: u64, len: usize) -> bool {
        self.inner().window(from, len).is_some()
    }

    /// Asks for these bytes, which will be read soon, in one go.
    pub(crate) fn ask(&self, from: u64, len: usize) -> Result<()> {
        self.inner().load(from, len, self.len)
    }

    /// Why it did not go on, else this.
    pub(crate) fn problem(&self, error: impl Into<anyhow::Error>) -> Problem {
        self.inner().problem.take().unwrap_or_else(|| Problem::lasting(Exit::Untrusted, error))
    }

    fn inner(&self) -> MutexGuard<'_, Inner<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner<'_> {
    /// These bytes, if they are here.
    fn window(&mut self, from: u64, len: usize) -> Option<&[u8]> {
        let within = |(at, bytes): &(u64, Vec<u8>)| {
            let start = usize::try_from(from.checked_sub(*at)?).ok()?;
            let range = start..start.checked_add(len)?;
            (range.end <= bytes.len()).then_some(range)
        };
        let (place, range) =
            self.windows.iter().enumerate().find_map(|(place, window)| Some((place, within(window)?)))?;
        let found = self.windows.remove(place)?;
        self.windows.push_front(found);
        self.windows[0].1.get(range)
    }

    fn load(&mut self, from: u64, len: usize, total: u64) -> Result<()> {
        let len = total.saturating_sub(from).min(len as u64) as usize;
        if self.window(from, len).is_some() {
            return Ok(());
        }
        let rest = Rest { from, validator: self.validator.clone() };
        let remote = &mut *self.remote;
        let piece = self.tries.with_retries(|| remote.piece(&rest, len))?;
        let Some(piece) = piece.filter(|piece| piece.total == total && piece.bytes.len() == len) else {
            let text = "the file on the server changed while it was read";
            return Err(Problem::lasting(Exit::Failed, anyhow!(text)));
        };
        self.fetched += len as u64;
        self.windows.truncate(WINDOWS - 1);
        self.windows.push_front((from, piece.bytes));
        Ok(())
    }
}

impl Medium for Ranged<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::result::Result<(), Error> {
        if offset.checked_add(buf.len() as u64).is_none_or(|end| end > self.len) {
            return Err(Error::past_end(Op::Read, offset));
        }
        let mut inner = self.inner();
        if inner.window(offset, buf.len()).is_none() {
            inner.problem = inner.load(offset, buf.len().max(AHEAD), self.len).err();
        }
        match inner.window(offset, buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Error::at(Op::Read, offset, io::Error::other("the connection failed"))),
        }
    }

    fn write_at(&self, offset: u64, _: &[u8]) -> std::result::Result<(), Error> {
        Err(Error::at(Op::Write, offset, io::ErrorKind::Unsupported.into()))
    }

    fn write_zeroes(&self, offset: u64, _: u64) -> std::result::Result<(), Error> {
        Err(Error::at(Op::Write, offset, io::ErrorKind::Unsupported.into()))
    }

    fn sync(&self) -> std::result::Result<(), Error> {
        Ok(())
    }
}
