//! The checksum of all our blocks on disk: CRC-32 as in gzip and in the GPT (ISO-HDLC).

use crc32fast::Hasher;

/// Of the parts one after the other.
pub fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, bit by bit: polynomial 04C11DB7 reflected, all ones at the start, all bits inverted at the end.
    fn by_definition(bytes: &[u8]) -> u32 {
        let shifted = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        let take = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shifted(crc));
        !bytes.iter().fold(u32::MAX, take)
    }

    #[test]
    fn it_is_the_crc_32_of_the_catalogue() {
        assert_eq!(checksum(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(checksum(&[]), 0);
    }

    #[test]
    fn it_is_what_the_definition_says_however_the_bytes_are_split() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at * 7) as u8).collect();
        for len in [0, 1, 15, 16, 63, 64, 65, 127, 128, 4092, bytes.len()] {
            let expected = by_definition(&bytes[..len]);
            assert_eq!(checksum(&[&bytes[..len]]), expected, "{len} bytes");
            assert_eq!(
                checksum(&[&bytes[..len / 3], &bytes[len / 3..len]]),
                expected,
                "{len} bytes in two parts"
            );
        }
    }
}
