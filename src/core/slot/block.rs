//! Comparing blocks, eight bytes at a time and more: the C library of a small program goes one by one.

/// Whether all bytes are zero, of blocks whose length is a multiple of 64.
pub fn is_zero(block: &[u8]) -> bool {
    block.as_chunks::<64>().0.iter().all(|many| {
        let (many, _) = many.as_chunks();
        let eight = |at: usize| u64::from_le_bytes(many[at]);
        eight(0) | eight(1) | eight(2) | eight(3) | eight(4) | eight(5) | eight(6) | eight(7) == 0
    })
}

/// Whether two blocks hold the same bytes, of lengths that are a multiple of eight.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let mut block = [0; 4096];
        assert!(is_zero(&block) && same(&block, &[0; 4096]));
        for at in 0..block.len() {
            block[at] = 1;
            assert!(!is_zero(&block) && !same(&block, &[0; 4096]), "{at}");
            block[at] = 0;
        }
        assert!(!same(&block, &[0; 4088]));
    }
}
