//! Repair: the blocks of a slot that are corrupt, and no others.

use crate::bundle::TempDir;
use crate::fixture::{Fixture, manifest as bench_manifest};
use everboot_agent::flow::{self, BlockSource, Error};
use everboot_core::lifecycle::Refusal;
use everboot_core::manifest::Manifest;
use everboot_core::record::history::Kind;
use everboot_core::slot::{BLOCK, SlotState};
use everboot_kit::sim::power::Event;
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SURVIVORS, SimDisk, SimRoot, UNREADABLE};
use everboot_kit::small_delta::{delta, new_image, second};
use everboot_kit::world::{BLOCKS, World, bundle, image, manifest};
use everboot_storage::apply::{self, Progress};
use everboot_storage::bundle::sign::NewKeys;
use everboot_storage::bundle::{Bundle, Carried, Keys, Sources};
use everboot_storage::medium::Medium;
use everboot_storage::store::History;
use everboot_storage::worker_pool::Threads;
use std::slice::from_ref;

/// The tree of an image of the simulation: its superblock, and one block.
const TREE: [u64; 2] = [BLOCKS as u64, BLOCKS as u64 + 1];

fn spoil(disk: &SimDisk, block: u64, bytes: &[u8]) {
    disk.write_at(block * BLOCK as u64 + 100, bytes).unwrap();
    disk.sync().unwrap();
}

/// A machine that runs version 1 from slot-a, and has its image in slot-b too.
fn twins() -> World {
    let mut world = World::running();
    world.fill(SLOT_B, manifest(1), &image(1, SimRoot::Boots));
    flow::init(world.site(), None, true).unwrap();
    world
}

/// How many blocks are repaired, and how many are wrong still.
fn repair(world: &mut World, slot: &str, source: BlockSource<'_, SimDisk>) -> Result<(u64, u64), Error> {
    flow::repair_blocks(world.site(), slot, source).map(|(_, _, progress)| counts(progress))
}

fn counts(progress: Progress) -> (u64, u64) {
    (progress.bytes_written / BLOCK as u64, progress.blocks - progress.proven)
}

fn file(bytes: Vec<u8>) -> SimDisk {
    SimDisk::with_power(bytes, SimDisk::new(0).power())
}

/// Blocks of a slot that were written since this was asked last.
fn written(world: &World, part: usize) -> Vec<u64> {
    let block = |event: &Event| match event {
        Event::Write { medium, at, data } if *medium == part => {
            assert!(at % BLOCK == 0 && data.len() % BLOCK == 0);
            let first = at / BLOCK;
            Some((first..first + data.len() / BLOCK).map(|block| block as u64))
        }
        _ => None,
    };
    let mut blocks: Vec<u64> = world.machine.power.take_events().iter().filter_map(block).flatten().collect();
    blocks.sort_unstable();
    blocks
}

/// Spoils these blocks of slot-a, repairs it, and expects it as it was: with no other block written than these, and the
/// record as it was too.
#[track_caller]
fn check(mut world: World, spoiled: &[u64], source: impl Fn() -> BlockSource<'static, SimDisk>) {
    let (before, record) = (world.slots(), world.machine.parts[RECORD].content());
    spoiled.iter().for_each(|block| spoil(&world.machine.parts[SLOT_A], *block, b"rot"));
    world.machine.power.take_events();
    world.machine.parts[SLOT_A].take_rewritten();
    let repaired = repair(&mut world, "slot-a", source()).unwrap();
    assert_eq!(repaired, (spoiled.len() as u64, 0));
    assert_eq!(written(&world, SLOT_A), spoiled);
    assert!(world.slots() == before);
    assert_eq!(world.machine.parts[SLOT_A].take_rewritten(), Vec::<u64>::new());
    let copies = |bytes: &[u8]| [bytes[..BLOCK].to_vec(), bytes[bytes.len() - BLOCK..].to_vec()];
    assert!(copies(&world.machine.parts[RECORD].content()) == copies(&record), "the record was saved");
    let output =
        || History::load(&world.machine.parts[RECORD]).latest(Kind::Verb).map(|entry| entry.text.clone());
    let unit = if spoiled.len() == 1 { "block" } else { "blocks" };
    let expected = format!("slot-a: {} {unit} repaired, 0 are wrong", spoiled.len());
    assert_eq!(output().is_some_and(|text| text == expected), !spoiled.is_empty());
    let again = repair(&mut world, "slot-a", source()).unwrap();
    assert_eq!(again, (0, 0));
    assert_eq!(written(&world, SLOT_A), Vec::<u64>::new());
}

