//! What a slot says of itself: layout, trailer, mark, and the golden bytes of bundle and trailer.

use everboot_core::slot::ImageId;
use everboot_kit::sim::{SimDisk, SimRoot};
use everboot_kit::world::{image, manifest};
use everboot_storage::apply::{self, Layout, TRAILER_LEN};
use everboot_storage::bundle::sign::Signer;
use everboot_storage::bundle::write::assemble;
use everboot_storage::bundle::{Bundle, Keys, Sources};
use everboot_storage::medium::Medium;
use everboot_storage::worker_pool::Threads;
use std::slice::from_ref;

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}", everboot_kit::program::repo().display());
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(name: &str) -> String {
    String::from_utf8(golden(name)).unwrap()
}

/// A slot of 64 blocks with the golden bundle in it.
fn slot(keys: &Keys) -> SimDisk {
    let bundle = SimDisk::new(0);
    let file = SimDisk::with_power(golden("bundle-v1.everboot"), bundle.power());
    let slot = SimDisk::new(64 * 4096);
    let mut bundle = Bundle::open(file, keys).unwrap();
    apply::apply(&mut bundle, &mut [Sources::none()], from_ref(&slot), Threads::NONE, &mut |_| ()).unwrap();
    slot
}

#[test]
fn the_golden_bundle_is_read_and_written_to_the_letter() {
    // The key was made by `everboot-pack keygen`, the bundle by this very call.
    let signer = Signer::parse(&text("key")).unwrap();
    let sign = |bytes: &[u8]| signer.sign(bytes, "everboot golden");
    let made = assemble(manifest(2), &image(2, SimRoot::Boots), &sign).unwrap();
    let stored = golden("bundle-v1.everboot");
    // How zstd packs a frame is its own affair and changes with its version: what comes before is compared
    // to the letter, what is packed by what it unpacks to.
    let packed = made.windows(9).position(|window| window == b"root.zst\0").unwrap();
    assert!(made[..packed] == stored[..packed]);
    let keys = Keys::parse(&text("key.pub")).unwrap();
    let mut bundle = Bundle::open(SimDisk::with_power(stored, SimDisk::new(0).power()), &keys).unwrap();
    apply::check(&mut bundle, &mut [Sources::<SimDisk>::none()], Threads::NONE, &mut |_, _| ()).unwrap();
    assert_eq!(bundle.manifest().version, "2.0");
}

#[test]
fn the_golden_trailer_is_read_and_written_to_the_letter() {
    let keys = Keys::parse(&text("key.pub")).unwrap();
    let slot = slot(&keys);
    let found = apply::read_trailer(&slot).unwrap().unwrap();
    let manifest = found.signed.verify(&keys).unwrap();
    assert_eq!((manifest.version.as_str(), found.mark), ("2.0", None));
    apply::mark(&slot, 258, manifest.image_id()).unwrap();
    let content = slot.content();
    assert!(content[content.len() - TRAILER_LEN as usize..] == golden("trailer-v1.bin"));
    let mark = apply::read_trailer(&slot).unwrap().unwrap().mark;
    assert_eq!(mark, Some((258, manifest.image_id())));
}

#[test]
fn a_flipped_bit_anywhere_in_a_trailer_is_seen() {
    let keys = Keys::parse(&text("key.pub")).unwrap();
    let slot = slot(&keys);
    let whole = apply::read_trailer(&slot).unwrap();
    let start = slot.len() - TRAILER_LEN;
    for at in (0..4096 + 500).chain(9 * 4096..9 * 4096 + 400) {
        let mut byte = [0];
        slot.read_at(start + at, &mut byte).unwrap();
        slot.write_at(start + at, &[byte[0] ^ 0x10]).unwrap();
        let found = apply::read_trailer(&slot).unwrap();
        slot.write_at(start + at, &byte).unwrap();
        let content = at >= 4096 && byte[0] == 0;
        assert!(found.is_none() || content && found == whole, "byte {at}");
    }
    assert_eq!(apply::read_trailer(&slot).unwrap(), whole);
}

#[test]
fn a_mark_for_another_image_does_not_count() {
    let slot = slot(&Keys::parse(&text("key.pub")).unwrap());
    let seal = || apply::read_seal(&slot).unwrap().unwrap();
    apply::mark(&slot, 9, ImageId([1; 32])).unwrap();
    assert_eq!(seal().mark, None);
    apply::mark(&slot, 3, seal().image).unwrap();
    apply::mark(&slot, 10, ImageId([1; 32])).unwrap();
    assert_eq!(seal().mark, Some(3));
}

/// A rollback renews the mark of a good slot.
#[test]
fn a_torn_mark_leaves_the_one_that_was_there() {
    let slot = slot(&Keys::parse(&text("key.pub")).unwrap());
    let seal = || apply::read_seal(&slot).unwrap().unwrap();
    for generation in 1..=5 {
        apply::mark(&slot, generation, seal().image).unwrap();
        assert_eq!(seal().mark, Some(generation));
        let before = slot.content();
        apply::mark(&slot, generation + 1, seal().image).unwrap();
        let after = slot.content();
        for at in (0..before.len()).filter(|at| before[*at] != after[*at]) {
            slot.write_at(at as u64, &[after[at] ^ 1]).unwrap();
            assert_eq!(seal().mark, Some(generation), "byte {at}");
            slot.write_at(at as u64, &[after[at]]).unwrap();
        }
        slot.write_at(0, &before).unwrap();
    }
    apply::unmark(&slot).unwrap();
    assert_eq!(seal().mark, None);
}

#[test]
fn a_layout_fits_to_the_block_and_never_overflows() {
    // 130 blocks of image have a tree of one block over two, behind a superblock.
    let needed = (130 + 1 + 3 + 16) * 4096;
    let layout = Layout::new(needed, 130 * 4096).unwrap();
    assert_eq!((layout.image_len, layout.tree_len, layout.trailer), (130 * 4096, 4 * 4096, 134 * 4096));
    let refused = Layout::new(needed - 1, 130 * 4096).unwrap_err();
    assert_eq!((refused.needed, refused.found), (needed, needed - 1));
    assert_eq!(Layout::new(needed + 4095, 130 * 4096).unwrap(), layout);
    for (part, image) in [(0, 8192), (4096, 8192), (u64::MAX, u64::MAX), (1 << 63, 1 << 63), (1 << 20, 0)] {
        assert!(Layout::new(part, image).is_err(), "{part} {image}");
    }
}

/// Neighbours of the slot's bytes: an apply writes nothing outside image, tree and trailer.
#[test]
fn an_apply_leaves_the_room_between_tree_and_trailer_alone() {
    let keys = Keys::parse(&text("key.pub")).unwrap();
    let file = SimDisk::with_power(golden("bundle-v1.everboot"), SimDisk::new(0).power());
    let slot = SimDisk::with_power(vec![0xaa; 64 * 4096], file.power());
    apply::apply(
        &mut Bundle::open(file, &keys).unwrap(),
        &mut [Sources::none()],
        from_ref(&slot),
        Threads::NONE,
        &mut |_| (),
    )
    .unwrap();
    let content = slot.content();
    let (end_of_tree, trailer) = ((12 + 2) * 4096, 48 * 4096);
    assert!(content[end_of_tree..trailer].iter().all(|byte| *byte == 0xaa));
}
