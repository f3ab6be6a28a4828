//! Where image, tree and trailer lie in a part.

use everboot_core::slot::BLOCK;
use everboot_core::tree::Geometry;
use std::fmt;

/// Size of the trailer in bytes.
pub const TRAILER_LEN: u64 = 16 * BLOCK as u64;

/// Byte positions in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the image; the tree begins here.
    pub image_len: u64,
    /// The tree.
    pub tree: Geometry,
    /// Size of the tree, superblock included.
    pub tree_len: u64,
    /// Where the trailer begins.
    pub trailer: u64,
}

/// Image, tree and trailer are larger than the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit {
    /// Bytes that are needed; `u64::MAX` when no part could be that large.
    pub needed: u64,
    /// Bytes that there are.
    pub found: u64,
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, found } = self;
        write!(f, "image, tree and trailer do not fit: they need {needed} bytes, and the slot has {found}")
    }
}

impl std::error::Error for DoesNotFit {}

/// Where the trailer of a part of `part_len` bytes begins, if it is large enough to have one.
pub(super) fn trailer_start(part_len: u64) -> Option<u64> {
    (part_len / BLOCK as u64 * BLOCK as u64).checked_sub(TRAILER_LEN)
}

impl Layout {
    /// The layout of an image of `image_len` bytes in a part of `part_len` bytes.
    pub fn new(part_len: u64, image_len: u64) -> Result<Self, DoesNotFit> {
        let tree = Geometry::new(image_len / BLOCK as u64);
        let tree_len = tree.map(|tree| tree.len_bytes());
        let needed = tree_len
            .and_then(|tree| image_len.checked_add(tree))
            .and_then(|end| end.checked_add(TRAILER_LEN));
        let refused = DoesNotFit { needed: needed.unwrap_or(u64::MAX), found: part_len };
        let (Some(tree), Some(tree_len), Some(needed), Some(trailer)) =
            (tree, tree_len, needed, trailer_start(part_len))
        else {
            return Err(refused);
        };
        if needed - TRAILER_LEN > trailer {
            return Err(refused);
        }
        Ok(Self { image_len, tree, tree_len, trailer })
    }

    /// Blocks of the image.
    pub fn blocks(&self) -> u64 {
        self.image_len / BLOCK as u64
    }
}
