//! Going one path again, and making it shorter.

use super::act::Act;
use super::explore::Failure;
use super::facts::Facts;
use super::invariants::{Crash, Violation};
use super::judge::{Judge, Place, Profile};
use super::scenario::Scenario;
use super::step::{Step, at_cut};
use super::timeline::Timeline;
use crate::sim::Still;

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
    plant: &dyn Fn(&mut Judge),
    see: &mut dyn FnMut(Option<&Step>, &Still),
) -> Result<(), Failure> {
    let scenario = Scenario::named(&path.scenario).expect("a scenario of that name");
    let (actor, still, entered) = scenario.begin();
    let mut judge = Judge::new(actor);
    plant(&mut judge);
    let (mut place, mut had_fault) = (Place { still, entered }, false);
    for (number, step) in path.steps.iter().enumerate() {
        see(Some(step), &place.still);
        had_fault |= matches!(step, Step::Fault { .. });
        let next = follow(&mut judge, &place, step, path.seed, had_fault);
        place = next.map_err(|(violation, still)| {
            see(None, &still);
            Failure { violation, steps: path.steps[..=number].to_vec() }
        })?;
    }
    see(None, &place.still);
    Ok(())
}

/// One step, judged as the search judges it; with a broken promise the disk on which it broke.
fn follow(
    judge: &mut Judge,
    place: &Place,
    step: &Step,
    seed: u64,
    had_fault: bool,
) -> Result<Place, (Violation, Still)> {
    let was = Facts::of(&place.still);
    let off = |still| Place { still, entered: None };
    let here = |violation| (violation, place.still.clone());
    match step {
        Step::Clean(act) => {
            let run = judge.clean(place, &was, *act).map_err(here)?;
            Ok(Place { still: run.end, entered: run.entered })
        }
        Step::Rot(which) => {
            let still = which.of(&place.still);
            judge.rot(&place.still, *which).map_err(|violation| (violation, still.clone()))?;
            Ok(off(still))
        }
        Step::Fault { act, call, how, kept } => {
            let ended = judge.faulty(place, &was, *act, (*call, *how)).map_err(here)?;
            let [lost, all] = ended;
            let still = if *kept { all } else { lost };
            let judged = judge.recover(&still, &Facts::of(&still), Profile::Sound);
            judged.map_err(|violation| (violation, still.clone()))?;
            Ok(off(still))
        }
        Step::Crash { act, cut, lies, loss } => {
            let run = judge.clean(place, &was, *act).map_err(here)?;
            let timeline = at_cut(&place.still, &run.events, *cut, *lies);
            let now = timeline.image(loss, seed);
            let is = Facts::of(&now);
            let durable = Facts::of(&timeline.still());
            let live = Facts::of(&live(&timeline, seed));
            let before = &place.still;
            let crash =
                Crash { before, was: &was, durable: &durable, live: &live, now: &now, is: &is, had_fault };
            let judged = judge.crash(&crash, step.profile());
            judged.map_err(|violation| (violation, now.clone()))?;
            Ok(off(now))
        }
    }
}

fn live(timeline: &Timeline, seed: u64) -> Still {
    let kept = vec![true; timeline.open_sectors()];
    timeline.image(&super::epoch::Loss { kept, odd: super::epoch::Odd::None }, seed)
}

/// The same broken promise by fewer steps and fewer lost sectors.
pub fn minimise(path: &Path, invariant: &str, plant: &dyn Fn(&mut Judge)) -> Path {
    let fails = |candidate: &Path| {
        let failed = replay(candidate, plant, &mut |_, _| ()).err()?;
        (failed.violation.invariant == invariant).then_some(Path { steps: failed.steps, ..candidate.clone() })
    };
    let mut best = fails(path).unwrap_or_else(|| path.clone());
    while let Some(shorter) = candidates(&best).iter().find_map(fails) {
        best = shorter;
    }
    best
}

/// Every path that is smaller by one thing: a step, a crash that is none, an odd sector, half of the lost
/// sectors, one lost sector.
fn candidates(path: &Path) -> Vec<Path> {
    let mut found = Vec::new();
    let mut add = |steps| found.push(Path { steps, ..path.clone() });
    for at in 0..path.steps.len() {
        let mut steps = path.steps.clone();
        steps.remove(at);
        add(steps);
        let with = |step| {
            let mut steps = path.steps.clone();
            steps[at] = step;
            steps
        };
        let Step::Crash { act, cut, lies, loss } = &path.steps[at] else { continue };
        add(with(Step::Clean(*act)));
        if loss.odd != super::epoch::Odd::None {
            let plain = super::epoch::Loss { odd: super::epoch::Odd::None, ..loss.clone() };
            add(with(Step::Crash { act: *act, cut: *cut, lies: *lies, loss: plain }));
        }
        let lost: Vec<usize> = (0..loss.kept.len()).filter(|sector| !loss.kept[*sector]).collect();
        let halves = lost.chunks(lost.len().div_ceil(2).max(1)).filter(|half| half.len() > 1);
        for kept in halves.chain(lost.chunks(1)) {
            let mut loss = loss.clone();
            kept.iter().for_each(|sector| loss.kept[*sector] = true);
            add(with(Step::Crash { act: *act, cut: *cut, lies: *lies, loss }));
        }
    }
    found.retain(|candidate| !candidate.steps.is_empty() && begins_well(&candidate.steps));
    found
}

/// A machine without power can do nothing but boot.
fn begins_well(steps: &[Step]) -> bool {
    let is_off = |step: &Step| !matches!(step, Step::Clean(_));
    steps.windows(2).all(|pair| !is_off(&pair[0]) || matches!(pair[1].act(), None | Some(Act::Boot)))
}
