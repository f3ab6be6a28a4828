//! Carries out steps, and holds every outcome against the invariants.

use super::act::{Act, Actor, Ending, Run, slot_on};
use super::damage::{CopyDamage, Forgets, SlotDamage};
use super::invariants::{self, Boot, Crash, has_unreadable, invariant_orderly, no_strand, part_of};
use super::known::{NEXT, boots, known};
use super::normal;
use super::reader::Reader;
use super::verbs;
use everboot_agent::machine::Root;
use everboot_core::slot::SlotId;
use everboot_kit::facts::Facts;
use everboot_kit::invariants::{
    invariant_atomic_choice, invariant_attempts_outlive_a_copy, invariant_bounded_rollback,
    invariant_damaged_bundle_costs_no_good_slot, invariant_eligible_slots_are_whole,
    invariant_explain_foretells, invariant_next_update_goes_through, invariant_progress,
    invariant_proof_before_entry, invariant_writer_leaves_a_way_back,
};
use everboot_kit::sim::pages::mix;
use everboot_kit::sim::power::DiskFault;
use everboot_kit::sim::{DurableState, SLOT_A};
use everboot_kit::timeline::{Timeline, without_history};
use everboot_kit::violation::{Check, Violation};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Boots of a machine after the first one that follows a crash, beyond the tries of a trial; and at least.
const MORE_ROUNDS: usize = 3;
const ROUNDS: usize = 6;
/// Of so many states after a boot, one is asked whether the next update goes through; all are in the proof over the
/// pure functions.
const NEXT_UPDATES: u64 = 16;

/// How far a device keeps to its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What a barrier covered stays, and a sector that is not written stays.
    Sound,
    /// A page around a write is lost, or barriers did nothing: the machine still has to come up.
    Weak,
}

/// What the system that was just brought onto the machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewSystem {
    NeverConfirms,
    CannotBeEntered,
    Confirms,
}

/// A machine between two acts.
#[derive(Debug, Clone)]
pub struct MachineState {
    pub durable: DurableState,
    /// The root that runs; without one power is off.
    pub entered: Option<Root>,
}

/// What the boot after a crash reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// A slot that is good.
    Good,
    /// One that is entitled to an attempt.
    Trial,
    /// The recovery slot.
    RecoverySlot,
    /// Recovery, which waits and looks again.
    Waits,
}

impl Outcome {
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Good, "a good slot"),
        (Self::Trial, "a trial"),
        (Self::RecoverySlot, "the recovery slot"),
        (Self::Waits, "recovery, which looks again"),
    ];

    /// Of a boot that left this.
    fn of(run: &Run, is: &Facts) -> Self {
        let slot = run.entered.and_then(|root| root.at.part.checked_sub(SLOT_A)).filter(|slot| *slot < 2);
        match (&run.ending, slot) {
            (Ending::RecoverySlot, _) => Self::RecoverySlot,
            (_, Some(slot)) if good_slots(is).contains(&SlotId(slot as u8)) => Self::Good,
            (_, Some(_)) => Self::Trial,
            _ => Self::Waits,
        }
    }
}

/// The oracle, with what it remembers of states that it has seen.
pub struct Oracle {
    pub actor: Actor,
    /// What the latest boot reached.
    pub reached: Outcome,
    pub reader: Reader,
    /// Where each normal form led.
    led: HashMap<u64, u64>,
    /// Normal forms whose later boots were all right; those of a device that broke its word apart, as less is asked
    /// of it.
    futures: HashSet<(u64, Profile)>,
    /// Normal forms of which it was asked what `explain` says, and what the boot writes.
    asked: HashSet<u64>,
    /// Acts that were carried out.
    pub runs: u64,
}

impl Oracle {
    pub fn new(actor: Actor) -> Self {
        Self {
            actor,
            reached: Outcome::Waits,
            reader: Reader::default(),
            led: HashMap::new(),
            futures: HashSet::new(),
            asked: HashSet::new(),
            runs: 0,
        }
    }

    pub fn normal(&mut self, state: &MachineState) -> u64 {
        normal::hash(&mut self.reader, &state.durable, state.entered.map(|root| root.at.part))
    }

