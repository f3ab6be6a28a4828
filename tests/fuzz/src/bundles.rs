//! Bundles: what is signed, and what is not and must be believed of nobody.
//!
//! A fuzzer cannot sign, so what it makes comes behind the manifest and the signature of a bundle that was made once.

use super::bytes::Bytes;
use super::heap::within;
use everboot_core::manifest::{Manifest, compare_versions};
use everboot_core::slot::BLOCK;
use everboot_storage::apply;
use everboot_storage::bundle::{
    Body, Bundle, Carried, Delta, GROUP_NEW, GROUP_PREFIX, Keys, Run, SharedDelta, Signed, Sources, Unpacker,
};
use everboot_storage::worker_pool::Threads;
use std::sync::LazyLock;

const BUNDLE: &[u8] = include_bytes!("../../golden/bundle-v1.everboot");
const KEY: &str = include_str!("../../golden/key.pub");
/// Where its signed members end, and where its tree does.
const SIGNED: usize = 2048;
const TREE: usize = 10752;
/// What a thread needs for frames or groups, and the tables of them.
const BUFFER: usize = 16 << 20;

fn keys() -> Keys {
    Keys::parse(KEY).expect("the golden key")
}

/// The image of the golden bundle, and behind it its tree.
static SLOT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bundle = Bundle::open(Bytes::of(BUNDLE), &keys()).expect("the golden bundle");
    let Some((root, Carried::Whole(mut tree, packed))) = bundle.carried().next() else {
        panic!("a whole bundle")
    };
    let (mut slot, mut unpacker) = (vec![0; root.size as usize], Unpacker::default());
    for frame in 0..packed.frames().count() {
        let blocks = packed.frames().blocks(frame);
        let content = &mut slot[blocks.start as usize * BLOCK..blocks.end as usize * BLOCK];
        let digests = tree.digests(blocks).expect("its tree");
        packed.read(frame, &digests, &mut unpacker, content).expect("its frames");
    }
    slot.extend(&BUNDLE[SIGNED + 512..TREE]);
    slot
});

/// A member of a tar.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    bytes[148..156].fill(b' ');
    bytes[156] = b'0';
    bytes[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Opens a bundle, and unpacks all of it where that can be.
fn open(bytes: &[u8]) {
    within(BUFFER + 2 * bytes.len(), || {
        let Ok(mut bundle) = Bundle::open(Bytes::of(bytes), &keys()) else { return };
        assert!(bundle.total_len() <= bytes.len() as u64);
        let mut sources = [Sources::none()];
        if let [Body::Delta(delta)] = bundle.bodies() {
            sources_of(delta, bundle.manifest(), &mut sources[0]);
        }
        groups(&mut bundle, &mut sources[0]);
        let _ = apply::check(&mut bundle, &mut sources, Threads::NONE, &mut |_, _| ());
    });
}

/// Slots with the images that a delta names. One of them is the golden one, if it is that; what the others hold is
/// zeroes, which no tree of theirs can tell.
fn sources_of(delta: &Delta, golden: &Manifest, sources: &mut Sources<Bytes<'static>>) {
    for (root, blocks) in delta.sources() {
        let mut image = golden.root().clone();
        let is_golden = *root == image.root_hash;
        let Some(size) = blocks.checked_mul(BLOCK as u64).filter(|size| *size < 1 << 50) else { return };
        (image.root_hash, image.size) = (*root, size);
        let len = size.max(1 << 20) * 2;
        let _ = sources.push(Bytes { bytes: if is_golden { &SLOT } else { &[] }, len }, &image);
    }
}

/// The recipe of each group, of which all together make the golden image.
fn groups(bundle: &mut Bundle<Bytes<'_>>, sources: &mut Sources<Bytes<'static>>) {
    let Some((root, Carried::Delta(medium, delta))) = bundle.carried().next() else { return };
    let Ok((shared, _)) = SharedDelta::new((medium, delta), sources, root, &mut || ()) else { return };
    for number in 0..shared.count() {
        let group = shared.group(number).expect("a group of a delta that was read");
        let count: u64 = group.runs.iter().map(Run::count).sum();
        assert_eq!(count, group.blocks.end - group.blocks.start);
        let new = |run: &Run| if let Run::New(count) = run { *count } else { 0 };
        assert!(group.runs.iter().map(new).sum::<u64>() <= GROUP_NEW as u64);
        assert!(group.prefix.iter().map(|piece| piece.count).sum::<u64>() <= GROUP_PREFIX as u64);
        let copy = |run: &Run| if let Run::Copy(piece) = run { Some(*piece) } else { None };
        for piece in group.runs.iter().filter_map(copy).chain(group.prefix.iter().copied()) {
            let end = piece.first.checked_add(piece.count);
            assert!(end.is_some_and(|end| end <= delta.sources()[piece.source].1), "{piece:?}");
        }
    }
}

/// A whole archive, and all members but those that are signed.
pub fn archive(data: &[u8]) {
    open(data);
    open(&[&BUNDLE[..SIGNED], data].concat());
}

/// The frames of an image, and their index.
pub fn frames(data: &[u8]) {
    open(&[&BUNDLE[..TREE], &member("root.zst", data)].concat());
}

/// A delta of the golden image.
pub fn delta(data: &[u8]) {
    open(&[&BUNDLE[..SIGNED], &member("root.delta", data)].concat());
}

/// The manifest.
pub fn manifest(data: &[u8]) {
    let Ok(manifest) = within((128 << 10) + 64 * data.len(), || Manifest::parse(data)) else { return };
    let root = manifest.root();
    assert!(root.size == root.blocks() * BLOCK as u64 && root.frames() > 0);
    let (one, other) = (&manifest.version, &manifest.compatible);
    assert_eq!(compare_versions(one, other), compare_versions(other, one).reverse());
    let _ = manifest.from_rule();
    #[cfg(feature = "pack")]
    assert_eq!(Manifest::parse(manifest.to_json().as_bytes()).as_ref(), Ok(&manifest));
}

/// Public keys, a signature and a manifest, with a NUL between each two.
pub fn signature(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == 0).map(<[u8]>::to_vec);
    let mut part = || parts.next().unwrap_or_default();
    let (text, signature, manifest) = (part(), part(), part());
    let justified = (128 << 10) + 64 * data.len();
    let theirs = within(justified, || Keys::parse(&String::from_utf8_lossy(&text)));
    let signed = Signed { manifest, signature };
    if let Ok(theirs) = theirs {
        let _ = within(justified, || signed.verify(&theirs));
    }
    if within(justified, || signed.verify(&keys())).is_ok() {
        let golden = Bundle::open(Bytes::of(BUNDLE), &keys()).expect("the golden bundle");
        assert!(signed.manifest == golden.signed().manifest, "a manifest that nobody signed is trusted");
    }
}