const DAMAGE: [&[u64]; 6] = [&[], &[0], &[5], &[3, 4, 11], &TREE, &[0, 7, TREE[0]]];

#[test]
fn another_slot_with_the_same_image_mends_all() {
    for damage in DAMAGE {
        check(twins(), damage, || BlockSource::Any);
        check(twins(), damage, || BlockSource::Slot("slot-b"));
    }
    check(twins(), &[2, TREE[1]], || BlockSource::Slot("slot-b"));
}

#[test]
fn a_bundle_of_the_image_mends_all() {
    for damage in DAMAGE {
        check(World::running(), damage, || {
            BlockSource::Bundle(file(bundle(manifest(1), &image(1, SimRoot::Boots))))
        });
    }
}

/// Version 2 has some blocks of version 1, at other places.
#[test]
fn a_block_counts_wherever_another_slot_has_it() {
    let mut world = World::running();
    world.fill(SLOT_B, second(), &new_image());
    flow::init(world.site(), None, true).unwrap();
    check(world.fork(), &[4, 7, 10], || BlockSource::Any);
    check(world, &[4, 7, 10], || BlockSource::Slot("slot-b"));
}

#[test]
fn the_staged_bundle_mends_the_slot_that_it_was_written_to() {
    for bytes in [bundle(second(), &new_image()), delta()] {
        let mut world = World::running();
        world.stage(bytes).unwrap();
        flow::prepare(world.site()).unwrap();
        let before = world.slots();
        for block in [0, 4, 8, TREE[0], TREE[1]] {
            spoil(&world.machine.parts[SLOT_B], block, b"rot");
        }
        let repaired = repair(&mut world, "slot-b", BlockSource::Any).unwrap();
        assert_eq!(repaired, (5, 0));
        assert!(world.slots() == before);
    }
}

/// A delta whose other image is gone is no source; the slots are asked.
#[test]
fn a_staged_delta_without_its_sources_is_passed_over() {
    let mut world = World::running();
    world.stage(delta()).unwrap();
    flow::prepare(world.site()).unwrap();
    spoil(&world.machine.parts[SLOT_B], 6, b"rot");
    apply::unmark(&world.machine.parts[SLOT_A]).unwrap();
    world.machine.parts[SLOT_A].write_at(48 * BLOCK as u64, &[0; BLOCK]).unwrap();
    let repaired = repair(&mut world, "slot-b", BlockSource::Any).unwrap();
    assert_eq!(repaired, (1, 0));
}

#[test]
fn what_nobody_has_is_counted_and_left() {
    let mut world = World::running();
    let bytes: Vec<u8> = vec![7; 50];
    spoil(&world.machine.parts[SLOT_A], 5, &bytes);
    world.machine.power.take_events();
    let repaired = repair(&mut world, "slot-a", BlockSource::Any).unwrap();
    assert_eq!(repaired, (0, 1));
    // The only tree block is damaged, and so is a block under it: nobody knows what belongs there.
    spoil(&world.machine.parts[SLOT_A], TREE[1], b"rot");
    let repaired = repair(&mut world, "slot-a", BlockSource::Any).unwrap();
    assert_eq!(repaired, (0, BLOCKS as u64));
    let whole = BlockSource::Bundle(file(bundle(manifest(1), &image(1, SimRoot::Boots))));
    let repaired = repair(&mut world, "slot-a", whole).unwrap();
    assert_eq!(repaired, (2, 0));
}

#[test]
fn a_slot_that_is_open_or_empty_and_a_bundle_of_another_image_are_refused() {
    let mut world = World::running();
    let other = bundle(manifest(2), &image(2, SimRoot::Boots));
    let before = world.slots();
    let refused = repair(&mut world, "slot-a", BlockSource::Bundle(file(other.clone()))).unwrap_err();
    assert!(matches!(refused, Error::OtherImage), "{refused}");
    let refused = repair(&mut world, "slot-b", BlockSource::Any).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::NothingIn(_))), "{refused}");
    world.keys = Keys::parse(&NewKeys::generate().unwrap().public).unwrap();
    let refused = repair(&mut world, "slot-a", BlockSource::Bundle(file(other))).unwrap_err();
    assert!(matches!(refused, Error::TrailerLost(_)), "{refused}");
    assert!(world.slots() == before);
    let mut open = manifest(1);
    open.parts[0].open = true;
    let mut world = World::blank();
    world.fill(SLOT_A, open, &image(1, SimRoot::Boots));
    flow::init(world.site(), None, false).unwrap();
    let refused = repair(&mut world, "slot-a", BlockSource::Any).unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::Open(_))), "{refused}");
}

