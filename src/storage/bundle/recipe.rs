//! How a delta describes some blocks of an image: by blocks that are all zeroes, blocks that other images have, and new
//! ones.

use super::Error;
use std::ops::Range;

/// The most other images that a delta names.
pub const SOURCES_MAX: usize = 8;
/// The most blocks in a group.
pub const GROUP_BLOCKS: u32 = 4096;
/// The most new blocks in a group.
pub const GROUP_NEW: usize = 512;
/// The most blocks of other images that the new blocks of a group are packed against.
pub const GROUP_PREFIX: usize = 768;

/// Kinds of runs, in the two low bits of a run's first number.
pub(super) const ZERO: u64 = 0;
pub(super) const NEW: u64 = 1;
#[cfg(feature = "write")]
pub(super) const COPY: u64 = 2;
/// A copy from another source than the one before.
pub(super) const COPY_FROM: u64 = 3;

/// Neighbouring blocks of another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Which image, by its place in the delta's list.
    pub source: usize,
    /// The first of them.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// Where neighbouring blocks of the image come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// They are zeroes.
    Zero(u64),
    /// They are the next of the group's new blocks.
    New(u64),
    /// Another image has them.
    Copy(Piece),
}

impl Run {
    /// How many blocks.
    pub fn count(&self) -> u64 {
        match self {
            Self::Zero(count) | Self::New(count) => *count,
            Self::Copy(piece) => piece.count,
        }
    }
}

/// Some neighbouring blocks of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its place in the delta.
    pub number: u64,
    /// Which blocks.
    pub blocks: Range<u64>,
    /// Where they come from, in order.
    pub runs: Vec<Run>,
    /// What the new blocks are packed against.
    pub prefix: Vec<Piece>,
}

/// Numbers in seven bits a byte, the lowest first; the eighth bit says that more follow.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The place that lies this distance from `end`; the lowest bit is the sign.
    fn place(&mut self, end: u64) -> Option<u64> {
        let number = self.next()?;
        let distance = number >> 1;
        if number & 1 == 0 { end.checked_add(distance) } else { end.checked_sub(distance) }
    }
}

/// What the pieces of a group are made from.
#[derive(Default)]
struct Cursor {
    source: usize,
    end: u64,
}

impl Cursor {
    fn piece(
        &mut self,
        numbers: &mut Numbers<'_>,
        count: u64,
        sources: &[u64],
        other: bool,
    ) -> Option<Piece> {
        if other {
            (self.source, self.end) = (usize::try_from(numbers.next()?).ok()?, 0);
        }
        let first = numbers.place(self.end)?;
        self.end = first.checked_add(count)?;
        (self.end <= *sources.get(self.source)?).then_some(Piece { source: self.source, first, count })
    }
}

impl Group {
    /// Reads the recipe of these blocks. `sources` has the number of blocks of each other image.
    pub(super) fn parse(
        number: u64,
        blocks: Range<u64>,
        bytes: &[u8],
        sources: &[u64],
    ) -> Result<Self, Error> {
        let mut group = Self { number, blocks, runs: Vec::new(), prefix: Vec::new() };
        group.read(bytes, sources).ok_or(Error::Recipe { group: number })?;
        Ok(group)
    }

    fn read(&mut self, bytes: &[u8], sources: &[u64]) -> Option<()> {
        let (mut numbers, mut cursor) = (Numbers(bytes), Cursor::default());
        let mut left = self.blocks.end - self.blocks.start;
        while left > 0 {
            let word = numbers.next()?;
            let (kind, count) = (word & 3, word >> 2);
            left = left.checked_sub(count).filter(|_| count > 0)?;
            self.runs.push(match kind {
                ZERO => Run::Zero(count),
                NEW => Run::New(count),
                kind => Run::Copy(cursor.piece(&mut numbers, count, sources, kind == COPY_FROM)?),
            });
        }
        cursor = Cursor::default();
        let mut prefix = 0;
        while !numbers.0.is_empty() {
            let word = numbers.next()?;
            let count = word >> 1;
            prefix = u64::checked_add(prefix, count).filter(|_| count > 0)?;
            self.prefix.push(cursor.piece(&mut numbers, count, sources, word & 1 == 1)?);
        }
        (self.new_blocks() <= GROUP_NEW && prefix <= GROUP_PREFIX as u64).then_some(())
    }

