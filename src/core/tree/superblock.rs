//! The superblock of a tree: the first 4096 bytes, as cryptsetup's `lib/verity/verity.c` has it.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | `verity\0\0` |
//! | 8..12 | version, 1 |
//! | 12..16 | hash type, 1 |
//! | 16..32 | UUID |
//! | 32..64 | `sha256`, padded with zeroes |
//! | 64..68 | data block size, 4096 |
//! | 68..72 | hash block size, 4096 |
//! | 72..80 | data blocks |
//! | 80..82 | salt size |
//! | 88..344 | salt, padded with zeroes |
//!
//! Integers are little-endian; all other bytes are zero. The root hash covers none of it: what is read here
//! is a hint, to be compared with what was signed.

use super::TreeBlock;
use crate::slot::{BLOCK, RootHash, Uuid};
use alloc::vec::Vec;
use core::fmt;

/// The longest salt that dm-verity's superblock can hold, in bytes.
pub const SALT_MAX: usize = 256;

const SIGNATURE: &[u8; 8] = b"verity\0\0";
const ALGORITHM: &[u8; 32] = b"sha256\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// UUID of the verity device.
    pub uuid: Uuid,
    /// Data blocks of the image.
    pub blocks: u64,
    /// The salt, at most [`SALT_MAX`] bytes.
    pub salt: Vec<u8>,
}

/// Why bytes are no superblock that everboot can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuperblockError {
    /// There is none.
    Missing,
    /// It asks for something else than SHA-256, hash type 1 and 4096-byte blocks.
    Unsupported,
    /// Its salt is longer than [`SALT_MAX`].
    Salt {
        /// The length that it gives, in bytes.
        found: u16,
    },
}

impl Superblock {
    /// The superblock of a tree made by everboot. Its UUID is the first 16 bytes of the root hash, marked as
    /// version 8 (RFC 9562): the same image always has the same bytes.
    ///
    /// # Panics
    /// When the salt is longer than [`SALT_MAX`].
    pub fn new(root: RootHash, blocks: u64, salt: &[u8]) -> Self {
        assert!(salt.len() <= SALT_MAX, "a salt of at most {SALT_MAX} bytes");
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&root.0[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        Self { uuid: Uuid(uuid), blocks, salt: salt.to_vec() }
    }

    /// Its bytes.
    pub fn encode(&self) -> TreeBlock {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(SIGNATURE);
        block[8..12].copy_from_slice(&1u32.to_le_bytes());
        block[12..16].copy_from_slice(&1u32.to_le_bytes());
        block[16..32].copy_from_slice(&self.uuid.0);
        block[32..64].copy_from_slice(ALGORITHM);
        block[64..68].copy_from_slice(&(BLOCK as u32).to_le_bytes());
        block[68..72].copy_from_slice(&(BLOCK as u32).to_le_bytes());
        block[72..80].copy_from_slice(&self.blocks.to_le_bytes());
        block[80..82].copy_from_slice(&(self.salt.len() as u16).to_le_bytes());
        block[88..88 + self.salt.len()].copy_from_slice(&self.salt);
        block
    }

    /// Reads the bytes of a superblock.
    pub fn decode(block: &TreeBlock) -> Result<Self, SuperblockError> {
        if &block[..8] != SIGNATURE {
            return Err(SuperblockError::Missing);
        }
        let model = Self { uuid: Uuid([0; 16]), blocks: 0, salt: Vec::new() }.encode();
        if block[8..16] != model[8..16] || block[32..72] != model[32..72] {
            return Err(SuperblockError::Unsupported);
        }
        let found = u16::from_le_bytes([block[80], block[81]]);
        let salt =
            block[88..88 + SALT_MAX].get(..usize::from(found)).ok_or(SuperblockError::Salt { found })?;
        let (mut uuid, mut blocks) = ([0; 16], [0; 8]);
        uuid.copy_from_slice(&block[16..32]);
        blocks.copy_from_slice(&block[72..80]);
        Ok(Self { uuid: Uuid(uuid), blocks: u64::from_le_bytes(blocks), salt: salt.to_vec() })
    }
}

impl fmt::Display for SuperblockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("expected a verity superblock, found none"),
            Self::Unsupported => f.write_str("expected verity hash type 1 with sha256 and 4096-byte blocks"),
            Self::Salt { found } => write!(f, "expected a salt of at most {SALT_MAX} bytes, found {found}"),
        }
    }
}

impl core::error::Error for SuperblockError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superblock_reads_back_as_it_was_written() {
        for salt in [&[][..], &[1, 2, 3], &[7; SALT_MAX]] {
            let superblock = Superblock::new(RootHash([0xff; 32]), 77, salt);
            assert_eq!(Superblock::decode(&superblock.encode()), Ok(superblock));
        }
    }

    #[test]
    fn what_is_not_ours_is_recognised() {
        let rows = [
            (0, b'V', SuperblockError::Missing),
            (8, 2, SuperblockError::Unsupported),
            (12, 0, SuperblockError::Unsupported),
            (35, b'5', SuperblockError::Unsupported),
            (65, 2, SuperblockError::Unsupported),
            (69, 2, SuperblockError::Unsupported),
            (81, 2, SuperblockError::Salt { found: 512 }),
        ];
        for (at, byte, error) in rows {
            let mut block = Superblock::new(RootHash([1; 32]), 2, b"").encode();
            block[at] = byte;
            assert_eq!(Superblock::decode(&block), Err(error), "byte {at}");
        }
    }
}