#[test]
fn a_bad_slot_stays_bad() {
    let mut world = twins();
    flow::reject(world.site(), Some("slot-b")).unwrap();
    spoil(&world.machine.parts[SLOT_B], 1, b"rot");
    let record = world.record();
    let (_, state, repaired) =
        flow::repair_blocks(world.site(), "slot-b", BlockSource::<SimDisk>::Any).unwrap();
    assert!(matches!(state, SlotState::Bad { .. }));
    assert_eq!((counts(repaired), world.record()), ((1, 0), record));
}

#[test]
fn a_write_that_fails_is_reported_and_nothing_else_is_touched() {
    let mut world = twins();
    spoil(&world.machine.parts[SLOT_A], 5, b"rot");
    let before = world.slots();
    world.machine.parts[SLOT_A].fail_writes(true);
    let failed = repair(&mut world, "slot-a", BlockSource::Any).unwrap_err();
    assert!(failed.to_string().starts_with("slot: write at byte"), "{failed}");
    assert!(world.slots() == before);
}

/// A medium that takes writes and forgets them.
#[test]
fn a_block_that_does_not_read_back_is_not_called_repaired() {
    for source in [0, 1] {
        let mut world = twins();
        spoil(&world.machine.parts[SLOT_A], 5, b"rot");
        world.machine.parts[SLOT_A].lie(true);
        let source = match source {
            0 => BlockSource::Any,
            _ => BlockSource::Bundle(file(bundle(manifest(1), &image(1, SimRoot::Boots)))),
        };
        let failed = repair(&mut world, "slot-a", source).unwrap_err();
        assert!(matches!(failed, Error::Apply(apply::Error::ReadBack { block: 5 })), "{failed}");
    }
}

/// Blocks beside one that cannot be read are right, and are not written with it.
#[test]
fn a_block_that_cannot_be_read_is_written_alone() {
    let whole = || BlockSource::Bundle(file(bundle(manifest(1), &image(1, SimRoot::Boots))));
    let mut world = twins();
    let before = world.slots();
    for source in [whole(), BlockSource::Any] {
        world.machine.parts[SLOT_A].write_at(6 * BLOCK as u64, &UNREADABLE).unwrap();
        world.machine.power.take_events();
        let repaired = repair(&mut world, "slot-a", source).unwrap();
        assert_eq!(repaired, (1, 0));
        assert_eq!(written(&world, SLOT_A), [6]);
        assert!(world.slots() == before);
    }
}