    /// An act, not checked.
    pub fn run(&mut self, state: &MachineState, act: Act, fault: Option<(usize, DiskFault)>) -> Run {
        self.runs += 1;
        let mut run = self.actor.run(&state.durable, state.entered, act, fault);
        run.end = without_history(&run.end);
        run
    }

    /// An act without faults.
    pub fn clean(&mut self, state: &MachineState, was: &Facts, act: Act) -> Result<Run, Violation> {
        let run = self.run(state, act, None);
        let durable = Timeline::after(&state.durable, &run.events).durable();
        if act == Act::Boot {
            let (is, durable) = (self.reader.facts(&run.end), self.reader.facts(&durable));
            self.reached = Outcome::of(&run, &is);
            invariants::check_boot(&Boot {
                before: &state.durable,
                was,
                run: &run,
                is: &is,
                durable: &durable,
            })?;
            self.forgets(state, was, &run)?;
            let normal = self.normal(state);
            if self.asked.insert(normal) {
                self.check_explain(state, was, &run, &is)?;
                self.way_back(state, was, &run)?;
            }
        } else {
            let live = normal::hash(&mut self.reader, &run.end, None);
            let same = normal::hash(&mut self.reader, &durable, None) == live;
            let is = self.reader.facts(&run.end);
            verbs::check_verb(act, &run, was, &is, &state.durable, same)?;
            if act == Act::Prepare {
                self.way_back(state, was, &run)?;
            }
        }
        Ok(run)
    }

    /// What `explain` says before a boot, and what the boot did. It does not see configuration and keys of the
    /// initramfs where these are others.
    fn check_explain(&mut self, state: &MachineState, was: &Facts, run: &Run, is: &Facts) -> Check {
        if self.actor.initramfs.is_some() {
            return Ok(());
        }
        let Some(said) = self.actor.explain(&state.durable, state.entered) else { return Ok(()) };
        let can_enter = |id: SlotId| was.whole[id.index()].is_none_or(boots);
        invariant_explain_foretells(&said, is, run.entered(), run.reason(), can_enter)
    }

    /// Where an act writes a slot: whether another one boots at that moment.
    fn way_back(&mut self, state: &MachineState, was: &Facts, run: &Run) -> Check {
        let Some((written, at)) = run.first_written() else { return Ok(()) };
        let now = Timeline::after(&state.durable, &run.events[..at]).live();
        self.runs += 1;
        let other = self.actor.run_with(&now, None, Act::Boot, None, &[part_of(written)]);
        invariant_writer_leaves_a_way_back(was, written, other.entered())
    }

    /// The hand-off, on a disk one block of which has lost what was written to it, or has what it held before.
    fn forgets(&mut self, state: &MachineState, was: &Facts, run: &Run) -> Check {
        // Where no slot is good and nothing can be saved, any slot is better than none.
        if has_unreadable(&state.durable) && !was.has_good() {
            return Ok(());
        }
        for which in CopyDamage::FORGETS {
            for left in [which.of(&run.end), which.back_to(&state.durable, &run.end)] {
                invariant_attempts_outlive_a_copy(was, run.entered(), &self.reader.facts(&left))?;
            }
        }
        Ok(())
    }

    /// An act in which a device fails.
    pub fn faulty(
        &mut self,
        state: &MachineState,
        was: &Facts,
        act: Act,
        fault: (usize, DiskFault),
    ) -> Result<[DurableState; 2], Violation> {
        let run = self.run(state, act, Some(fault));
        let durable = Timeline::after(&state.durable, &run.events).durable();
        let (is, sure) = (self.reader.facts(&run.end), self.reader.facts(&durable));
        let left = CopyDamage::FORGETS.map(|which| self.reader.facts(&which.of(&durable)));
        verbs::check_faulty(was, &state.durable, &run, &is, &[&sure, &left[0], &left[1]])?;
        if act == Act::Boot {
            verbs::check_faulty_boot(was, &is)?;
        }
        Ok([durable, run.end])
    }

    /// A crash image: what it says, and every boot that may follow.
    pub fn crash(&mut self, crash: &Crash<'_>, profile: Profile) -> Check {
        if profile == Profile::Sound {
            invariants::check_crash(crash)?;
        }
        self.recover(crash.now, profile)
    }

