//! The name of an image, wherever it is spoken of.

use super::{Digest, ParseHexError, PartName, RootHash, from_hex};
use core::fmt;
use sha2::{Digest as _, Sha256};

/// The identity of an image: SHA-256 over, for each part in the order of their names, the name, a zero byte and the
/// root hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(pub Digest);

impl ImageId {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ParseHexError> {
        from_hex(text).map(Self)
    }

    /// The id of an image that has these parts; `parts` are in the order of their names, no two alike.
    pub fn of<'a>(parts: impl Iterator<Item = (&'a PartName, RootHash)>) -> Self {
        let mut hash = Sha256::new();
        for (name, root_hash) in parts {
            hash.update(name.as_str());
            hash.update([0]);
            hash.update(root_hash.0);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        RootHash(self.0).fmt(f)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&RootHash(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_id_is_the_digest_of_names_and_root_hashes() {
        // printf 'boot\0<32 bytes 01>root\0<32 bytes 02>' | sha256sum
        let (boot, root) = (PartName::new("boot").unwrap(), PartName::root());
        let one = ImageId::of([(&root, RootHash([2; 32]))].into_iter());
        let two = ImageId::of([(&boot, RootHash([1; 32])), (&root, RootHash([2; 32]))].into_iter());
        assert_eq!(one.to_string(), "170647dc16813f5e2131909c0fb8fc16a9b9237359dcb4291aef3e181a8d4c6e");
        assert_eq!(two.to_string(), "c7e6423d8e4e061c8d83520d97dbd558b73444ffbb1ada3d2e1d395f26b41eb0");
        assert_eq!(ImageId::parse(&one.to_string()), Ok(one));
    }
}
