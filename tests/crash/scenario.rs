//! Where a search begins, and what its environment may do.

use super::act::{Act, Actor, Ending};
use super::known::known;
use super::machines::{NEWER_RECORD, NOT_YET, RUNS_AT_THE_START};
use everboot_agent::machine::Root;
use everboot_core::config::{Assess, Policy};

use everboot_kit::sim::{DurableState, RECORD, SLOT_A, SLOT_B, SimRoot};
use everboot_kit::timeline::without_history;
use everboot_kit::world::{World, image, lose_copy, manifest};
use everboot_storage::medium::Medium;

use std::sync::OnceLock;

/// A scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name, in reports and in what replays a failure.
    pub name: &'static str,
    /// What the machine is, and what was done to it before the search begins.
    pub start: fn() -> World,
    /// Done without crashes before the search begins.
    pub prelude: &'static [Act],
    /// What the running system may do, in any order and any number; a reboot always.
    pub acts: &'static [Act],
}

use Act::{
    Activate, Boot, Cancel, Confirm, OnceA, OnceB, Prepare, Reject, Repair, Rollback, Stage2, Stage3,
    StageBad, StageDelta,
};

const TWO_GOOD: &[Act] = &[Boot, Confirm, Stage2, Activate, Boot, Confirm];

const DUE_OVER_GOOD: &[Act] = &[Boot, Confirm, Stage2, Activate, Boot, Confirm, Stage3, Activate];

/// Version 3, with the highest floor, was confirmed and left for version 2.
const ROLLED_BACK: &[Act] =
    &[Boot, Confirm, Stage2, Activate, Boot, Confirm, Stage3, Activate, Boot, Confirm, Rollback, Boot];

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "factory", start: factory, prelude: &[], acts: &[Stage2, Activate, Confirm] },
    Scenario {
        name: "prepare",
        start: factory,
        prelude: &[Boot, Confirm],
        acts: &[Stage2, Prepare, Activate, Confirm],
    },
    Scenario {
        name: "due",
        start: factory,
        prelude: &[Boot, Confirm, Stage2, Activate],
        acts: &[Confirm, Cancel, Activate],
    },
    Scenario {
        name: "staged-twice",
        start: factory,
        prelude: &[Boot, Confirm],
        acts: &[Stage2, Stage3, Activate, Confirm],
    },
    Scenario {
        name: "half-prepared",
        start: half_prepared,
        prelude: &[],
        acts: &[Prepare, Activate, Cancel, Confirm],
    },
    Scenario {
        name: "over-a-good-slot",
        start: factory,
        prelude: TWO_GOOD,
        acts: &[Stage3, Activate, Confirm],
    },
    Scenario { name: "due-over-a-good-slot", start: factory, prelude: DUE_OVER_GOOD, acts: &[Confirm] },
    Scenario { name: "rollback", start: factory, prelude: TWO_GOOD, acts: &[Rollback, Confirm, Reject] },
    Scenario {
        name: "rollback-of-a-trial",
        start: factory,
        prelude: &[Boot, Confirm, Stage2, Activate, Boot],
        acts: &[Rollback, Confirm, Reject, Cancel],
    },
    Scenario {
        name: "rejected-and-running",
        start: factory,
        prelude: &[Boot, Confirm, Stage2, Activate, Boot],
        acts: &[Reject, Stage3, Prepare],
    },
    Scenario { name: "floor", start: factory, prelude: ROLLED_BACK, acts: &[Confirm, Rollback, Stage2] },
    Scenario { name: "boot-once", start: factory, prelude: TWO_GOOD, acts: &[OnceA, OnceB, Confirm, Reject] },
    Scenario {
        name: "tries-exhausted",
        start: factory,
        prelude: &[Boot, Confirm, Stage2, Activate, Boot, Boot],
        acts: &[Stage2, Activate, Confirm],
    },
    Scenario {
        name: "bad-image",
        start: factory,
        prelude: &[Boot, Confirm],
        acts: &[StageBad, Activate, Confirm],
    },
    Scenario {
        name: "bad-image-prepared",
        start: factory,
        prelude: &[Boot, Confirm],
        acts: &[StageBad, Prepare, Activate, Confirm],
    },
    Scenario {
        name: "delta",
        start: factory,
        prelude: &[Boot, Confirm],
        acts: &[StageDelta, Prepare, Activate, Confirm],
    },
    Scenario {
        name: "delta-due",
        start: factory,
        prelude: &[Boot, Confirm, StageDelta, Activate],
        acts: &[Confirm, Cancel, Activate],
    },
    Scenario {
        name: "no-record",
        start: no_record,
        prelude: &[],
        acts: &[Stage2, Activate, Confirm, Repair],
    },
    Scenario {
        name: "no-record-two-good",
        start: no_record_two_good,
        prelude: &[],
        acts: &[Confirm, Rollback, Repair],
    },
    Scenario {
        name: "no-record-unmarked",
        start: no_record_unmarked,
        prelude: &[],
        acts: &[Confirm, Repair],
    },
    Scenario {
        name: "first-copy-bad",
        start: first_copy_bad,
        prelude: &[],
        acts: &[Confirm, Repair, Stage2, Activate],
    },
    Scenario {
        name: "last-copy-bad",
        start: last_copy_bad,
        prelude: &[],
        acts: &[Confirm, Repair, Stage2, Activate],
    },
    Scenario {
        name: "newer-copy-unreadable",
        start: newer_copy_unreadable,
        prelude: &[],
        acts: &[Confirm, Repair, Stage3, Activate],
    },
    Scenario {
        name: "older-copy-unreadable",
        start: older_copy_unreadable,
        prelude: &[],
        acts: &[Confirm, Cancel, Activate],
    },
    Scenario { name: "recovery-slot", start: recovery_slot, prelude: &[], acts: &[Confirm] },
    Scenario {
        name: "assess-upgrade",
        start: assess_upgrade,
        prelude: &[Boot, Confirm],
        acts: &[Stage2, Activate, Confirm],
    },
    Scenario {
        name: "default-tries",
        start: World::factory,
        prelude: &[Boot, Confirm],
        acts: &[Stage2, Activate, Confirm],
    },
    NEWER_RECORD,
];

