//! A [`Medium`] over a file descriptor: a partition, a range of a disk image, a staged file.
//!
//! Invariants:
//! - direct I/O (O_DIRECT) where device or file system accept it, so that reads come from the medium. Where
//!   they do not, a sync is followed by dropping the cached pages, which the kernel does for clean pages;
//! - a write of part of a sector reads the sector, changes it, writes it: its other bytes survive, and a cut
//!   leaves the sector old or new as far as the device writes sectors whole. Two such writes to the same
//!   sector at once are the caller's mistake;
//! - nothing is written outside `start .. start + len`;
//! - a block device that was set read-only is so again when its writer is done with it. A cut leaves it to the next
//!   boot, in which no device is set so before it is entered.
//!
//! Absent: any discard. A discarded range reads as whatever the device likes. Zeroes are not asked of an MMC card:
//! Linux 5.19 and newer make that a TRIM, and there are cards that lose other data over it (`MMC_QUIRK_TRIM_BROKEN` in
//! drivers/mmc/core/quirks.h).

use super::ioctl;
use crate::machine::Access;
use everboot_storage::medium::{Aligned, Error, FailedAt, Medium, Op, PAGE};
use rustix::fs::{Advice, CWD, FallocateFlags, Mode, OFlags, fadvise, fallocate, fdatasync, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest piece that goes through a bounce buffer at once, in bytes.
const BOUNCE: usize = 256 * 1024;

/// Bytes of an open file or block device.
#[derive(Debug)]
pub struct FileMedium {
    file: File,
    start: u64,
    len: AtomicU64,
    /// Unit of direct I/O in bytes; absent when the I/O is buffered.
    direct: Option<usize>,
    block: bool,
    /// Bytes of a logical sector of the device.
    sector: u32,
    /// Whether zeroes are written like other bytes.
    sends_zeroes: bool,
    grows: bool,
    /// Whether the device is set read-only again at the end.
    protects: bool,
}

impl Drop for FileMedium {
    fn drop(&mut self) {
        if self.protects {
            let _ = self.set_read_only(true);
        }
    }
}

impl FileMedium {
    /// Opens a block device, or a file of fixed size, for direct I/O if that is possible. An `Exclusive`
    /// open of a device that is mounted or held fails with EBUSY.
    pub fn open(path: &Path, access: Access) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::named(Op::Open, path.to_string_lossy(), source);
        let file = open_with(path, access, OFlags::DIRECT).or_else(|error| match error {
            Errno::INVAL => open_with(path, access, OFlags::empty()),
            other => Err(other),
        });
        let file = file.map_err(|error| failed(error.into()))?;
        let mut medium = Self::over(file, false).map_err(failed)?;
        if medium.block && !access.only_reads() && ioctl::is_read_only(&medium.file) {
            // Where that fails, the first write says so.
            medium.protects = medium.set_read_only(false).is_ok();
        }
        medium.direct = medium.unit(path, access).map_err(failed)?;
        medium.sends_zeroes = medium.block && is_mmc(path, medium.file.metadata().map_err(failed)?.rdev());
        Ok(medium)
    }

    /// The same for `len` bytes from `start` on, as a partition in a disk image.
    pub fn open_range(path: &Path, access: Access, start: u64, len: u64) -> Result<Self, Error> {
        let mut medium = Self::open(path, access)?;
        let whole = medium.len();
        if start.checked_add(len).is_none_or(|end| end > whole) {
            let text = format!("expected {len} bytes at {start}, found an end at {whole}");
            return Err(Error::named(Op::Open, path.to_string_lossy(), io::Error::other(text)));
        }
        let unit = medium.direct.unwrap_or(1) as u64;
        if !start.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            medium.file = open_with(path, access, OFlags::empty())
                .map_err(|error| Error::named(Op::Open, path.to_string_lossy(), error.into()))?;
            medium.direct = None;
        }
        (medium.start, medium.len) = (start, AtomicU64::new(len));
        Ok(medium)
    }

    /// A file open already, with buffered I/O. A write past its end makes it longer.
    pub(super) fn growing(file: File) -> io::Result<Self> {
        Self::over(file, true)
    }

    fn over(mut file: File, grows: bool) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::other("expected a file or a block device"));
        }
        let len = AtomicU64::new(file.seek(SeekFrom::End(0))?);
        let block = kind.is_block_device();
        let sector = if block { rustix::fs::ioctl_blksszget(&file)? } else { 512 };
        let (direct, sends_zeroes, protects) = (None, false, false);
        Ok(Self { file, start: 0, len, direct, block, sector, sends_zeroes, grows, protects })
    }

    /// Sets the device read-only for everybody, or writable, until the next boot.
    pub(super) fn set_read_only(&self, read_only: bool) -> io::Result<()> {
        ioctl::set_read_only(&self.file, read_only)
    }

    /// The unit of direct I/O, after trying one read: some file systems take the flag and refuse the I/O.
    fn unit(&mut self, path: &Path, access: Access) -> io::Result<Option<usize>> {
        if !rustix::fs::fcntl_getfl(&self.file)?.contains(OFlags::DIRECT) {
            return Ok(None);
        }
        let unit = if self.block { self.sector as usize } else { PAGE };
        let whole_units = self.len().is_multiple_of(unit as u64) && unit <= PAGE;
        let refused = match self.file.read_at(&mut Aligned::zeroed(unit), 0) {
            Err(error) => error.raw_os_error() == Some(Errno::INVAL.raw_os_error()),
            Ok(_) => false,
        };
        if whole_units && !refused {
            return Ok(Some(unit));
        }
        self.file = open_with(path, access, OFlags::empty())?;
        Ok(None)
    }

    fn check(&self, op: Op, offset: u64, len: usize) -> Result<(), Error> {
        match offset.checked_add(len as u64) {
            Some(end) if end <= self.len() => Ok(()),
            Some(_) if op == Op::Write && self.grows => Ok(()),
            _ => Err(Error::past_end(op, offset)),
        }
    }

    /// Whether these bytes can go to the kernel as they are.
    fn fits(&self, offset: u64, bytes: &[u8]) -> bool {
        self.direct.is_none_or(|unit| {
            offset.is_multiple_of(unit as u64)
                && bytes.len().is_multiple_of(unit)
                && bytes.as_ptr().addr().is_multiple_of(unit)
        })
    }

    fn read_all(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < buf.len() {
            let at = offset + done as u64;
            match self.file.read_at(&mut buf[done..], self.start + at) {
                Ok(count) => done += self.progress(Op::Read, at, count)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::at(Op::Read, at, error)),
            }
        }
        Ok(())
    }

    fn write_all(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            match self.file.write_at(&data[done..], self.start + at) {
                Ok(count) => done += self.progress(Op::Write, at, count)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::at(Op::Write, at, error)),
            }
        }
        self.len.fetch_max(if self.grows { offset + data.len() as u64 } else { 0 }, Ordering::Relaxed);
        Ok(())
    }

    /// Whole units of what one call did, so that the next one begins aligned.
    fn progress(&self, op: Op, at: u64, count: usize) -> Result<usize, Error> {
        let whole = count - count % self.direct.unwrap_or(1);
        if whole > 0 { Ok(whole) } else { Err(Error::past_end(op, at)) }
    }

    /// Calls `each` with pieces that, widened to whole units, fit the bounce buffer: offset of the widened
    /// piece, its buffer, and where the wanted bytes lie in it and in the caller's memory.
    fn pieces(
        &self,
        offset: u64,
        len: usize,
        mut each: impl FnMut(Piece<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let unit = self.direct.unwrap_or(1);
        let mut bounce = Aligned::zeroed((len + 2 * unit).min(BOUNCE).next_multiple_of(unit));
        let mut done = 0;
        while done < len {
            let at = offset + done as u64;
            let head = (at % unit as u64) as usize;
            let count = (len - done).min(BOUNCE - unit - head);
            let buffer = &mut bounce[..(head + count).next_multiple_of(unit)];
            each(Piece { at: at - head as u64, buffer, head, done, count })?;
            done += count;
        }
        Ok(())
    }
}

