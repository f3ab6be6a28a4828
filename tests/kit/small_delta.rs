//! A small delta, from version 1 in the factory's slot to a version 2 that has most of its blocks.

use crate::sim::{SimDisk, SimRoot};
use crate::world::{World, bundle, image, manifest};
use everboot_core::manifest::Manifest;
use everboot_core::slot::{BLOCK, RootHash};
use everboot_storage::bundle::write::{PrefixEncoder, delta_head, member};
use everboot_storage::bundle::{Bundle, Group, Piece, Run};

/// Blocks of each group.
const GROUP: usize = 5;

/// Version 2, with the salt of version 1.
pub fn second() -> Manifest {
    Manifest { parts: manifest(1).parts, ..manifest(2) }
}

/// Most blocks of image 1 in another order; one of zeroes, and three that are new.
pub fn new_image() -> Vec<u8> {
    let old = image(1, SimRoot::Boots);
    let count = old.len() / BLOCK;
    let block = |at: usize| &old[at * BLOCK..][..BLOCK];
    let mut new: Vec<u8> = (0..count).flat_map(|at| block((at * 3 + 1) % count).to_vec()).collect();
    new[4 * BLOCK..5 * BLOCK].fill(0);
    for at in [0, 8, 9] {
        new[at * BLOCK..][..BLOCK].copy_from_slice(block(at));
        new[at * BLOCK + 100] ^= 1;
    }
    new
}

fn root_of(bytes: &[u8]) -> RootHash {
    let bundle = SimDisk::with_power(bytes.to_vec(), SimDisk::new(0).power());
    Bundle::open(bundle, &World::blank().keys).unwrap().manifest().root().root_hash
}

/// The root hash of the image that the factory put into a slot.
pub fn old_root() -> RootHash {
    root_of(&bundle(manifest(1), &image(1, SimRoot::Boots)))
}

/// The groups of a delta, and the new blocks of each.
pub fn groups(old: &[u8], new: &[u8]) -> Vec<(Group, Vec<u8>)> {
    let (old, new): (Vec<_>, Vec<_>) = (old.chunks(BLOCK).collect(), new.chunks(BLOCK).collect());
    let group = |(number, blocks): (usize, &[&[u8]])| {
        let first = (number * GROUP) as u64;
        let blocks_end = first + blocks.len() as u64;
        let mut group =
            Group { number: number as u64, blocks: first..blocks_end, runs: vec![], prefix: vec![] };
        let mut content = Vec::new();
        for block in blocks {
            match old.iter().position(|old| old == block) {
                _ if block.iter().all(|byte| *byte == 0) => group.runs.push(Run::Zero(1)),
                Some(at) => group.runs.push(Run::Copy(Piece { source: 0, first: at as u64, count: 1 })),
                None => {
                    group.runs.push(Run::New(1));
                    content.extend_from_slice(block);
                }
            }
        }
        if !content.is_empty() {
            group.prefix.push(Piece { source: 0, first: 1 + number as u64, count: 2 });
        }
        (group, content)
    };
    new.chunks(GROUP).enumerate().map(group).collect()
}

/// A delta with these groups, of the image whose whole bundle this is.
pub fn delta_of(whole: &[u8], groups: &[(Group, Vec<u8>)]) -> Vec<u8> {
    let old = image(1, SimRoot::Boots);
    let body = groups.iter().map(|(group, content)| {
        let prefix: Vec<u8> = group
            .prefix
            .iter()
            .flat_map(|piece| {
                let first = piece.first as usize * BLOCK;
                old[first..first + piece.count as usize * BLOCK].to_vec()
            })
            .collect();
        let packed =
            if content.is_empty() { vec![] } else { PrefixEncoder::new(3).encode(&prefix, content).unwrap() };
        (group.encode(), packed)
    });
    let body: Vec<(Vec<u8>, Vec<u8>)> = body.collect();
    let table: Vec<[u32; 3]> = groups
        .iter()
        .zip(&body)
        .map(|((group, _), (recipe, packed))| {
            [(group.blocks.end - group.blocks.start) as u32, recipe.len() as u32, packed.len() as u32]
        })
        .collect();
    let mut bytes = delta_head(&[(old_root(), (old.len() / BLOCK) as u64)], &table);
    body.iter().for_each(|(recipe, packed)| bytes.extend([&recipe[..], packed].concat()));
    let tree = whole.windows(10).position(|window| window == b"root.tree\0").unwrap();
    let mut delta = whole[..tree].to_vec();
    delta.extend(member("root.delta", &bytes));
    delta.resize(delta.len() + 1024, 0);
    delta
}

/// Version 2 as a delta to version 1.
pub fn delta() -> Vec<u8> {
    let whole = bundle(second(), &new_image());
    delta_of(&whole, &groups(&image(1, SimRoot::Boots), &new_image()))
}
