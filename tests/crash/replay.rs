//! Going one path again.

use super::failure::Failure;
use super::invariants::Crash;
use super::oracle::{Oracle, Place, Profile};
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
    let (mut place, mut had_fault) = (Place { durable, entered }, false);
    for (number, step) in path.steps.iter().enumerate() {
        see(Some(step), &place.durable);
        had_fault |= matches!(step, Step::Fault { .. });
        let next = follow(&mut oracle, &place, step, path.seed, had_fault);
        place = next.map_err(|(violation, durable)| {
            see(None, &durable);
            Failure { violation, steps: path.steps[..=number].to_vec() }
        })?;
    }
    see(None, &place.durable);
    Ok(())
}

/// Where a step leads that was checked when it was found.
pub fn retrace(oracle: &mut Oracle, place: &Place, step: &Step, seed: u64) -> Place {
    let off = |durable| Place { durable, entered: None };
    match step {
        Step::Clean(act) => {
            let run = oracle.run(place, *act, None);
            Place { durable: run.end, entered: run.entered }
        }
        Step::CopyDamage(which) => off(which.of(&place.durable)),
        Step::Fault { act, call, how, kept: true } => off(oracle.run(place, *act, Some((*call, *how))).end),
        Step::Fault { act, call, how, kept: false } => {
            let run = oracle.run(place, *act, Some((*call, *how)));
            off(Timeline::after(&place.durable, &run.events).durable())
        }
        Step::Crash { act, cut, lies, loss } => {
            let run = oracle.run(place, *act, None);
            off(at_cut(&place.durable, &run.events, *cut, *lies).image(loss, seed))
        }
    }
}

/// One step, checked as the search checks it; with a broken promise the disk on which it broke.
fn follow(
    oracle: &mut Oracle,
    place: &Place,
    step: &Step,
    seed: u64,
    had_fault: bool,
) -> Result<Place, (Violation, DurableState)> {
    let was = oracle.reader.facts(&place.durable);
    let off = |durable| Place { durable, entered: None };
    let here = |violation| (violation, place.durable.clone());
    match step {
        Step::Clean(act) => {
            let run = oracle.clean(place, &was, *act).map_err(here)?;
            Ok(Place { durable: run.end, entered: run.entered })
        }
        Step::CopyDamage(which) => {
            let durable = which.of(&place.durable);
            oracle.rot(&place.durable, *which).map_err(|violation| (violation, durable.clone()))?;
            Ok(off(durable))
        }
        Step::Fault { act, call, how, kept } => {
            let ended = oracle.faulty(place, &was, *act, (*call, *how)).map_err(here)?;
            let [lost, all] = ended;
            let durable = if *kept { all } else { lost };
            let checked = oracle.recover(&durable, Profile::Sound);
            checked.map_err(|violation| (violation, durable.clone()))?;
            Ok(off(durable))
        }
        Step::Crash { act, cut, lies, loss } => {
            let run = oracle.clean(place, &was, *act).map_err(here)?;
            let timeline = at_cut(&place.durable, &run.events, *cut, *lies);
            let now = timeline.image(loss, seed);
            let is = oracle.reader.facts(&now);
            let durable = oracle.reader.facts(&timeline.durable());
            let live = oracle.reader.facts(&live(&timeline, seed));
            let before = &place.durable;
            let crash =
                Crash { before, was: &was, durable: &durable, live: &live, now: &now, is: &is, had_fault };
            let checked = oracle.crash(&crash, step.profile());
            checked.map_err(|violation| (violation, now.clone()))?;
            Ok(off(now))
        }
    }
}

fn live(timeline: &Timeline, seed: u64) -> DurableState {
    let kept = vec![true; timeline.open_sectors()];
    timeline.image(&everboot_kit::epoch::Loss { kept, damage: everboot_kit::epoch::SectorDamage::None }, seed)
}
