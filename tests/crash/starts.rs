//! What a machine is before a search begins.

use super::known::known;
use everboot_core::config::{Assess, Policy};
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SimRoot};
use everboot_kit::world::{World, image, lose_copy, manifest};
use everboot_storage::medium::Medium;
use std::sync::OnceLock;

/// The policy of somebody's machine, in place of [`FEW_TRIES`]; said before the first search.
pub static POLICY: OnceLock<Policy> = OnceLock::new();

/// Counters that are small, so that a search comes to its end.
const FEW_TRIES: Policy = Policy {
    tries: 2,
    handoffs: 3,
    apply_starts: 2,
    apply_starts_in_all: 4,
    assess: Assess::Always,
    strict: false,
};

/// The factory's machine.
pub fn factory() -> World {
    let mut world = World::factory();
    let Policy { tries, handoffs, apply_starts, apply_starts_in_all, assess, .. } =
        *POLICY.get().unwrap_or(&FEW_TRIES);
    let config = &mut world.config;
    (config.tries, config.handoffs, config.assess) = (tries, handoffs, assess);
    (config.apply_starts, config.apply_starts_in_all) = (apply_starts, apply_starts_in_all);
    world
}

pub fn assess_upgrade() -> World {
    let mut world = factory();
    world.config.assess = Assess::Upgrade;
    world
}

/// A prepare that was cut in the middle of the blocks.
pub fn half_prepared() -> World {
    let mut world = factory();
    let acts: [fn(&mut World); 2] =
        [|world| drop(world.boot()), |world| drop(everboot_agent::flow::confirm(world.site()))];
    acts.iter().for_each(|act| act(&mut world));
    let two = known().iter().find(|known| known.version == 2 && known.boots).unwrap();
    world.stage(two.file.to_vec()).unwrap();
    world.machine.power.cut_after(8);
    let _ = everboot_agent::flow::prepare(world.site());
    world.machine.crash(everboot_kit::sim::Survives::TornLast);
    world
}

fn wipe(world: &World, part: usize, at: u64, len: u64) {
    world.machine.parts[part].write_zeroes(at, len).unwrap();
    world.machine.parts[part].sync().unwrap();
}

pub fn no_record() -> World {
    let world = factory();
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

pub fn no_record_two_good() -> World {
    let mut world = factory();
    world.fill(SLOT_B, manifest(2), &image(2, SimRoot::Boots));
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

/// Slots that were filled and never confirmed.
pub fn no_record_unmarked() -> World {
    let mut world = factory();
    world.fill(SLOT_B, manifest(2), &image(2, SimRoot::Boots));
    for part in [SLOT_A, SLOT_B] {
        everboot_storage::apply::unmark(&world.machine.parts[part]).unwrap();
    }
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

pub fn first_copy_bad() -> World {
    let world = factory();
    wipe(&world, RECORD, 0, 4096);
    world
}

pub fn last_copy_bad() -> World {
    let world = factory();
    wipe(&world, RECORD, (1 << 20) - 4096, 4096);
    world
}

/// Of a machine that confirmed a trial on its last try, when power failed before the bundle was removed.
pub fn newer_copy_unreadable() -> World {
    let mut world = due();
    for _ in 0..2 {
        world.boot();
    }
    let staging = world.machine.staging.fork(&world.machine.power);
    everboot_agent::flow::confirm(world.site()).unwrap();
    world.machine.staging = staging;
    lose_copy(&world, true);
    world
}

/// Of a machine on which an apply is due.
pub fn older_copy_unreadable() -> World {
    let world = due();
    lose_copy(&world, false);
    world
}

/// Version 2 is staged, and its apply is due.
fn due() -> World {
    let mut world = factory();
    world.boot();
    everboot_agent::flow::confirm(world.site()).unwrap();
    let two = known().iter().find(|known| known.version == 2 && known.boots).unwrap();
    world.stage(two.file.to_vec()).unwrap();
    everboot_agent::flow::activate(world.site()).unwrap();
    world
}

/// Both slots are empty, and there is a recovery slot.
pub fn recovery_slot() -> World {
    let mut world = factory();
    world.machine.add_recovery(SimRoot::Boots);
    for part in [SLOT_A, SLOT_B] {
        wipe(&world, part, 0, 64 * 4096);
    }
    wipe(&world, RECORD, 0, 1 << 20);
    world
}