    /// The boot after a crash, and those after it.
    pub fn recover(&mut self, durable: &DurableState, profile: Profile) -> Check {
        let was = self.reader.facts(durable);
        let state = MachineState { durable: durable.clone(), entered: None };
        if profile == Profile::Weak {
            return self.recover_weakly(&state, &was);
        }
        let run = self.clean(&state, &was, Act::Boot)?;
        let next = MachineState { durable: run.end, entered: run.entered };
        let (from, to) = (self.normal(&state), self.normal(&next));
        let kind = std::mem::discriminant(&run.ending);
        let led = mix(to, u64::from(kind == std::mem::discriminant(&Ending::RecoverySlot)));
        if *self.led.entry(from).or_insert(led) != led {
            return Err(Violation {
                invariant: "normal_form",
                what: "two disks of the same normal form boot in different ways".to_owned(),
            });
        }
        self.later(next, to)
    }

    /// One copy of the record, or both, are lost by themselves while power is off.
    pub fn damage_copy(&mut self, durable: &DurableState, which: CopyDamage) -> Check {
        let durable = which.of(durable);
        let is = self.reader.facts(&durable);
        invariant_eligible_slots_are_whole(&is)?;
        self.recover(&durable, Profile::Sound)
    }

    /// A disk whose staged bundle was damaged by itself while power was off: no good slot is given up for it.
    pub fn damage_staged(&mut self, durable: &DurableState) -> Check {
        let was = self.reader.facts(durable);
        let run = self.run(&MachineState { durable: durable.clone(), entered: None }, Act::Boot, None);
        invariant_damaged_bundle_costs_no_good_slot(&was, &self.reader.facts(&run.end))?;
        self.recover(durable, Profile::Sound)
    }

    /// A bit of a slot is wrong, while power is off.
    pub fn damage_slot(&mut self, durable: &DurableState, which: SlotDamage) -> Check {
        let durable = which.of(durable);
        let before = std::mem::replace(&mut self.reader.spoilt_superblock, which.is_superblock());
        let checked = self.recover(&durable, Profile::Sound);
        self.reader.spoilt_superblock = before;
        checked
    }

    fn recover_weakly(&mut self, state: &MachineState, was: &Facts) -> Check {
        let run = self.run(state, Act::Boot, None);
        let is = self.reader.facts(&run.end);
        self.reached = Outcome::of(&run, &is);
        invariant_orderly(&run)?;
        no_strand(was, &run)?;
        invariant_proof_before_entry(run.entered(), &is)?;
        let next = MachineState { durable: run.end, entered: run.entered };
        let normal = self.normal(&next);
        if self.futures.contains(&(normal, Profile::Sound)) || !self.futures.insert((normal, Profile::Weak)) {
            return Ok(());
        }
        self.future(next, NewSystem::NeverConfirms, Profile::Weak, None)
    }

    /// All that may come after a boot.
    fn later(&mut self, state: MachineState, normal: u64) -> Check {
        if state.entered.is_none() || !self.futures.insert((normal, Profile::Sound)) {
            return Ok(());
        }
        let systems = [NewSystem::NeverConfirms, NewSystem::CannotBeEntered, NewSystem::Confirms];
        let can = |system: &NewSystem| self.actor.takes_updates || *system != NewSystem::Confirms;
        for system in systems.into_iter().filter(can).collect::<Vec<_>>() {
            self.future(state.clone(), system, Profile::Sound, None)?;
        }
        if normal.is_multiple_of(NEXT_UPDATES) && self.actor.takes_updates {
            self.next_update(state.clone())?;
        }
        let facts = self.reader.facts(&state.durable);
        if facts.record.is_some_and(|(_, record)| record.trial().is_some()) {
            for forgets in Forgets::all(&state.durable) {
                self.future(state.clone(), NewSystem::NeverConfirms, Profile::Sound, Some(forgets))?;
            }
        }
        Ok(())
    }