/// The policy of somebody's machine, in place of [`FEW_TRIES`]; said before the first search.
pub static POLICY: OnceLock<Policy> = OnceLock::new();

/// Counters that are small, so that a search comes to its end.
const FEW_TRIES: Policy = Policy { tries: 2, handoffs: 3, apply_starts: 2, assess: Assess::Always };

/// The factory's machine.
pub fn factory() -> World {
    let mut world = World::factory();
    let Policy { tries, handoffs, apply_starts, assess } = *POLICY.get().unwrap_or(&FEW_TRIES);
    let config = &mut world.config;
    (config.tries, config.handoffs, config.apply_starts, config.assess) =
        (tries, handoffs, apply_starts, assess);
    world
}

fn assess_upgrade() -> World {
    let mut world = factory();
    world.config.assess = Assess::Upgrade;
    world
}

/// A prepare that was cut in the middle of the blocks.
fn half_prepared() -> World {
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

fn no_record() -> World {
    let world = factory();
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

fn no_record_two_good() -> World {
    let mut world = factory();
    world.fill(SLOT_B, manifest(2), &image(2, SimRoot::Boots));
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

/// Slots that were filled and never confirmed.
fn no_record_unmarked() -> World {
    let mut world = factory();
    world.fill(SLOT_B, manifest(2), &image(2, SimRoot::Boots));
    for part in [SLOT_A, SLOT_B] {
        everboot_storage::apply::unmark(&world.machine.parts[part]).unwrap();
    }
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

fn first_copy_bad() -> World {
    let world = factory();
    wipe(&world, RECORD, 0, 4096);
    world
}

fn last_copy_bad() -> World {
    let world = factory();
    wipe(&world, RECORD, (1 << 20) - 4096, 4096);
    world
}

/// Of a machine that confirmed a trial on its last try, when power failed before the bundle was removed.
fn newer_copy_unreadable() -> World {
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
fn older_copy_unreadable() -> World {
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
fn recovery_slot() -> World {
    let mut world = factory();
    world.machine.add_recovery(SimRoot::Boots);
    for part in [SLOT_A, SLOT_B] {
        wipe(&world, part, 0, 64 * 4096);
    }
    wipe(&world, RECORD, 0, 1 << 20);
    world
}

impl Scenario {
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().chain(NOT_YET).find(|scenario| scenario.name == name)
    }

    /// The actor, the disk, and what runs: nothing, or the root that the prelude ended in.
    pub fn begin(&self) -> (Actor, DurableState, Option<Root>) {
        let world = (self.start)();
        let actor = Actor::new(&world, self.name);
        let mut durable = without_history(&world.machine.durable());
        let mut entered = world.machine.entered.filter(|_| self.name == RUNS_AT_THE_START);
        for act in self.prelude {
            let run = actor.run(&durable, entered, *act, None);
            assert!(
                matches!(run.ending, Ending::Done | Ending::Entered(..)),
                "{}: {:?}",
                self.name,
                run.ending
            );
            durable = without_history(&run.end);
            entered = run.entered;
        }
        (actor, durable, entered)
    }
}
