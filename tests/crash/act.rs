//! What may happen to a machine between two power cuts.

use super::known::{DELTA, NEXT, known};
use everboot_agent::flow::{self, Destination, Error};
use everboot_agent::machine::{Root, Survey};
use everboot_core::config::Config;
use everboot_core::decide::{Decision, Reason};
use everboot_core::record::Record;
use everboot_core::slot::SlotId;
use everboot_kit::invariants::Entered;
use everboot_kit::memo::MEMO;
use everboot_kit::sim::power::{DiskFault, Event, MediumId};
use everboot_kit::sim::{DurableState, SLOT_A, SimDisk, SimMachine, SimRoot};
use everboot_kit::timeline::saves;
use everboot_kit::world::World;
use everboot_storage::bundle::Keys;
use everboot_storage::medium::Op;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Power on, up to the hand-off; from a running system, a reboot.
    Boot,
    /// Stage version 2, 3.
    Stage2,
    Stage3,
    /// Stage version 2 whose root has no init.
    StageBad,
    /// Stage a version 2 that is a delta to version 1.
    StageDelta,
    Prepare,
    Activate,
    Confirm,
    Reject,
    Rollback,
    /// The next boot goes to slot-a, to slot-b.
    OnceA,
    OnceB,
    Cancel,
    Repair,
    /// Stage the next good version: higher than all others, and never seen before.
    StageNext,
}

/// All acts with their names.
pub const ACTS: &[(Act, &str)] = &[
    (Act::Boot, "boot"),
    (Act::Stage2, "stage2"),
    (Act::Stage3, "stage3"),
    (Act::StageBad, "stage-bad"),
    (Act::StageDelta, "stage-delta"),
    (Act::Prepare, "prepare"),
    (Act::Activate, "activate"),
    (Act::Confirm, "confirm"),
    (Act::Reject, "reject"),
    (Act::Rollback, "rollback"),
    (Act::OnceA, "once-a"),
    (Act::OnceB, "once-b"),
    (Act::Cancel, "cancel"),
    (Act::Repair, "repair"),
    (Act::StageNext, "stage-next"),
];

impl Act {
    pub fn name(self) -> &'static str {
        ACTS.iter().find(|(act, _)| *act == self).map_or("", |(_, name)| name)
    }

    pub fn parse(text: &str) -> Option<Self> {
        ACTS.iter().find(|(_, name)| *name == text).map(|(act, _)| *act)
    }
}

/// How an act ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A root was entered, and why.
    Entered(Root, String),
    /// The recovery slot was.
    RecoverySlot,
    /// Nothing can be booted; the notes of the boot.
    Recovery(String),
    /// The verb did it.
    Done,
    /// The verb refused, before it touched anything.
    Refused(String),
    /// The verb failed on the way.
    Failed(String),
    /// It panicked, or did not end.
    Panicked(String),
}

/// An act, carried out.
#[derive(Debug, Clone)]
pub struct Run {
    pub ending: Ending,
    /// What it changed, in order.
    pub events: Vec<Event>,
    /// Every operation.
    pub calls: Vec<(Op, MediumId)>,
    /// What a reader sees afterwards.
    pub end: DurableState,
    /// The root that runs afterwards.
    pub entered: Option<Root>,
    /// Writes past the end of a medium.
    pub strays: u64,
    /// The medium that failed.
    pub failed: Option<MediumId>,
}

impl Run {
    /// What was entered.
    pub fn entered(&self) -> Option<Entered> {
        let Ending::Entered(root, why) = &self.ending else { return None };
        let slot = slot_on(root.at.part).map(|slot| SlotId(slot as u8));
        Some(Entered { slot, after_recovery: *why == Reason::RecoveryRetry.to_string() })
    }

    /// Why the boot went where it went.
    pub fn reason(&self) -> &str {
        if let Ending::Entered(_, why) = &self.ending { why } else { "" }
    }

    /// The slot that an apply or a prepare writes, and how many changes come before that. A mark takes nothing from a
    /// slot.
    pub fn first_written(&self) -> Option<(SlotId, usize)> {
        let written = |event: &Event| match event {
            Event::Write { data, .. } if data.starts_with(b"evb-mark") => None,
            Event::Write { medium, .. } => slot_on(*medium).map(|slot| SlotId(slot as u8)),
            _ => None,
        };
        self.events.iter().enumerate().find_map(|(at, event)| Some((written(event)?, at)))
    }

    /// The records that were saved, one after the other; `None` stands for a write to a slot between them.
    pub fn saves(&self) -> Vec<Option<Record>> {
        saves(&self.events)
    }
}

/// The slot on a partition, if it is one's.
pub fn slot_on(part: usize) -> Option<usize> {
    part.checked_sub(SLOT_A).filter(|slot| *slot < 2)
}

/// What is wrong with all media.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The last write before a barrier passes it.
    pub swap_writes: bool,
    /// Every third barrier does nothing.
    pub drop_syncs: bool,
}

/// More operations than any act needs.
const BUDGET: u64 = 3000;
/// How often recovery looks again.
const PATIENCE: usize = 3;

/// A machine that does acts on any disk.
pub struct Actor {
    survey: Survey,
    config: Config,
    keys: Keys,
    /// What the initramfs has, where that is something else.
    pub initramfs: Option<(Config, Keys)>,
    /// Whether the machine can take a new version at all.
    pub takes_updates: bool,
    /// What goes wrong in every act.
    pub media: Faults,
}

