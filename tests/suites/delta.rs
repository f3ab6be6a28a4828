//! Deltas: an image described by what other slots have.

use everboot_agent::flow;
use everboot_core::manifest::Manifest;
use everboot_core::slot::{BLOCK, SlotState};
use everboot_kit::sim::{SLOT_A, SLOT_B, SURVIVORS, SimDisk, SimRoot};
use everboot_kit::small_delta::{delta, delta_of, groups, new_image, old_root, second};
use everboot_kit::world::{THREE, World, bundle, image, manifest};
use everboot_storage::apply;
use everboot_storage::bundle::{self, Body, Bundle, Run, Sources};
use everboot_storage::medium::Medium;
use everboot_storage::worker_pool::Threads;

fn states(world: &mut World) -> Vec<SlotState> {
    world.record().slots.iter().map(|slot| slot.state).collect()
}

#[test]
fn a_delta_is_staged_prepared_and_booted_like_a_whole_bundle() {
    let mut world = World::running();
    world.stage(delta()).unwrap();
    flow::prepare(world.site()).unwrap();
    let slot = world.machine.parts[SLOT_B].content();
    assert!(slot[..new_image().len()] == new_image());
    let slot = world.site().machine.parts[SLOT_B].clone();
    let signed = apply::read_trailer(&slot).unwrap().unwrap().signed;
    let verified =
        apply::verify(&slot, signed.verify(&world.keys).unwrap().root(), Threads::NONE, &mut |_| ()).unwrap();
    assert!(verified.is_none() && verified.blocks > 0);
    flow::activate(world.site()).unwrap();
    boots_the_new_slot(&mut world, "prepared");
    flow::confirm(world.site()).unwrap();
}

/// Longer than a watchdog waits may be what the tree of a large delta takes: each group of it is a sign of life.
#[test]
fn a_tree_that_is_made_of_a_delta_gives_a_sign_of_life_with_each_group() {
    let world = World::running();
    let keys = world.keys.clone();
    let open = || Bundle::open(SimDisk::with_power(delta(), world.machine.parts[0].power()), &keys).unwrap();
    let source = || {
        let slot = world.machine.parts[SLOT_A].clone();
        let image = apply::read_trailer(&slot).unwrap().unwrap().signed.verify(&keys).unwrap().root().clone();
        let mut sources = Sources::none();
        sources.push(slot, &image).unwrap();
        [sources]
    };
    let (mut bundle, mut signs) = (open(), 0);
    let Body::Delta(told) = &bundle.bodies()[0] else { panic!("whole") };
    let groups = told.count();
    apply::check(&mut bundle, &mut source(), Threads::NONE, &mut |proven, _| signs += u64::from(proven == 0))
        .unwrap();
    assert!(groups > 0 && signs >= groups, "{signs} signs of {groups} groups");
    let (mut bundle, mut signs) = (open(), 0);
    let slot = world.machine.parts[SLOT_B].clone();
    apply::apply(&mut bundle, &mut source(), &[slot], Threads::NONE, &mut |progress| {
        signs += u64::from(progress.proven == 0);
    })
    .unwrap();
    // The tree is made twice: to be checked, and in the slot.
    assert!(signs >= 2 * groups, "{signs} signs of {groups} groups");
}

fn boots_the_new_slot(world: &mut World, case: &str) {
    let outcome = world.boot();
    let flow::Destination::Root(_, root, _) = outcome.destination else {
        panic!("{case}: {:?}", outcome.notes)
    };
    assert_eq!(root.at.part, SLOT_B, "{case}: {:?}", outcome.notes);
    assert!(world.machine.parts[SLOT_B].content()[..new_image().len()] == new_image(), "{case}");
}

#[test]
fn a_delta_is_applied_in_early_boot_whatever_is_cut_and_lost() {
    let mut start = World::running();
    start.stage(delta()).unwrap();
    flow::activate(start.site()).unwrap();
    let mut clean = start.fork();
    let before = clean.machine.power.used();
    boots_the_new_slot(&mut clean, "not cut");
    let operations = clean.machine.power.used() - before;
    assert!(operations > 10, "{operations}");
    let old = start.machine.parts[SLOT_A].content();
    for cut in 0..operations {
        for survives in SURVIVORS {
            let mut world = start.fork();
            world.machine.power.cut_after(cut);
            world.boot();
            world.machine.crash(*survives);
            boots_the_new_slot(&mut world, &format!("cut {cut}, {survives:?}"));
            assert!(world.machine.parts[SLOT_A].content() == old, "cut {cut}: the other slot was written");
        }
    }
}

