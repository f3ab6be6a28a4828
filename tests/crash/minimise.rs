//! Making the path to a failure shorter: fewer steps, fewer lost sectors.

use super::act::Act;
use super::oracle::Oracle;
use super::replay::{Path, replay};
use super::step::Step;
use everboot_kit::epoch::{Loss, SectorDamage};

/// The same broken promise by fewer steps and fewer lost sectors.
pub fn minimise(path: &Path, invariant: &str, plant: &dyn Fn(&mut Oracle)) -> Path {
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

/// Every path that is smaller by one thing: a step, a crash that is none, a damaged sector, half of the lost
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
        if loss.damage != SectorDamage::None {
            let plain = Loss { damage: SectorDamage::None, ..loss.clone() };
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

fn may_follow(step: &Step) -> bool {
    match step {
        Step::Clean(act) | Step::Crash { act, .. } | Step::Fault { act, .. } => *act == Act::Boot,
        Step::CopyDamage(_) | Step::SlotDamage(_) | Step::StagedDamage(_) => true,
    }
}

/// A machine without power can do nothing but boot.
fn begins_well(steps: &[Step]) -> bool {
    let is_off = |step: &Step| !matches!(step, Step::Clean(_));
    steps.windows(2).all(|pair| !is_off(&pair[0]) || may_follow(&pair[1]))
}