struct Piece<'a> {
    at: u64,
    buffer: &'a mut [u8],
    head: usize,
    done: usize,
    count: usize,
}

fn open_with(path: &Path, access: Access, more: OFlags) -> Result<File, Errno> {
    let flags = match access {
        Access::Read | Access::Look => OFlags::RDONLY,
        Access::Shared | Access::Beneath => OFlags::RDWR,
        Access::Exclusive => OFlags::RDWR | OFlags::EXCL,
    };
    openat(CWD, path, flags | more | OFlags::CLOEXEC, Mode::empty()).map(File::from)
}

impl Medium for FileMedium {
    fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }

    fn sector_size(&self) -> u32 {
        self.sector
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.check(Op::Read, offset, buf.len())?;
        if self.fits(offset, buf) {
            return self.read_all(offset, buf);
        }
        self.pieces(offset, buf.len(), |piece| {
            self.read_all(piece.at, piece.buffer)?;
            buf[piece.done..][..piece.count].copy_from_slice(&piece.buffer[piece.head..][..piece.count]);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.check(Op::Write, offset, data.len())?;
        if self.fits(offset, data) {
            return self.write_all(offset, data);
        }
        let unit = self.direct.unwrap_or(1);
        self.pieces(offset, data.len(), |piece| {
            let (last, end) = (piece.buffer.len() - unit, piece.head + piece.count);
            if piece.head > 0 {
                self.read_all(piece.at, &mut piece.buffer[..unit])?;
            }
            if end < piece.buffer.len() && (last > 0 || piece.head == 0) {
                self.read_all(piece.at + last as u64, &mut piece.buffer[last..])?;
            }
            piece.buffer[piece.head..end].copy_from_slice(&data[piece.done..][..piece.count]);
            self.write_all(piece.at, piece.buffer)
        })
    }

    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), Error> {
        let Some(end) = offset.checked_add(len).filter(|end| *end <= self.len()) else {
            return Err(Error::past_end(Op::Write, offset));
        };
        // The kernel zeroes whole units; the edges are ordinary writes.
        let unit = self.direct.unwrap_or(PAGE) as u64;
        let (first, last) = (offset.next_multiple_of(unit).min(end), end - end % unit);
        let middle = last.checked_sub(first).and_then(NonZeroU64::new);
        let Some(middle) = middle.filter(|_| !self.sends_zeroes) else {
            return self.write_zero_bytes(offset, end);
        };
        self.write_zero_bytes(offset, first)?;
        let (start, middle) = (self.start + first, middle.get());
        let zeroed = match self.block {
            true => ioctl::zero_out(&self.file, start, middle),
            false => {
                fallocate(&self.file, FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE, start, middle)
                    .map_err(io::Error::from)
            }
        };
        match zeroed {
            Ok(()) => {}
            Err(error) if cannot(&error) => self.write_zero_bytes(first, last)?,
            Err(error) => return Err(Error::at(Op::Write, first, error)),
        }
        self.write_zero_bytes(last, end)
    }

    fn sync(&self) -> Result<(), Error> {
        let whole = |error: Errno| Error { op: Op::Sync, place: FailedAt::Whole, source: error.into() };
        fdatasync(&self.file).map_err(whole)?;
        if self.direct.is_none() {
            // Clean pages are dropped, so that what is read next is what the medium holds.
            let _ = fadvise(&self.file, self.start, NonZeroU64::new(self.len()), Advice::DontNeed);
        }
        Ok(())
    }
}

/// Whether it is an MMC card, soldered on or not, or a partition of one: by its major number, which partitions behind
/// the last minor do not have, or by the name that all of them have.
fn is_mmc(path: &Path, rdev: u64) -> bool {
    // <linux/major.h>
    const MMC_BLOCK_MAJOR: u32 = 179;
    let name = path.file_name().unwrap_or_default();
    rustix::fs::major(rdev) == MMC_BLOCK_MAJOR || name.as_bytes().starts_with(b"mmcblk")
}

/// The device or file system does not know the request (its words for it differ).
fn cannot(error: &io::Error) -> bool {
    let known = [Errno::OPNOTSUPP, Errno::NOTTY, Errno::INVAL, Errno::NOSYS];
    known.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl FileMedium {
    fn write_zero_bytes(&self, from: u64, to: u64) -> Result<(), Error> {
        let zeroes = Aligned::zeroed((to - from).min(BOUNCE as u64) as usize);
        let mut at = from;
        while at < to {
            let count = (to - at).min(BOUNCE as u64) as usize;
            self.write_at(at, &zeroes[..count])?;
            at += count as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "file_medium_tests.rs"]
mod tests;
