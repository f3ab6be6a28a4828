//! Verdicts about signatures that a thread has found already. A search boots the same few bundles millions of times,
//! and took a third of its time to check their signatures again.

use everboot_storage::bundle::{Keys, Memo, Signed, Verdict};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Verdicts that a thread remembers; more than a search has bundles.
const MOST: usize = 64;

thread_local!(static KNOWN: RefCell<VecDeque<(Keys, Signed, Verdict)>> = const { RefCell::new(VecDeque::new()) });

/// The memo of the thread that asks.
pub const MEMO: Memo = Memo(recall);

fn recall(signed: &Signed, keys: &Keys, find: fn(&Signed, &Keys) -> Verdict) -> Verdict {
    KNOWN.with_borrow_mut(|known| {
        if let Some((.., verdict)) = known.iter().find(|(of, it, _)| of == keys && it == signed) {
            return *verdict;
        }
        let verdict = find(signed, keys);
        known.truncate(MOST - 1);
        known.push_front((keys.clone(), signed.clone(), verdict));
        verdict
    })
}

#[cfg(test)]
mod tests {
    use crate::world::{World, good};
    use everboot_storage::bundle::Bundle;

    use super::*;
    use crate::sim::SimDisk;

    fn signed(version: u8, keys: &Keys) -> Signed {
        let file = SimDisk::with_power(good(version), &crate::sim::Power::default());
        Bundle::open(file, keys).unwrap().signed().clone()
    }

    #[test]
    fn a_verdict_is_found_once_and_holds_for_those_bytes_and_keys_alone() {
        let keys = World::blank().keys.clone();
        let (one, two) = (signed(1, &keys), signed(2, &keys));
        let forged = Signed { manifest: two.manifest.clone(), ..one.clone() };
        let mut recalling = keys.clone();
        recalling.recall_with(MEMO);
        for _ in 0..2 {
            for it in [&one, &two, &forged] {
                assert_eq!(it.verify(&recalling), it.verify(&keys));
            }
            assert!(one.verify(&recalling).is_ok() && forged.verify(&recalling).is_err());
        }
        let mut nobody = Keys::default();
        nobody.recall_with(MEMO);
        assert!(one.verify(&nobody).is_err(), "other keys");
        assert_eq!(KNOWN.with_borrow(VecDeque::len), 4);
    }
}