/// Cut at every operation, with every kind of loss: what was right stays right, and repairing again repairs the rest
/// without writing a block that is right.
#[test]
fn a_repair_may_be_cut_anywhere() {
    let spoiled = [0, 5, 6, TREE[0], TREE[1]];
    let bytes = bundle(manifest(1), &image(1, SimRoot::Boots));
    let sources: [&dyn Fn() -> BlockSource<'static, SimDisk>; 2] =
        [&|| BlockSource::Any, &|| BlockSource::Bundle(file(bytes.clone()))];
    for source in sources {
        let start = twins();
        let whole = start.slots();
        spoiled.iter().for_each(|block| spoil(&start.machine.parts[SLOT_A], *block, b"rot"));
        let start = start.fork();
        let rotten = start.slots();
        let mut clean = start.fork();
        repair(&mut clean, "slot-a", source()).unwrap();
        let (operations, mut crashes) = (clean.machine.power.used(), 0);
        for cut in 0..operations {
            for survives in SURVIVORS {
                let mut world = start.fork();
                world.machine.power.cut_after(cut);
                let _ = repair(&mut world, "slot-a", source());
                world.machine.crash(*survives);
                let case = format!("cut {cut} of {operations}, survives {survives:?}");
                let left = world.slots();
                assert!(left[1] == whole[1], "{case}: the giver was written");
                for (block, bytes) in left[0].chunks(BLOCK).enumerate() {
                    let at = block * BLOCK..(block + 1) * BLOCK;
                    let torn =
                        [&whole[0][at.clone()][..BLOCK / 2], &rotten[0][at.clone()][BLOCK / 2..]].concat();
                    let may_be = [&whole[0][at.clone()], &rotten[0][at], &torn[..]];
                    assert!(may_be.contains(&bytes), "{case}: block {block}");
                }
                world.machine.parts[SLOT_A].take_rewritten();
                let again =
                    repair(&mut world, "slot-a", source()).unwrap_or_else(|error| panic!("{case}: {error}"));
                assert_eq!(again.1, 0, "{case}");
                assert!(world.slots() == whole, "{case}");
                assert_eq!(world.machine.parts[SLOT_A].take_rewritten(), Vec::<u64>::new(), "{case}");
                crashes += 1;
            }
        }
        assert!(crashes >= 20, "{crashes}");
    }
}

/// An image whose tree has two levels below its top.
struct Tall {
    manifest: Manifest,
    slot: Vec<u8>,
}

const TALL: usize = 128 * 128 + 130;

impl Tall {
    fn new() -> Self {
        let mut manifest = manifest(1);
        (manifest.parts[0].size, manifest.parts[0].frame_blocks) = ((TALL * BLOCK) as u64, 256);
        let mut image = vec![0; TALL * BLOCK];
        for (number, block) in image.chunks_mut(BLOCK).enumerate().step_by(16) {
            block[..8].copy_from_slice(&(number as u64).to_le_bytes());
        }
        let mut bundle = Bundle::open(file(bundle(manifest, &image)), &World::blank().keys).unwrap();
        let slot = SimDisk::new(((TALL + 400) * BLOCK) as u64);
        apply::apply(&mut bundle, &mut [Sources::none()], from_ref(&slot), Threads::NONE, &mut |_| ())
            .unwrap();
        Self { manifest: bundle.manifest().clone(), slot: slot.content() }
    }

    /// Spoils these blocks, of the tree where they are behind the image, and has them repaired: how many were, and how
    /// many blocks of the image are wrong still.
    fn repair(&self, spoiled: &[usize], sources: &[SimDisk]) -> (u64, u64) {
        let slot = file(self.slot.clone());
        spoiled.iter().for_each(|block| spoil(&slot, *block as u64, b"rot"));
        let none = None::<(Carried<'_, SimDisk>, &mut Sources<SimDisk>)>;
        let from = (self.manifest.root(), sources);
        let repaired = counts(
            apply::repair(
                none,
                from,
                (&slot, Progress { blocks: TALL as u64, ..Progress::default() }),
                Threads::NONE,
                &mut |_| (),
            )
            .unwrap(),
        );
        assert_eq!(slot.take_rewritten(), Vec::<u64>::new());
        assert_eq!(slot.content() == self.slot, repaired.1 == 0, "{spoiled:?}");
        repaired
    }
}

/// Behind the image: superblock, top, two blocks of the next level, 130 of the lowest.
#[test]
fn the_tree_is_mended_from_the_image_or_from_another_slot() {
    let tall = Tall::new();
    let (top, middle, low) = (TALL + 1, TALL + 2, TALL + 4);
    // From what the image has, and what of the tree is right.
    let cases: [&[usize]; 7] = [
        &[TALL],
        &[top],
        &[middle, middle + 1],
        &[low, low + 129],
        &[top, middle],
        &[middle, low, low + 1],
        &[TALL, top, middle, middle + 1, low, low + 127, low + 128],
    ];
    for spoiled in cases {
        assert_eq!(tall.repair(spoiled, &[]), (spoiled.len() as u64, 0), "{spoiled:?}");
    }
    // A block of the image is wrong as well, and so nobody knows what is behind it in the tree.
    let (all, half) = (TALL as u64, 128 * 128);
    for (spoiled, left) in [(&[5, top][..], all), (&[5, middle, low + 2], half), (&[5, low], 128)] {
        assert_eq!(tall.repair(spoiled, &[]), (0, left), "{spoiled:?}");
    }
    // Nor is a block right that cannot be read and of which nobody knows what it must be.
    let slot = file(tall.slot.clone());
    slot.write_at((5 * BLOCK) as u64, &UNREADABLE).unwrap();
    spoil(&slot, low as u64, b"rot");
    let none = None::<(Carried<'_, SimDisk>, &mut Sources<SimDisk>)>;
    let progress = apply::repair(
        none,
        (tall.manifest.root(), &[]),
        (&slot, Progress { blocks: TALL as u64, ..Progress::default() }),
        Threads::NONE,
        &mut |_| (),
    );
    assert_eq!(counts(progress.unwrap()), (0, 128));
    // A slot with the same image has it all.
    let twin = file(tall.slot.clone());
    assert_eq!(tall.repair(&[5, low, middle, top], from_ref(&twin)), (4, 0));
    assert_eq!(tall.repair(&[0, 5, 6, 8200, TALL - 1], from_ref(&twin)), (5, 0));
}

#[test]
fn repair_says_what_it_did_and_what_is_left() {
    let fixture = Fixture::running();
    fixture.check("repair slot-a", 0, "slot-a: 0 repaired, 0 of 40 blocks are wrong\n");
    for block in [7, 8, 9, 30] {
        fixture.damage("slot-a", block);
    }
    fixture.check("verify slot-a", 8, "slot-a: 4 of 40 blocks differ\nblocks 7-9 30\n");
    let left = fixture.check("repair slot-a", 8, "slot-a: 0 repaired, 4 of 40 blocks are wrong\n");
    assert!(
        left.out.contains("`everboot repair SLOT --from FILE` takes them from a bundle of the same image"),
        "{}",
        left.out
    );
    fixture.check_refused("repair slot-a --from 2.everboot", 4, "it holds another image than the slot");
    fixture.check_refused("repair slot-b", 3, "the slot holds no image");
    fixture.check_refused("repair slot-a --from none.everboot", 1, "bundle: open none.everboot");
    fixture.check(
        "repair slot-a --from factory.everboot",
        0,
        "slot-a: 4 repaired, 0 of 40 blocks are wrong\n",
    );
    fixture.check("verify slot-a", 0, "slot-a: all 40 blocks are right\n");
    fixture.damage("slot-a", 3);
    fixture.bundle("1.everboot", bench_manifest("1.0"));
    fixture.check("repair slot-a --from 1.everboot", 0, "slot-a: 1 repaired, 0 of 40 blocks are wrong\n");
}

#[test]
fn the_files_of_blocks_are_named() {
    let temp_dir = TempDir::new("files");
    let text: Vec<u8> = (0..3 * BLOCK).map(|at| (at / BLOCK) as u8 + b'k').collect();
    temp_dir.run("mkdir -p root/etc");
    temp_dir.write("root/etc/hosts", &text);
    let motd = [b'z'; BLOCK];
    temp_dir.write("root/motd", &motd);
    let fixture = Fixture::running();
    for size in [4096, 1024] {
        temp_dir
            .run(&format!("truncate -s 8M {size}.img && mke2fs -q -F -t ext4 -b {size} -d root {size}.img"));
        let image = temp_dir.read(&format!("{size}.img"));
        let at = (0..image.len()).step_by(size).find(|at| image[*at..].starts_with(&text)).unwrap();
        let range = format!("{}-{}", at / BLOCK, (at + text.len() - 1) / BLOCK);
        let check = |part: &str| {
            let output = temp_dir.run(&format!("everboot-pack files {part} 0 {range} 2000"));
            assert!(
                output.contains(&format!("/etc/hosts: {range}\n")) && output.ends_with(" 2000\n"),
                "{output}"
            );
        };
        check(&format!("{size}.img"));
        let at = (0..image.len()).step_by(size).find(|at| image[*at..].starts_with(&motd)).unwrap() / BLOCK;
        let output = temp_dir.run(&format!("everboot-pack files {size}.img {at}"));
        assert!(output.lines().any(|line| line == format!("/motd: {at}")), "{output}");
        fixture.on_part("slot-a", |part| part.write_at(0, &image).unwrap());
        check(&format!("--disk {} slot-a", fixture.path("disk").display()));
    }
    temp_dir.run("printf hsqs > other.img && truncate -s 8M other.img");
    for (line, code, why) in [
        ("other.img 3", 1, "expected an ext4, whose blocks can be named, found a squashfs"),
        ("4096.img x", 2, "expected 7 or 7-12, found \"x\""),
        ("none.img 1", 1, "expected a PARTLABEL, a device or a file, found none"),
    ] {
        let (status, output) = temp_dir.try_run(&format!("everboot-pack files {line}"));
        assert!(status == Some(code) && output.contains(why), "{output}");
    }
}
