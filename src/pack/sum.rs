//! The SHA-256 of a file.

use anyhow::Result;
use everboot_core::slot::RootHash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// SHA-256 and length of a file.
pub(crate) fn sum(path: &Path) -> Result<(RootHash, u64)> {
    let (mut sum, mut len) = (Sha256::new(), 0);
    let (mut file, mut chunk) = (File::open(path)?, vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((RootHash(sum.finalize().into()), len)),
            count => {
                sum.update(&chunk[..count]);
                len += count as u64;
            }
        }
    }
}