    /// The machine boots, confirms itself and installs the next good version; nobody sits at it.
    fn next_update(&mut self, mut state: MachineState) -> Check {
        let (next, mut answers) = (known()[NEXT].id, Vec::new());
        let holds_next = |facts: &Facts, id: SlotId| facts.whole[id.index()] == Some(next);
        for _ in 0..ROUNDS.max(self.actor.tries() + MORE_ROUNDS) {
            // Another system runs than that of a slot, or none does: there is nobody who installs.
            if running_in(&state).is_none() {
                return Ok(());
            }
            for act in [Act::Confirm, Act::StageNext, Act::Activate] {
                let is = self.reader.facts(&state.durable);
                if is.known_good().is_some_and(|id| holds_next(&is, id)) {
                    return Ok(());
                }
                let run = self.run(&state, act, None);
                invariant_orderly(&run)?;
                if let Ending::Refused(why) | Ending::Failed(why) = &run.ending {
                    answers.push(format!("{}: {why}", act.name()));
                }
                state.durable = run.end;
            }
            let run = self.run(&state, Act::Boot, None);
            state = MachineState { durable: run.end, entered: run.entered };
        }
        answers.dedup();
        let is = self.reader.facts(&state.durable);
        invariant_next_update_goes_through(&is, |id| holds_next(&is, id), &answers)
    }

    /// Boots again and again, as a machine does that nobody sits at; with a block that `forgets` at each power cycle.
    fn future(
        &mut self,
        mut state: MachineState,
        system: NewSystem,
        profile: Profile,
        forgets: Option<Forgets>,
    ) -> Check {
        let began = self.reader.facts(&state.durable);
        let mut went = Vec::new();
        for _ in 0..ROUNDS.max(self.actor.tries() + MORE_ROUNDS) {
            let was = self.reader.facts(&state.durable);
            let Some(root) = state.entered.filter(|root| root.at.part <= part_of(SlotId(1))) else {
                return Ok(());
            };
            let (running, good) = (SlotId((root.at.part - SLOT_A) as u8), good_slots(&was));
            if good.contains(&running) || system == NewSystem::Confirms {
                let run = self.run(&state, Act::Confirm, None);
                invariant_orderly(&run)?;
                let refused = matches!(run.ending, Ending::Refused(_));
                if run.ending != Ending::Done && !refused && has_unreadable(&state.durable) {
                    // A record that nobody can read or write takes a person: `record repair --force`.
                    return Ok(());
                }
                if run.ending != Ending::Done && !refused && self.actor.takes_updates {
                    return broken(
                        "progress",
                        format!("the running system cannot confirm itself: {:?}", run.ending),
                    );
                }
                state.durable = run.end;
            }
            if let Some(forgets) = &forgets {
                state.durable = forgets.of(&state.durable);
            }
            let was = self.reader.facts(&state.durable);
            let good = good_slots(&was);
            let others = [SlotId(0), SlotId(1)].into_iter().filter(|id| !good.contains(id)).map(part_of);
            let unbootable: Vec<usize> =
                if system == NewSystem::CannotBeEntered { others.collect() } else { Vec::new() };
            self.runs += 1;
            let run = self.actor.run_with(&state.durable, state.entered, Act::Boot, None, &unbootable);
            invariant_orderly(&run)?;
            no_strand(&was, &run)?;
            if profile == Profile::Sound {
                invariant_atomic_choice(run.entered(), &self.reader.facts(&run.end))?;
            }
            state = MachineState { durable: without_history(&run.end), entered: run.entered };
            went.push(running_in(&state));
        }
        let is = self.reader.facts(&state.durable);
        if system == NewSystem::Confirms {
            return invariant_progress(&began, &is, running_in(&state));
        }
        invariant_bounded_rollback(&began, &is, &went, went.len().saturating_sub(2))
    }
}

fn broken(invariant: &'static str, what: String) -> Check {
    Err(Violation { invariant, what })
}

fn good_slots(facts: &Facts) -> Vec<SlotId> {
    // Without a record, by its mark.
    let Some((_, record)) = &facts.record else {
        return [SlotId(0), SlotId(1)].into_iter().filter(|id| facts.is_good(id.index())).collect();
    };
    record.ids().filter(|(id, _)| record.is_good(*id)).map(|(id, _)| id).collect()
}

/// The slot whose system runs.
fn running_in(state: &MachineState) -> Option<usize> {
    state.entered.and_then(|root| slot_on(root.at.part))
}
