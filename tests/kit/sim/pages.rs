//! Bytes in pages of 4096 that are shared until they are written: a copy of a disk costs nothing.

use std::sync::{Arc, OnceLock};

/// Size of a page in bytes.
pub const PAGE: usize = 4096;

/// Bytes of a medium.
#[derive(Debug, Clone)]
pub struct Pages {
    len: usize,
    pages: Arc<Vec<Arc<Page>>>,
}

#[derive(Debug)]
struct Page {
    bytes: [u8; PAGE],
    hash: OnceLock<u64>,
}

impl Page {
    /// The same page with other bytes at some place.
    fn with(&self, at: usize, bytes: &[u8]) -> Self {
        let mut page = Self { bytes: self.bytes, hash: OnceLock::new() };
        page.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        page
    }
}

fn zeroes() -> Arc<Page> {
    static ZEROES: OnceLock<Arc<Page>> = OnceLock::new();
    ZEROES.get_or_init(|| Arc::new(Page { bytes: [0; PAGE], hash: OnceLock::new() })).clone()
}

/// A quick hash of good spread, for telling states apart; nobody attacks it.
pub fn mix(seed: u64, word: u64) -> u64 {
    let mixed = (seed ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(23)
}

/// Words that are hashed side by side, as a processor can mix several at once.
const LANES: usize = 4;

/// The hash of some bytes.
pub fn hash_of(bytes: &[u8]) -> u64 {
    let mut lanes: [u64; LANES] = [1, 2, 3, 4];
    let mut rows = bytes.chunks_exact(8 * LANES);
    for row in rows.by_ref() {
        for (lane, word) in lanes.iter_mut().zip(row.chunks_exact(8)) {
            let mut number = [0; 8];
            number.copy_from_slice(word);
            *lane = mix(*lane, u64::from_le_bytes(number));
        }
    }
    let hash = lanes.into_iter().fold(bytes.len() as u64, mix);
    rows.remainder().iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

impl Pages {
    /// So many zeroes.
    pub fn zeroed(len: usize) -> Self {
        Self { len, pages: Arc::new(vec![zeroes(); len.div_ceil(PAGE)]) }
    }

    /// These bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut pages = Self::zeroed(bytes.len());
        pages.write(0, bytes);
        pages
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Fills `buf`; `false` when that reaches past the end.
    pub fn read(&self, at: usize, buf: &mut [u8]) -> bool {
        if at + buf.len() > self.len {
            return false;
        }
        let mut done = 0;
        while done < buf.len() {
            let (page, from) = ((at + done) / PAGE, (at + done) % PAGE);
            let count = (PAGE - from).min(buf.len() - done);
            buf[done..done + count].copy_from_slice(&self.pages[page].bytes[from..from + count]);
            done += count;
        }
        true
    }

    /// Writes; grows where that reaches past the end.
    pub fn write(&mut self, at: usize, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let pages = Arc::make_mut(&mut self.pages);
        if at + data.len() > self.len {
            self.len = at + data.len();
            pages.resize(self.len.div_ceil(PAGE), zeroes());
        }
        let mut done = 0;
        while done < data.len() {
            let (page, from) = ((at + done) / PAGE, (at + done) % PAGE);
            let count = (PAGE - from).min(data.len() - done);
            pages[page] = match data[done..].first_chunk() {
                Some(bytes) if from == 0 => Arc::new(Page { bytes: *bytes, hash: OnceLock::new() }),
                _ => Arc::new(pages[page].with(from, &data[done..done + count])),
            };
            done += count;
        }
    }

    /// All bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.read(0, &mut bytes);
        bytes
    }

    /// How many pages there are.
    pub fn count(&self) -> usize {
        self.pages.len()
    }

    /// The hash of a page.
    pub fn hash_of_page(&self, page: usize) -> u64 {
        let page = &self.pages[page];
        *page.hash.get_or_init(|| hash_of(&page.bytes))
    }

    /// The bytes of a page.
    pub fn page(&self, page: usize) -> &[u8; PAGE] {
        &self.pages[page].bytes
    }

    /// Whether some pages are the same bytes in both.
    pub fn equal_in(&self, other: &Self, mut range: std::ops::Range<usize>) -> bool {
        range.all(|page| {
            Arc::ptr_eq(&self.pages[page], &other.pages[page])
                || self.pages[page].bytes == other.pages[page].bytes
        })
    }

    /// The hash of all of it.
    pub fn hash(&self) -> u64 {
        (0..self.count()).fold(self.len as u64, |hash, page| mix(hash, self.hash_of_page(page)))
    }
}

#[test]
fn pages_hold_what_was_written_and_copies_are_apart() {
    let mut pages = Pages::zeroed(10_000);
    let copy = pages.clone();
    pages.write(4090, b"0123456789");
    let mut read = [0; 12];
    assert!(pages.read(4089, &mut read));
    assert_eq!(&read, b"\x000123456789\0");
    assert!(copy.to_vec().iter().all(|byte| *byte == 0));
    assert!(!pages.read(9_990, &mut read));
    assert!(!pages.equal_in(&copy, 0..3) && pages.equal_in(&copy, 2..3));
    assert_ne!(pages.hash(), copy.hash());
    pages.write(4090, &[0; 10]);
    assert_eq!(pages.hash(), copy.hash());
}