#[test]
fn a_delta_without_its_source_is_refused_before_anything_is_written() {
    let mut world = World::blank();
    world.fill(SLOT_A, manifest(1), &image(3, SimRoot::Boots));
    flow::init(world.site(), None, false).unwrap();
    world.boot();
    flow::confirm(world.site()).unwrap();
    let (before, disks) = (states(&mut world), world.machine.parts.clone());
    let contents: Vec<_> = disks.iter().map(SimDisk::content).collect();
    let refused = world.stage(delta()).unwrap_err();
    let expected = bundle::Error::Source { root: old_root() };
    assert_eq!(refused.to_string(), format!("bundle: {expected}"));
    assert_eq!(states(&mut world), before);
    assert!(disks.iter().map(SimDisk::content).eq(contents));
    assert!(world.machine.staging.names().is_empty());
}

/// A machine that runs version 1 from an open slot.
fn open() -> World {
    let mut world = World::blank();
    let mut open = manifest(1);
    open.parts[0].open = true;
    world.fill(SLOT_A, open, &image(1, SimRoot::Boots));
    flow::init(world.site(), None, false).unwrap();
    world.boot();
    flow::confirm(world.site()).unwrap();
    world
}

/// Whoever runs an open slot may write to it, so nothing is left for early boot that needs it.
#[test]
fn a_delta_of_an_open_slot_is_prepared_and_not_left_for_early_boot() {
    let mut world = open();
    world.stage(delta()).unwrap();
    let before = world.record();
    let refused = flow::activate(world.site()).unwrap_err().to_string();
    assert!(refused.contains("`everboot prepare` it"), "{refused}");
    assert_eq!(world.record(), before);
    flow::prepare(world.site()).unwrap();
    flow::activate(world.site()).unwrap();
    boots_the_new_slot(&mut world, "open");
    // Where no slot has the image, nobody speaks of an open one.
    let mut world = open();
    world.stage(delta()).unwrap();
    world.fill(SLOT_A, manifest(1), &image(3, SimRoot::Boots));
    let refused = flow::prepare(world.site()).unwrap_err().to_string();
    assert!(refused.contains("which no slot holds"), "{refused}");
    flow::activate(world.site()).unwrap();
}

/// What is due may be staged again, as another bundle of the same image.
#[test]
fn a_delta_of_an_open_slot_takes_the_place_of_nothing_that_is_due() {
    let mut world = open();
    world.stage(bundle(second(), &new_image())).unwrap();
    flow::activate(world.site()).unwrap();
    let refused = world.stage(delta()).unwrap_err().to_string();
    assert!(refused.contains("or use the whole bundle"), "{refused}");
    boots_the_new_slot(&mut world, "due");
}

/// Before it was staged, and after.
#[test]
fn an_open_slot_that_has_changed_is_no_source() {
    let spoil = |world: &World| {
        let slot = world.machine.parts[SLOT_A].clone();
        (0..image(1, SimRoot::Boots).len() as u64 / BLOCK as u64)
            .for_each(|block| slot.write_at(block * BLOCK as u64 + 2000, &[0xee; 3]).unwrap());
    };
    let mut world = open();
    spoil(&world);
    assert!(world.stage(delta()).unwrap_err().to_string().contains("use the whole bundle"));
    let mut world = open();
    world.stage(delta()).unwrap();
    spoil(&world);
    let (before, other) = (states(&mut world), world.machine.parts[SLOT_B].content());
    assert!(flow::prepare(world.site()).is_err());
    let refused = flow::activate(world.site()).unwrap_err().to_string();
    assert!(refused.contains("`everboot prepare` it"), "{refused}");
    assert_eq!(states(&mut world), before);
    assert!(world.machine.parts[SLOT_B].content() == other, "the other slot was written");
}

#[test]
fn a_source_that_has_rotted_is_noticed_when_the_delta_is_staged() {
    let blocks = image(1, SimRoot::Boots).len() / BLOCK;
    for block in 0..blocks as u64 {
        let mut world = World::running();
        let slot = world.machine.parts[SLOT_A].clone();
        slot.write_at(block * BLOCK as u64 + 2000, &[0xee; 3]).unwrap();
        let staged = world.stage(delta());
        // Block 0 says how the root behaves, and image 2 has one of its own.
        let is_needed = groups(&image(1, SimRoot::Boots), &new_image()).iter().any(|(group, _)| {
            let copied = group
                .runs
                .iter()
                .filter_map(|run| if let Run::Copy(piece) = run { Some(piece) } else { None });
            copied.chain(&group.prefix).any(|piece| (piece.first..piece.first + piece.count).contains(&block))
        });
        assert_eq!(staged.is_err(), is_needed, "block {block}: {staged:?}");
        assert!(world.machine.staging.names().is_empty() || !is_needed);
    }
}

