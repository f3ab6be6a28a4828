//! The members of an uncompressed tar (POSIX ustar, or as GNU tar writes it), by position.

use super::Error;
use crate::medium::{Medium, Stream};
use embedded_io::{Read, ReadExactError};
use everboot_core::quoted::Escaped;

/// Bytes of a header, and what contents are padded to.
pub(super) const UNIT: u64 = 512;

/// The most members that are passed over, and the longest of them, in bytes.
const MOST_UNKNOWN: u32 = 16;
const LONGEST_UNKNOWN: u64 = 1 << 20;

/// Where a member's content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// Byte offset of its content in the archive.
    pub(super) start: u64,
    /// Bytes of its content; all of them lie within the medium.
    pub(super) len: u64,
}

impl Member {
    /// Reads the header at byte `at`, which must be the one of the plain file `name`.
    pub(super) fn read(medium: &impl Medium, at: u64, name: &str) -> Result<Self, Error> {
        let (found, member) = Self::any(medium, at, name)?;
        if found != name.as_bytes() {
            return Err(Error::Member { expected: name.to_owned(), found: shown(&found) });
        }
        Ok(member)
    }

    /// Passes over the members from byte `at` on, which are behind all that are known, and returns where they end. A
    /// newer everboot may find something in them.
    pub(super) fn pass_over(medium: &impl Medium, mut at: u64) -> u64 {
        for _ in 0..MOST_UNKNOWN {
            match Self::any(medium, at, "") {
                Ok((_, member)) if member.len <= LONGEST_UNKNOWN => at = member.next(),
                _ => break,
            }
        }
        at
    }

    /// Reads the header at byte `at`, of a plain file, and the file's name. `expected` is for the error.
    fn any(medium: &impl Medium, at: u64, expected: &str) -> Result<(Vec<u8>, Self), Error> {
        let start = at.saturating_add(UNIT);
        ends_within(medium, start)?;
        let mut header = [0; UNIT as usize];
        read(medium, at, &mut header)?;
        let damaged = |what| Error::Header { at, what };
        if header == [0; UNIT as usize] {
            return Err(Error::Member {
                expected: expected.to_owned(),
                found: "the archive's end; is it a bundle?".to_owned(),
            });
        }
        if &header[257..262] != b"ustar" {
            return Err(damaged("expected a tar header; is it a bundle?"));
        }
        if octal(&header[148..156]) != Some(checksum(&header)) {
            return Err(damaged("wrong checksum"));
        }
        let stored = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        if header[345] != 0 {
            return Err(Error::Member { expected: expected.to_owned(), found: shown(stored) });
        }
        if !matches!(header[156], b'0' | 0) {
            return Err(damaged("expected a plain file"));
        }
        let len = size(&header[124..136]).ok_or(damaged("no size"))?;
        ends_within(medium, start.saturating_add(len))?;
        Ok((stored.to_vec(), Self { start, len }))
    }

    /// Byte offset of the next header. The member's end lies within the medium, so this is far from overflow.
    pub(super) fn next(&self) -> u64 {
        (self.start + self.len).div_ceil(UNIT).saturating_mul(UNIT)
    }

    /// All its content; the caller has bounded its length.
    pub(super) fn content(&self, medium: &impl Medium) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; self.len as usize];
        read(medium, self.start, &mut bytes)?;
        Ok(bytes)
    }
}

fn shown(name: &[u8]) -> String {
    Escaped(&String::from_utf8_lossy(name)).to_string()
}

fn read(medium: &impl Medium, at: u64, buf: &mut [u8]) -> Result<(), Error> {
    match Stream::at(medium, at).read_exact(buf) {
        Ok(()) => Ok(()),
        Err(ReadExactError::Other(error)) => Err(Error::Medium(error)),
        Err(ReadExactError::UnexpectedEof) => ends_within(medium, at.saturating_add(buf.len() as u64)),
    }
}

/// A bundle that is too short is corrupt; it must not look like a medium that fails.
fn ends_within(medium: &impl Medium, end: u64) -> Result<(), Error> {
    if end > medium.len() {
        return Err(Error::Number {
            what: "the bundle is cut short; its bytes",
            expected: end,
            found: medium.len(),
        });
    }
    Ok(())
}

/// The sum of the header's bytes, its own field counted as spaces.
fn checksum(header: &[u8; UNIT as usize]) -> u64 {
    let bytes = header.iter().enumerate();
    bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum()
}

/// A size: octal digits, or for what they cannot express GNU's base 256.
fn size(field: &[u8]) -> Option<u64> {
    match field.split_first()? {
        (0x80, number) => {
            let (high, low) = number.split_at(number.len() - 8);
            let is_small = high.iter().all(|byte| *byte == 0);
            is_small.then(|| low.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
        }
        _ => octal(field),
    }
}

/// Octal digits up to a NUL or space.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.split(|byte| matches!(byte, 0 | b' ')).next()?;
    if digits.is_empty() {
        return None;
    }
    let next = |value: u64, byte: &u8| {
        let digit = char::from(*byte).to_digit(8)?;
        value.checked_mul(8)?.checked_add(digit.into())
    };
    digits.iter().try_fold(0, next)
}
