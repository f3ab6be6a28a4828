//! Going one path again.

use super::failure::Failure;
use super::invariants::Crash;
use super::oracle::{MachineState, Oracle, Profile};
use super::scenario::Scenario;
use super::step::{Step, at_cut};
use everboot_kit::sim::DurableState;
use everboot_kit::timeline::Timeline;
use everboot_kit::violation::Violation;

/// A path, as it is written down: `v1/<scenario>/<seed>/<step>,<step>…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub scenario: String,
    pub seed: u64,
    pub steps: Vec<Step>,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        write!(f, "v1/{}/{}/{}", self.scenario, self.seed, steps.join(","))
    }
}

impl Path {
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, '/');
        if words.next()? != "v1" {
            return None;
        }
        let (scenario, seed) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let steps = words.next()?.split(',').map(Step::parse).collect::<Option<_>>()?;
        Some(Self { scenario, seed, steps })
    }
}

/// Goes a path. Calls `plant` between the start and the first step, and `see` with the disk before each step
/// and after the last.
pub fn replay(
    path: &Path,
    plant: &dyn Fn(&mut Oracle),
    see: &mut dyn FnMut(Option<&Step>, &DurableState),
) -> Result<(), Failure> {
    let scenario = Scenario::named(&path.scenario).expect("a scenario of that name");
    let (actor, durable, entered) = scenario.begin();
    let mut oracle = Oracle::new(actor);
    plant(&mut oracle);
    let (mut state, mut had_fault) = (MachineState { durable, entered }, false);
    for (number, step) in path.steps.iter().enumerate() {
        see(Some(step), &state.durable);
        had_fault |= matches!(step, Step::Fault { .. });
        let next = follow(&mut oracle, &state, step, path.seed, had_fault);
        state = next.map_err(|(violation, durable)| {
            see(None, &durable);
            Failure { violation, steps: path.steps[..=number].to_vec() }
        })?;
    }
    see(None, &state.durable);
    Ok(())
}

/// Where a step leads that was checked when it was found.
pub fn retrace(oracle: &mut Oracle, state: &MachineState, step: &Step, seed: u64) -> MachineState {
    let off = |durable| MachineState { durable, entered: None };
    match step {
        Step::Clean(act) => {
            let run = oracle.run(state, *act, None);
            MachineState { durable: run.end, entered: run.entered }
        }
        Step::CopyDamage(which) => off(which.of(&state.durable)),
        Step::StagedDamage(which) => off(which.of(&state.durable).unwrap_or(state.durable.clone())),
        Step::SlotDamage(which) => off(which.of(&state.durable)),
        Step::Fault { act, call, how, kept: true } => off(oracle.run(state, *act, Some((*call, *how))).end),
        Step::Fault { act, call, how, kept: false } => {
            let run = oracle.run(state, *act, Some((*call, *how)));
            off(Timeline::after(&state.durable, &run.events).durable())
        }
        Step::Crash { act, cut, lies, loss } => {
            let run = oracle.run(state, *act, None);
            off(at_cut(&state.durable, &run.events, *cut, *lies).image(loss, seed))
        }
    }
}

/// One step, checked as the search checks it; with a broken promise the disk on which it broke.
fn follow(
    oracle: &mut Oracle,
    state: &MachineState,
    step: &Step,
    seed: u64,
    had_fault: bool,
) -> Result<MachineState, (Violation, DurableState)> {
    let was = oracle.reader.facts(&state.durable);
    let off = |durable| MachineState { durable, entered: None };
    let here = |violation| (violation, state.durable.clone());
    match step {
        Step::Clean(act) => {
            let run = oracle.clean(state, &was, *act).map_err(here)?;
            Ok(MachineState { durable: run.end, entered: run.entered })
        }
        Step::CopyDamage(which) => {
            let durable = which.of(&state.durable);
            oracle.damage_copy(&state.durable, *which).map_err(|violation| (violation, durable.clone()))?;
            Ok(off(durable))
        }
        Step::StagedDamage(which) => {
            let durable = which.of(&state.durable).unwrap_or(state.durable.clone());
            oracle.damage_staged(&durable).map_err(|violation| (violation, durable.clone()))?;
            Ok(off(durable))
        }
        Step::SlotDamage(which) => {
            let durable = which.of(&state.durable);
            oracle.damage_slot(&state.durable, *which).map_err(|violation| (violation, durable.clone()))?;
            Ok(off(durable))
        }
        Step::Fault { act, call, how, kept } => {
            let ended = oracle.faulty(state, &was, *act, (*call, *how)).map_err(here)?;
            let [lost, all] = ended;
            let durable = if *kept { all } else { lost };
            let checked = oracle.recover(&durable, Profile::Sound);
            checked.map_err(|violation| (violation, durable.clone()))?;
            Ok(off(durable))
        }
        Step::Crash { act, cut, lies, loss } => {
            let run = oracle.clean(state, &was, *act).map_err(here)?;
            let timeline = at_cut(&state.durable, &run.events, *cut, *lies);
            let now = timeline.image(loss, seed);
            let is = oracle.reader.facts(&now);
            let durable = oracle.reader.facts(&timeline.durable());
            let live = oracle.reader.facts(&timeline.live());
            let before = &state.durable;
            let crash =
                Crash { before, was: &was, durable: &durable, live: &live, now: &now, is: &is, had_fault };
            let checked = oracle.crash(&crash, step.profile());
            checked.map_err(|violation| (violation, now.clone()))?;
            Ok(off(now))
        }
    }
}
