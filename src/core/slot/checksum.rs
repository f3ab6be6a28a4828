//! The checksum of all our blocks on disk: CRC-32 as in gzip and in the GPT (ISO-HDLC). What it is taken of is a few
//! kilobytes, so a small table does, which the gpt crate has already. The search of the crash space takes billions of
//! them; it has a large one.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

#[cfg(not(feature = "mutants"))]
type Size = Table<1>;
#[cfg(feature = "mutants")]
type Size = Table<16>;

/// Of the parts one after the other.
pub fn checksum(parts: &[&[u8]]) -> u32 {
    static CRC: Crc<u32, Size> = Crc::<u32, Size>::new(&CRC_32_ISO_HDLC);
    let mut digest = CRC.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_others_compute() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| (at * 7) as u8).collect();
        assert_eq!(checksum(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(checksum(&[&bytes[..77], &bytes[77..]]), crc32fast::hash(&bytes));
    }
}