    /// How many of its blocks are new.
    pub fn new_blocks(&self) -> usize {
        let new = self.runs.iter().filter(|run| matches!(run, Run::New(_)));
        new.map(|run| run.count() as usize).sum()
    }
}

#[cfg(feature = "write")]
mod write {
    use super::*;

    fn put(bytes: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }

    impl Cursor {
        fn is_other(&self, piece: &Piece) -> bool {
            self.source != piece.source
        }

        fn put(&mut self, bytes: &mut Vec<u8>, piece: &Piece) {
            if self.is_other(piece) {
                put(bytes, piece.source as u64);
                (self.source, self.end) = (piece.source, 0);
            }
            let is_behind = piece.first >= self.end;
            put(bytes, piece.first.abs_diff(self.end) << 1 | u64::from(!is_behind));
            self.end = piece.first + piece.count;
        }
    }

    impl Group {
        /// The bytes that tell it.
        pub fn encode(&self) -> Vec<u8> {
            let (mut bytes, mut cursor) = (Vec::new(), Cursor::default());
            for run in &self.runs {
                let kind = match run {
                    Run::Zero(_) => ZERO,
                    Run::New(_) => NEW,
                    Run::Copy(piece) if cursor.is_other(piece) => COPY_FROM,
                    Run::Copy(_) => COPY,
                };
                put(&mut bytes, run.count() << 2 | kind);
                if let Run::Copy(piece) = run {
                    cursor.put(&mut bytes, piece);
                }
            }
            cursor = Cursor::default();
            for piece in &self.prefix {
                put(&mut bytes, piece.count << 1 | u64::from(cursor.is_other(piece)));
                cursor.put(&mut bytes, piece);
            }
            bytes
        }
    }
}

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;

    fn group() -> Group {
        let piece = |source, first, count| Piece { source, first, count };
        Group {
            number: 0,
            blocks: 7..27,
            runs: vec![
                Run::Copy(piece(0, 5, 3)),
                Run::Zero(2),
                Run::New(4),
                Run::Copy(piece(0, 2, 3)),
                Run::Copy(piece(1, 900, 7)),
                Run::New(1),
            ],
            prefix: vec![piece(1, 0, 300), piece(0, 40, 1)],
        }
    }

    const SOURCES: &[u64] = &[41, 1000];

    #[test]
    fn what_was_written_is_read() {
        let bytes = group().encode();
        assert_eq!(Group::parse(0, 7..27, &bytes, SOURCES).unwrap(), group());
        assert_eq!(bytes.len(), 11 + 7);
    }

    #[test]
    fn what_is_cut_or_names_what_is_not_there_is_refused() {
        let bytes = group().encode();
        let runs = bytes.len() - 7;
        for len in 0..bytes.len() {
            let is_whole = Group::parse(0, 7..27, &bytes[..len], SOURCES).is_ok();
            // The list of what the new blocks are packed against may end after each piece.
            assert!(!is_whole || len >= runs, "{len}");
        }
        assert!(Group::parse(0, 7..26, &bytes, SOURCES).is_err());
        assert!(Group::parse(0, 7..28, &bytes, SOURCES).is_err());
        assert!(Group::parse(0, 7..27, &bytes, &[40, 1000]).is_err());
        assert!(Group::parse(0, 7..27, &bytes, &[41, 906]).is_err());
        assert!(Group::parse(0, 7..27, &bytes, &[41]).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        let mut random = 1u64;
        for len in 0..2000 {
            let bytes: Vec<u8> = (0..len % 97)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (random >> 56) as u8
                })
                .collect();
            let _ = Group::parse(0, 0..len % 50, &bytes, SOURCES);
        }
    }
}
