//! The normal form of a disk: two disks with the same one behave alike in every boot and every verb.
//!
//! Numbers that only ever grow are replaced by their order: the generations of the two copies, and those of
//! the confirmed marks. History is not there. A block is what it means: a block of a known image, zeroes, or
//! other. Of a slot that no copy of the record and no trailer says to hold an image, it counts how many blocks of each
//! image it has: none, some, all. Nobody boots it or reads a source from it; an apply writes what is not right,
//! whichever blocks these are. Without this no state would ever come again, and no search would end. The explorer
//! checks at every crash state that a normal form which it knows leads where it led before; each crash image is booted
//! all the same.

use super::known::{FILLED, SUPERBLOCK, known, meanings};
use super::reader::{Reader, TRAILER_PAGES};
use everboot_agent::flow::STAGED;
use everboot_core::record::{BadCopy, Copy};
use everboot_kit::sim::pages::{PAGE, Pages, hash_of};
use everboot_kit::sim::{DurableState, RECORD, SLOT_A, SLOT_B, SimRoot};
use everboot_storage::apply::Trailer;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The hash of the normal form of a disk, and of the slot whose system runs, if one does.
pub fn hash(reader: &mut Reader, durable: &DurableState, entered: Option<usize>) -> u64 {
    let copies = reader.copies(&durable.parts[RECORD]);
    let slots = [&durable.parts[SLOT_A], &durable.parts[SLOT_B]];
    let trailers = slots.map(|slot| reader.trailer(slot));
    let ranks = ranks(&copies, &trailers);
    let mut hasher = DefaultHasher::new();
    entered.hash(&mut hasher);
    order(&copies).hash(&mut hasher);
    for copy in &copies {
        copy_form(copy, &ranks, &mut hasher);
    }
    for (number, (slot, trailer)) in slots.into_iter().zip(&trailers).enumerate() {
        if trailer.is_none() && is_unclaimed(&copies, number) {
            unclaimed_form(slot, &mut hasher);
        } else {
            blocks_form(slot, &mut hasher);
        }
        trailer_form(slot, trailer.as_deref(), &ranks, &mut hasher);
    }
    files_form(durable, &mut hasher);
    hasher.finish()
}

/// Which is newer, and whether one lacks more than the last save.
fn order(copies: &[Arc<Copy>; 2]) -> Option<(std::cmp::Ordering, bool)> {
    let generation = |copy: &Copy| match copy {
        Copy::Valid { generation, .. } | Copy::Newer { generation, .. } => Some(*generation),
        Copy::Bad(_) => None,
    };
    let [first, last] = [generation(&copies[0])?, generation(&copies[1])?];
    Some((first.cmp(&last), first.abs_diff(last) > 1))
}

/// Every generation of a mark, in order.
fn ranks(copies: &[Arc<Copy>; 2], trailers: &[Option<Arc<Trailer>>; 2]) -> Vec<u64> {
    let mut all = vec![0];
    for copy in copies {
        if let Copy::Valid { record, .. } = &**copy {
            all.extend(record.slots.iter().map(|slot| slot.confirmed));
        }
    }
    all.extend(trailers.iter().flatten().filter_map(|trailer| trailer.mark).map(|mark| mark.0));
    all.sort_unstable();
    all.dedup();
    all
}

fn rank(ranks: &[u64], generation: u64) -> usize {
    ranks.binary_search(&generation).unwrap_or(usize::MAX)
}

fn copy_form(copy: &Copy, ranks: &[u64], hasher: &mut impl Hasher) {
    match copy {
        Copy::Valid { record, version, .. } => {
            let mut record = record.clone();
            // More rounds make a wait longer, and nothing else.
            record.recovery_rounds = record.recovery_rounds.min(1);
            for slot in &mut record.slots {
                slot.confirmed = rank(ranks, slot.confirmed) as u64;
            }
            (1, version, record).hash(hasher);
        }
        Copy::Newer { unread, order, record, .. } => (2, unread, order, record).hash(hasher),
        Copy::Bad(BadCopy::Unreadable(_)) => 4.hash(hasher),
        Copy::Bad(_) => 3.hash(hasher),
    }
}

/// Whether no copy of the record says that the slot with this number holds an image.
fn is_unclaimed(copies: &[Arc<Copy>; 2], number: usize) -> bool {
    copies.iter().all(|copy| match &**copy {
        Copy::Valid { record, .. } => record.slots.get(number).is_some_and(|slot| slot.image.is_none()),
        Copy::Newer { .. } | Copy::Bad(BadCopy::Unreadable(_)) => false,
        Copy::Bad(_) => true,
    })
}

/// How much of each image a slot has; of the tree, which is a hint to an apply, each block.
fn unclaimed_form(slot: &Pages, hasher: &mut impl Hasher) {
    for known in known() {
        let is_right = |page: &usize| slot.hash_of_page(*page) == known.pages[*page];
        let right = (0..SUPERBLOCK).filter(is_right).count();
        (right.min(1), right == SUPERBLOCK).hash(hasher);
        (SUPERBLOCK..FILLED).for_each(|page| is_right(&page).hash(hasher));
    }
}

/// Image and tree, block by block; of a first block that is no known one, what it says of the root.
fn blocks_form(slot: &Pages, hasher: &mut impl Hasher) {
    for page in 0..FILLED {
        meanings().get(&slot.hash_of_page(page)).hash(hasher);
    }
    let magic = &slot.page(0)[..8];
    let roots = [SimRoot::Boots, SimRoot::NoInit, SimRoot::Broken];
    roots.map(|root| magic == root.magic()).hash(hasher);
}

fn trailer_form(slot: &Pages, trailer: Option<&Trailer>, ranks: &[u64], hasher: &mut impl Hasher) {
    let first = slot.count() - TRAILER_PAGES;
    match trailer {
        Some(Trailer { signed, mark }) => {
            hash_of(&signed.manifest).hash(hasher);
            mark.map(|(generation, hash)| (rank(ranks, generation), hash)).hash(hasher);
        }
        None => {
            let is_zero = (first..slot.count()).all(|page| slot.page(page) == &[0; PAGE]);
            (is_zero, slot.hash_of_page(slot.count() - 1)).hash(hasher);
        }
    }
}

/// Of a file that is not complete yet only its name counts: it is removed unread.
fn files_form(durable: &DurableState, hasher: &mut impl Hasher) {
    for (name, content) in &durable.files {
        name.hash(hasher);
        if name == STAGED {
            content.len().hash(hasher);
            for page in 0..content.count() {
                meanings().get(&content.hash_of_page(page)).hash(hasher);
            }
        }
    }
}