#[test]
fn a_delta_that_tells_another_image_is_refused_before_anything_is_written() {
    let whole = bundle(second(), &new_image());
    let mut groups = groups(&image(1, SimRoot::Boots), &new_image());
    let runs = &mut groups[1].0.runs;
    runs.swap(0, 1);
    let mut world = World::running();
    let error = world.stage(delta_of(&whole, &groups)).unwrap_err();
    assert_eq!(error.to_string(), "bundle: delta: it does not make the signed image");
    // The same in early boot, where nothing is trusted that was true when it was staged.
    let mut opened =
        Bundle::open(SimDisk::with_power(delta_of(&whole, &groups), SimDisk::new(0).power()), &world.keys)
            .unwrap();
    let source = world.machine.parts[SLOT_A].clone();
    let mut sources = [Sources::none()];
    sources[0].push(source, manifest_in(&world, SLOT_A).root()).unwrap();
    let target = world.machine.parts[SLOT_B].clone();
    let before = target.content();
    assert!(
        apply::apply(&mut opened, &mut sources, std::slice::from_ref(&target), Threads::NONE, &mut |_| ())
            .is_err()
    );
    assert!(target.content() == before);
}

fn manifest_in(world: &World, part: usize) -> Manifest {
    let trailer = apply::read_trailer(&world.machine.parts[part]).unwrap().unwrap();
    trailer.signed.verify(&world.keys).unwrap()
}

#[test]
fn any_flipped_byte_of_a_delta_is_refused_or_does_no_harm() {
    let bytes = delta();
    let start = World::running();
    let first = bytes.windows(8).position(|window| window == b"evbdelta").unwrap();
    let mut refused = 0;
    for at in first..bytes.len() - 1024 {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x11;
        let mut world = start.fork();
        if world.stage(flipped).is_err() {
            refused += 1;
            continue;
        }
        flow::prepare(world.site()).unwrap_or_else(|error| panic!("byte {at}: {error}"));
        assert!(world.machine.parts[SLOT_B].content()[..new_image().len()] == new_image(), "byte {at}");
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn a_delta_names_the_images_that_it_needs() {
    let opened =
        Bundle::open(SimDisk::with_power(delta(), SimDisk::new(0).power()), &World::blank().keys).unwrap();
    let [Body::Delta(delta)] = opened.bodies() else { panic!("a whole bundle") };
    assert_eq!(delta.sources(), [(old_root(), (new_image().len() / BLOCK) as u64)]);
}

/// In no order that could be foreseen: whatever it is, the slot is whole or has no trailer, and then the apply is
/// repeated.
#[test]
fn an_apply_by_several_threads_may_be_cut_anywhere() {
    let world = World::running();
    let whole = bundle(second(), &new_image());
    for bytes in [whole, delta()] {
        for cut in 0..40 {
            for survives in SURVIVORS {
                let world = world.fork();
                let (old, manifest) = (world.machine.parts[SLOT_A].clone(), manifest_in(&world, SLOT_A));
                let target = world.machine.parts[SLOT_B].clone();
                let apply = |world: &World| {
                    let file = SimDisk::with_power(bytes.clone(), SimDisk::new(0).power());
                    let mut bundle = Bundle::open(file, &world.keys).unwrap();
                    let mut sources = [Sources::none()];
                    if matches!(bundle.bodies(), [Body::Delta(_)]) {
                        sources[0].push(old.clone(), manifest.root()).unwrap();
                    }
                    apply::apply(&mut bundle, &mut sources, std::slice::from_ref(&target), THREE, &mut |_| ())
                };
                world.machine.power.cut_after(cut);
                let cut_off = apply(&world).is_err();
                world.machine.crash(*survives);
                let is_new =
                    |world: &World| world.machine.parts[SLOT_B].content()[..new_image().len()] == new_image();
                let has_trailer = apply::read_trailer(&world.machine.parts[SLOT_B]).unwrap().is_some();
                assert!(!has_trailer || is_new(&world), "cut {cut}, {survives:?}");
                assert!(cut_off || has_trailer, "cut {cut}, {survives:?}");
                apply(&world).unwrap();
                assert!(is_new(&world), "cut {cut}, {survives:?}");
            }
        }
    }
}
