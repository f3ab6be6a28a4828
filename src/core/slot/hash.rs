//! Fixed-size identifiers that people see in hexadecimal: digests, root hashes, UUIDs.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// The root hash of the Merkle tree over one part of an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootHash(pub Digest);

/// A UUID in the byte order in which people write it (RFC 9562), whatever order the disk uses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// The text is not the expected number of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseHexError {
    /// How many hexadecimal digits were expected.
    pub expected_digits: usize,
}

impl fmt::Display for ParseHexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} hexadecimal digits", self.expected_digits)
    }
}

impl core::error::Error for ParseHexError {}

/// Decodes exactly `N` bytes of hexadecimal digits, of either case.
pub fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHexError> {
    let wrong = ParseHexError { expected_digits: 2 * N };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(wrong);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (char::from(pair[0]).to_digit(16), char::from(pair[1]).to_digit(16));
        let (Some(high), Some(low)) = (high, low) else { return Err(wrong) };
        *byte = (high * 16 + low) as u8;
    }
    Ok(bytes)
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

impl RootHash {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, ParseHexError> {
        from_hex(text).map(Self)
    }
}

impl Uuid {
    /// Reads the usual form of 36 characters, of either case.
    pub fn parse(text: &str) -> Result<Self, ParseHexError> {
        let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        if dashes != [8, 13, 18, 23] {
            return Err(ParseHexError { expected_digits: 32 });
        }
        from_hex(&text.replace('-', "")).map(Self)
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.16}", to_hex(&self.0))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = to_hex(&self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_back_as_it_was_written() {
        let text = "0fc63daf-8483-4772-8e79-3d69d8477de4";
        assert_eq!(Uuid::parse(&text.to_uppercase()).unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for text in
            ["", "0fc63daf", "0fc63daf-8483-4772-8e79-3d69d8477dg4", "0fc63daf8483-4772-8e79-3d69d8477de4-"]
        {
            assert!(Uuid::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_root_hash_has_exactly_64_digits() {
        let hash = RootHash([0xa5; 32]);
        assert_eq!(RootHash::parse(&hash.to_string()), Ok(hash));
        assert!(RootHash::parse(&"a".repeat(63)).is_err());
        assert!(RootHash::parse(&"é".repeat(32)).is_err());
    }
}