impl Actor {
    pub fn new(world: &World) -> Self {
        let (survey, config) = (world.machine.survey.clone(), world.config.clone());
        let mut keys = world.keys.clone();
        keys.recall_with(MEMO);
        let media = Faults::default();
        Self { survey, config, keys, initramfs: None, takes_updates: true, media }
    }

    /// Boots of a trial that nobody confirms.
    pub fn tries(&self) -> usize {
        self.config.tries.min(self.config.handoffs).into()
    }

    /// The machine with these bytes on its disk.
    fn machine(&self, durable: &DurableState, entered: Option<Root>) -> World {
        let mut machine = SimMachine::of(self.survey.clone(), durable);
        machine.entered = entered;
        let mut world = World::unrecorded(machine, self.config.clone(), self.keys.clone());
        world.operator.patience = PATIENCE;
        world
    }

    /// The decision of the next boot, as `explain` shows it in the system that runs.
    pub fn explain(&self, durable: &DurableState, entered: Option<Root>) -> Option<Decision> {
        let mut world = self.machine(durable, entered);
        flow::status(world.site(), None).ok().map(|status| status.decision)
    }

    /// Does an act.
    pub fn run(
        &self,
        durable: &DurableState,
        entered: Option<Root>,
        act: Act,
        fault: Option<(usize, DiskFault)>,
    ) -> Run {
        self.run_with(durable, entered, act, fault, &[])
    }

    /// The same where some partitions hold a root that cannot be entered.
    pub fn run_with(
        &self,
        durable: &DurableState,
        entered: Option<Root>,
        act: Act,
        fault: Option<(usize, DiskFault)>,
        unbootable: &[usize],
    ) -> Run {
        let media = self.media;
        let mut world = self.machine(durable, entered);
        if let (Act::Boot, Some((config, keys))) = (act, &self.initramfs) {
            (world.config, world.keys) = (config.clone(), keys.clone());
        }
        world.machine.unbootable = unbootable.to_vec();
        let power = world.machine.power.clone();
        power.set_budget(BUDGET);
        if let Some((call, how)) = fault {
            power.fail(call, how);
        }
        if media.swap_writes {
            power.swap_writes();
        }
        if media.drop_syncs {
            power.drop_syncs();
        }
        let ending = catch_unwind(AssertUnwindSafe(|| perform(&mut world, act)));
        let ending = ending.unwrap_or_else(|panic| Ending::Panicked(message(&*panic)));
        let (end, strays) = (world.machine.durable(), power.strays());
        let (events, calls) = (power.take_events(), power.calls());
        let failed = fault.and_then(|(call, _)| calls.get(call)).map(|(_, medium)| *medium);
        Run { ending, events, calls, end, entered: world.machine.entered, strays, failed }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn perform(world: &mut World, act: Act) -> Ending {
    if act == Act::Boot {
        let outcome = world.boot();
        return match outcome.destination {
            Destination::Root(_, root, _) => Ending::Entered(root, outcome.reason),
            Destination::RecoverySlot(..) => Ending::RecoverySlot,
            Destination::Recovery => Ending::Recovery(outcome.notes.join("; ")),
        };
    }
    let done = match act {
        Act::Boot => Ok(()),
        Act::Stage2 => stage(world, at(2, SimRoot::Boots)),
        Act::Stage3 => stage(world, at(3, SimRoot::Boots)),
        Act::StageBad => stage(world, at(2, SimRoot::NoInit)),
        Act::StageDelta => stage(world, DELTA),
        Act::StageNext => stage(world, NEXT),
        Act::Prepare => flow::prepare(world.site()).map(drop),
        Act::Activate => flow::activate(world.site()).map(drop),
        Act::Confirm => flow::confirm(world.site()).map(drop),
        Act::Reject => flow::reject(world.site(), None).map(drop),
        Act::Rollback => flow::rollback(world.site(), None, false).map(drop),
        Act::OnceA => flow::boot_once(world.site(), Some("slot-a"), false),
        Act::OnceB => flow::boot_once(world.site(), Some("slot-b"), false),
        Act::Cancel => flow::cancel(world.site()),
        Act::Repair => flow::repair(world.site(), false).map(drop),
    };
    match done {
        Ok(()) => Ending::Done,
        Err(error @ (Error::Refused(_) | Error::Unfit(_) | Error::NoSpace { .. } | Error::WrongRoot(_))) => {
            Ending::Refused(error.to_string())
        }
        Err(error) => Ending::Failed(error.to_string()),
    }
}

/// Place in [`known`].
fn at(version: usize, root: SimRoot) -> usize {
    let kind = [SimRoot::Boots, SimRoot::NoInit, SimRoot::Broken].iter().position(|kind| *kind == root);
    (version - 1) * 3 + kind.unwrap_or(0)
}

fn stage(world: &mut World, known_at: usize) -> Result<(), Error> {
    // Its own power: the medium that a bundle comes from is no part of the machine.
    let source = SimDisk::of(known()[known_at].file.clone(), &everboot_kit::sim::Power::default(), 0);
    flow::stage(world.site(), Some(source), flow::Overrides::default()).map(drop)
}
