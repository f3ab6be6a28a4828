//! The image as independent zstd frames of a fixed number of blocks, with the seek table of the zstd seekable
//! format, version 0.1.0 (zstd's `contrib/seekable_format/zstd_seekable_compression_format.md`).

use super::Error;
use super::archive::Member;
use crate::medium::Medium;
use crate::worker_pool::Threads;
use everboot_core::manifest::PartImage;
use everboot_core::slot::BLOCK;
use std::ops::Range;
use zstd_safe::DCtx;

/// The most frames in a bundle: 1 TiB in frames of 4 MiB. It bounds the table in memory to 2 MiB.
pub const FRAMES_MAX: u64 = 1 << 18;

pub(super) const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
pub(super) const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
const FRAME_MAGIC: u32 = 0xFD2F_B528;
pub(super) const TABLE_HEADER: u64 = 8;
pub(super) const TABLE_FOOTER: u64 = 9;
pub(super) const TABLE_ENTRY: u64 = 8;
/// Table entries that are read at once.
const STEP: u64 = 4096;
/// Bytes that all threads together may take.
const MEMORY: usize = 16 << 20;

/// Where each frame is, and how many bytes it unpacks to.
#[derive(Debug)]
pub struct Frames {
    start: u64,
    /// Byte offset of each frame's end, counted from `start`.
    ends: Vec<u64>,
    frame_len: u64,
    image_len: u64,
}

impl Frames {
    /// Reads the table at the end of the member and checks all its numbers: each frame unpacks to exactly its
    /// blocks, is no longer than zstd can make it, and all together fill the member.
    pub(super) fn read(medium: &impl Medium, member: Member, image: &PartImage) -> Result<Self, Error> {
        let frames = image.frames();
        if frames > FRAMES_MAX {
            return Err(Error::Number { what: "frames, at most", expected: FRAMES_MAX, found: frames });
        }
        let table_len = TABLE_HEADER + frames * TABLE_ENTRY + TABLE_FOOTER;
        let Some(data_len) = member.len.checked_sub(table_len) else {
            return Err(Error::Number {
                what: "bytes of the frames",
                expected: table_len,
                found: member.len,
            });
        };
        let table = member.start + data_len;
        check_table_frame(medium, table, frames)?;
        let frame_len = u64::from(image.frame_blocks) * BLOCK as u64;
        let mut all = Self { start: member.start, ends: Vec::new(), frame_len, image_len: image.size };
        all.ends.reserve_exact(frames as usize);
        let mut entries = vec![0; (STEP.min(frames) * TABLE_ENTRY) as usize];
        for first in (0..frames).step_by(STEP as usize) {
            let count = STEP.min(frames - first);
            let entries = &mut entries[..(count * TABLE_ENTRY) as usize];
            medium.read_at(table + TABLE_HEADER + first * TABLE_ENTRY, entries)?;
            for (frame, entry) in (first..).zip(entries.chunks_exact(TABLE_ENTRY as usize)) {
                all.enter(frame, number(entry, 0).into(), number(entry, 4).into())?;
            }
        }
        match all.ends.last() {
            Some(&end) if end == data_len => Ok(all),
            last => {
                let found = last.copied().unwrap_or(0);
                Err(Error::Number { what: "sum of the seek table", expected: data_len, found })
            }
        }
    }

    fn enter(&mut self, frame: u64, packed: u64, unpacked: u64) -> Result<(), Error> {
        let expected = self.content_len(frame);
        if unpacked != expected as u64 {
            return Err(Error::Number {
                what: "unpacked size of a frame",
                expected: expected as u64,
                found: unpacked,
            });
        }
        let bound = zstd_safe::compress_bound(expected) as u64;
        if packed > bound {
            return Err(Error::Number {
                what: "packed size of a frame, at most",
                expected: bound,
                found: packed,
            });
        }
        // At most 2^18 frames of at most 2^32 bytes: no overflow.
        self.ends.push(self.ends.last().unwrap_or(&0) + packed);
        Ok(())
    }

    /// Bytes of the archive member: all packed frames and the table.
    pub fn member_len(&self) -> u64 {
        self.ends.last().unwrap_or(&0) + TABLE_HEADER + self.count() * TABLE_ENTRY + TABLE_FOOTER
    }

