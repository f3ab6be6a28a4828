//! Zeroes that a medium is asked for: how many, and what becomes of an apply where it fails or lies.

use everboot_core::manifest::{Manifest, PartImage};
use everboot_core::slot::BLOCK;
use everboot_kit::sim::{SLOT_A, SURVIVORS, SimDisk, SimRoot};
use everboot_kit::small_delta::{delta_of, groups, second};
use everboot_kit::world::{THREE, World, bundle, image as old_image, manifest};
use everboot_storage::apply::{self, Error, Layout, Progress};
use everboot_storage::bundle::{Bundle, Sources};
use everboot_storage::medium::{self, Medium, Op};
use everboot_storage::worker_pool::Threads;
use std::io;
use std::sync::Mutex;

/// Blocks of the image, and of each of its frames.
const BLOCKS: usize = 80;
const FRAME: u32 = 32;

/// Three frames: one whose second half is zero, one that is all zero, and one without zeroes. The first one has a zero
/// block among others.
fn image() -> Vec<u8> {
    let is_zero = |block: usize| block == 3 || (16..64).contains(&block);
    (0..BLOCKS).flat_map(|block| [if is_zero(block) { 0 } else { block as u8 + 1 }; BLOCK]).collect()
}

fn in_frames() -> Manifest {
    let manifest = manifest(2);
    let root = PartImage { size: (BLOCKS * BLOCK) as u64, frame_blocks: FRAME, ..manifest.root().clone() };
    Manifest { parts: vec![root], ..manifest }
}

/// What a device does that is asked for zeroes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Makes,
    /// It says that it has, and leaves what was there.
    Lies,
    /// It makes all but the last block.
    Forgets,
    Fails,
}

/// A slot on a device that can be asked for zeroes.
struct Device {
    slot: SimDisk,
    does: Does,
    /// Blocks of each time that it was asked: the first, and how many.
    asked: Mutex<Vec<(u64, u64)>>,
}

impl Device {
    fn new(does: Does) -> Self {
        let slot = SimDisk::with_power(vec![0xaa; (BLOCKS + 40) * BLOCK], SimDisk::new(0).power());
        Self { slot, does, asked: Mutex::default() }
    }

    fn apply(&self, threads: Threads) -> Result<Progress, Error> {
        let file = SimDisk::with_power(bundle(in_frames(), &image()), SimDisk::new(0).power());
        let mut bundle = Bundle::open(file, &World::blank().keys).unwrap();
        apply::apply(&mut bundle, &mut [Sources::none()], &[&self], threads, &mut |_| ())
    }

    fn holds_image(&self) -> bool {
        self.slot.content()[..BLOCKS * BLOCK] == image()
    }
}

impl Medium for &Device {
    fn len(&self) -> u64 {
        self.slot.len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), medium::Error> {
        self.slot.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), medium::Error> {
        self.slot.write_at(offset, data)
    }
    fn write_zeroes(&self, offset: u64, len: u64) -> Result<(), medium::Error> {
        let block = BLOCK as u64;
        self.asked.lock().unwrap().push((offset / block, len / block));
        match self.does {
            Does::Makes => self.slot.write_zeroes(offset, len),
            Does::Lies => Ok(()),
            Does::Forgets => self.slot.write_zeroes(offset, len - block),
            Does::Fails => Err(medium::Error::at(Op::Write, offset, io::Error::from_raw_os_error(5))),
        }
    }
    fn sync(&self) -> Result<(), medium::Error> {
        self.slot.sync()
    }
}

#[test]
fn a_device_is_asked_for_zeroes_where_many_lie_together() {
    let device = Device::new(Does::Makes);
    let progress = device.apply(Threads::NONE).unwrap();
    assert_eq!(*device.asked.lock().unwrap(), [(16, 16), (32, 32)]);
    assert!(device.holds_image());
    let layout = Layout::new(device.slot.len(), (BLOCKS * BLOCK) as u64).unwrap();
    let all = layout.image_len + layout.tree_len;
    assert_eq!((progress.proven, progress.written, progress.bytes_written), (80, 80, all));
}

#[test]
fn zeroes_that_are_there_are_not_asked_for() {
    let device = Device::new(Does::Makes);
    device.apply(Threads::NONE).unwrap();
    device.slot.write_at(40 * BLOCK as u64, &[1]).unwrap();
    device.asked.lock().unwrap().clear();
    device.apply(Threads::NONE).unwrap();
    assert_eq!(*device.asked.lock().unwrap(), [(40, 1)]);
    assert!(device.holds_image());
}

/// There are such devices: the kernel has a list of them, which is never whole.
#[test]
fn a_device_that_lies_about_zeroes_gets_them_as_bytes() {
    for does in [Does::Lies, Does::Forgets] {
        for threads in [Threads::NONE, THREE] {
            let device = Device::new(does);
            let progress = device.apply(threads).unwrap_or_else(|error| panic!("{does:?}: {error}"));
            assert!(device.holds_image(), "{does:?}");
            assert_eq!((progress.proven, progress.written), (80, 80), "{does:?}");
        }
    }
}

/// What it gets as bytes lies behind a barrier of its own, before there is a trailer.
#[test]
fn a_device_that_lies_about_zeroes_may_be_cut_anywhere() {
    let whole = Device::new(Does::Lies);
    whole.apply(Threads::NONE).unwrap();
    let operations = whole.slot.power().used();
    assert!(operations > 10, "{operations}");
    for threads in [Threads::NONE, THREE] {
        for cut in 0..operations {
            for survives in SURVIVORS {
                let device = Device::new(Does::Lies);
                device.slot.power().cut_after(cut);
                let cut_off = device.apply(threads).is_err();
                device.slot.crash(*survives);
                let has_trailer = apply::read_trailer(&device.slot).unwrap().is_some();
                assert!(!has_trailer || device.holds_image(), "cut {cut}, {survives:?}");
                assert!(cut_off || has_trailer, "cut {cut}, {survives:?}");
                device.apply(threads).unwrap();
                assert!(device.holds_image(), "cut {cut}, {survives:?}");
            }
        }
    }
}

#[test]
fn a_device_that_fails_when_it_is_asked_for_zeroes_gets_them_as_bytes() {
    let device = Device::new(Does::Fails);
    device.apply(Threads::NONE).unwrap();
    assert!(device.holds_image());
}

/// Zeroes lie where no group begins, too.
#[test]
fn a_delta_asks_for_zeroes_like_a_whole_image() {
    let (old, mut new) = (old_image(1, SimRoot::Boots), old_image(1, SimRoot::Boots));
    // The second of groups of five.
    new[5 * BLOCK..10 * BLOCK].fill(0);
    let bytes = delta_of(&bundle(second(), &new), &groups(&old, &new));
    for does in [Does::Makes, Does::Lies, Does::Forgets] {
        let (world, source, target) = (World::running(), Device::new(does), Device::new(does));
        let source = Device { slot: world.machine.parts[SLOT_A].clone(), ..source };
        let mut sources = [Sources::none()];
        let trailer = apply::read_trailer(&source.slot).unwrap().unwrap();
        sources[0].push(&source, trailer.signed.verify(&world.keys).unwrap().root()).unwrap();
        let file = SimDisk::with_power(bytes.clone(), SimDisk::new(0).power());
        let mut bundle = Bundle::open(file, &world.keys).unwrap();
        apply::apply(&mut bundle, &mut sources, &[&target], Threads::NONE, &mut |_| ()).unwrap();
        assert_eq!(*target.asked.lock().unwrap(), [(5, 5)], "{does:?}");
        assert!(target.slot.content()[..new.len()] == new, "{does:?}");
    }
}
