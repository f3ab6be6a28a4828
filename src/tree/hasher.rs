//! The salted hash of a block.

use crate::slot::{BLOCK, Digest};
use sha2::{Digest as _, Sha256};

/// Blocks of zeroes, of which an image has many, are looked up and not computed.
const ZEROES: [u8; BLOCK] = [0; BLOCK];

/// SHA-256 that has already taken in the salt of a tree. Cheap to clone; uses the CPU's SHA instructions
/// where it has them.
#[derive(Clone)]
pub struct Hasher {
    salted: Sha256,
    zeroes: Digest,
}

impl Hasher {
    /// A hasher for trees with this salt.
    pub fn new(salt: &[u8]) -> Self {
        let salted = Sha256::new_with_prefix(salt);
        let zeroes = salted.clone().chain_update(ZEROES).finalize().into();
        Self { salted, zeroes }
    }

    /// The digest of one data or tree block: SHA-256 of the salt, then the block.
    pub fn block(&self, block: &[u8]) -> Digest {
        if block == ZEROES {
            return self.zeroes;
        }
        self.salted.clone().chain_update(block).finalize().into()
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::to_hex;

    #[test]
    fn a_block_of_zeroes_has_the_known_digest() {
        // head -c 4096 /dev/zero | sha256sum; (printf ab; head -c 4096 /dev/zero) | sha256sum
        let rows = [
            (&b""[..], "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7"),
            (&b"ab"[..], "4a2caa177f940daab6b16fa7603be8c34ceaa5e83ec3426dba76aaf3012499ed"),
        ];
        for (salt, digest) in rows {
            assert_eq!(to_hex(&Hasher::new(salt).block(&[0; 4096])), digest);
            let other = Sha256::new_with_prefix(salt).chain_update([0; 4095]).finalize();
            assert_eq!(Hasher::new(salt).block(&[0; 4095])[..], other[..]);
        }
    }
}