    /// How many frames there are.
    pub fn count(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The most bytes that a packed frame has.
    fn packed_most(&self) -> usize {
        let frames = 0..self.count();
        frames.filter_map(|frame| self.place(frame)).map(|(_, len)| len).max().unwrap_or(0)
    }

    /// Those of the threads that may work on frames at once, each with room for a packed frame and twice its
    /// content, in bounded memory.
    pub fn threads(&self, threads: Threads) -> Threads {
        let each = self.packed_most() + 2 * self.frame_len as usize + (256 << 10);
        threads.at_most(MEMORY / each)
    }

    /// The first block of frame number `frame`.
    pub fn first(&self, frame: u64) -> u64 {
        frame.saturating_mul(self.frame_len) / BLOCK as u64
    }

    /// Blocks of frame number `frame`.
    pub fn blocks(&self, frame: u64) -> Range<u64> {
        self.first(frame)..self.first(frame) + (self.content_len(frame) / BLOCK) as u64
    }

    /// Bytes that frame number `frame` unpacks to; 0 when there is no such frame.
    pub fn content_len(&self, frame: u64) -> usize {
        let first = frame.saturating_mul(self.frame_len);
        self.frame_len.min(self.image_len.saturating_sub(first)) as usize
    }

    /// Byte offset in the bundle, and packed size, of frame number `frame`.
    pub fn place(&self, frame: u64) -> Option<(u64, usize)> {
        let end = *self.ends.get(usize::try_from(frame).ok()?)?;
        let before = frame.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        Some((self.start + before, (end - before) as usize))
    }
}

fn check_table_frame(medium: &impl Medium, table: u64, frames: u64) -> Result<(), Error> {
    let (mut header, mut footer) = ([0; TABLE_HEADER as usize], [0; TABLE_FOOTER as usize]);
    let entries = frames * TABLE_ENTRY;
    medium.read_at(table + TABLE_HEADER + entries, &mut footer)?;
    let rows = [
        ("magic number of the seek table's end", SEEKABLE_MAGIC, number(&footer, 5)),
        ("frames in the seek table", frames as u32, number(&footer, 0)),
    ];
    for (what, expected, found) in rows {
        if found != expected {
            return Err(Error::Number { what, expected: expected.into(), found: found.into() });
        }
    }
    if footer[4] != 0 {
        return Err(Error::Unsupported { what: "a seek table with checksums or other features" });
    }
    medium.read_at(table, &mut header)?;
    let rows = [
        ("magic number of the seek table", SKIPPABLE_MAGIC, number(&header, 0)),
        ("bytes of the seek table", (entries + TABLE_FOOTER) as u32, number(&header, 4)),
    ];
    for (what, expected, found) in rows {
        if found != expected {
            return Err(Error::Number { what, expected: expected.into(), found: found.into() });
        }
    }
    Ok(())
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Unpacks frames. Each thread that unpacks has one.
#[derive(Default)]
pub struct Decoder(Option<DCtx<'static>>);

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    /// Unpacks frame number `frame`, which must be one zstd frame of exactly as many bytes of content as `out` has,
    /// and ask for no window larger than that and what it was packed against (or zstd's least, 1 KiB). Nothing
    /// vouches for the content yet. From the first frame on it keeps about 160 KiB.
    ///
    /// # Panics
    /// When there is no memory for that.
    pub fn decode(&mut self, frame: u64, packed: &[u8], prefix: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let len = out.len();
        let damaged = |what| Error::Frame { frame, what };
        let window = window(packed).ok_or(damaged("expected a zstd frame"))?;
        if window > ((len + prefix.len()) as u64).next_power_of_two().max(1 << 10) {
            return Err(damaged("it asks for a window larger than a frame"));
        }
        let context = self.0.get_or_insert_with(DCtx::create);
        let found = context.decompress_using_dict(out, packed, prefix);
        match found.map_err(zstd_safe::get_error_name) {
            Ok(found) if found == len => Ok(()),
            Ok(_) => Err(damaged("it unpacks to fewer bytes than its blocks have")),
            Err(what) => Err(damaged(what)),
        }
    }
}

/// The window that a frame's header asks for, in bytes (RFC 8878, section 3.1.1.1).
fn window(packed: &[u8]) -> Option<u64> {
    let (magic, header) = packed.split_first_chunk()?;
    let (descriptor, header) = header.split_first()?;
    if u32::from_le_bytes(*magic) != FRAME_MAGIC {
        return None;
    }
    if descriptor & 0x20 != 0 {
        // A single segment: the window is the content, whose size zstd compares with the room for it.
        return Some(0);
    }
    let byte = u64::from(*header.first()?);
    let base = 1u64 << (10 + (byte >> 3));
    Some(base + base / 8 * (byte & 7))
}
