//! The search: breadth first over what may be on the disk, to a fixed point; paths with fewer cuts first.
//!
//! A node is the normal form of a disk, and which system runs. From each, everything that the environment may
//! do is done, whole and cut at every change with every loss. Each crash image that was not seen before, byte
//! for byte, is booted and judged; only images of a new normal form are searched from again. When no node is
//! left, any number of power cuts is covered.

use super::act::{Act, Run};
use super::epoch::{Loss, expected, lie_losses, losses, page_losses};
use super::facts::Facts;
use super::invariants::{Crash, Violation};
use super::judge::{Judge, Place, Profile, Rot};
use super::scenario::Scenario;
use super::seed::Seed;
use super::step::Step;
use super::timeline::{Timeline, hash};
use crate::sim::Still;
use crate::sim::pages::mix;
use crate::sim::power::TROUBLES;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Samples of an epoch with too many subsets.
pub const SAMPLES: usize = 32;
/// Samples of what a lying device may have left.
const LIE_SAMPLES: usize = 4;

/// All of it is counted, nothing estimated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct crash images, byte for byte, after recovery ran on each.
    pub states: u64,
    /// Of these: of the weaker profiles, a trashed flash page and a lying device.
    pub weak: u64,
    /// Of these: with copies of the record that were lost by themselves.
    pub rotten: u64,
    /// Of these: after an I/O error.
    pub faulty: u64,
    /// Crash images that were made, those that were known included.
    pub images: u64,
    /// Of these: seeded samples.
    pub sampled: u64,
    /// Epochs whose subsets were all made.
    pub exhaustive: u64,
    /// Epochs for which only the families and samples were made.
    pub families: u64,
    /// Nodes that were searched from.
    pub nodes: u64,
    /// Acts that were cut.
    pub acts: u64,
    /// Operations that failed.
    pub faults: u64,
    /// Most power cuts on the way to a node.
    pub cuts: u64,
}

#[derive(Debug, Clone)]
struct Node {
    place: Place,
    trail: usize,
    cuts: u64,
    had_fault: bool,
}

/// A broken promise, and the way to it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub violation: Violation,
    pub steps: Vec<Step>,
}

/// The search of one scenario.
pub struct Explorer {
    pub scenario: &'static Scenario,
    pub seed: u64,
    pub judge: Judge,
    pub counts: Counts,
    pub failure: Option<Failure>,
    /// By the number of cuts and faults on the way: those with the fewest come first.
    queue: BTreeMap<u64, VecDeque<Node>>,
    trails: Vec<(usize, Step)>,
    nodes: HashSet<u64>,
    images: HashSet<u64>,
}

/// The trail of the start.
const START: usize = usize::MAX;

impl Counts {
    /// Adds those of another search.
    pub fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.weak += other.weak;
        self.rotten += other.rotten;
        self.faulty += other.faulty;
        self.images += other.images;
        self.sampled += other.sampled;
        self.exhaustive += other.exhaustive;
        self.families += other.families;
        self.nodes += other.nodes;
        self.acts += other.acts;
        self.faults += other.faults;
        self.cuts = self.cuts.max(other.cuts);
    }
}

impl Explorer {
    pub fn new(scenario: &'static Scenario, seed: u64) -> Self {
        let (actor, still, entered) = scenario.begin();
        let mut explorer = Self {
            scenario,
            seed,
            judge: Judge::new(actor),
            counts: Counts::default(),
            failure: None,
            queue: BTreeMap::new(),
            trails: Vec::new(),
            nodes: HashSet::new(),
            images: HashSet::new(),
        };
        let start = Node { place: Place { still, entered }, trail: START, cuts: 0, had_fault: false };
        explorer.offer(start);
        explorer
    }

    /// Whether every node was searched from.
    pub fn is_closed(&self) -> bool {
        self.frontier() == 0 && self.failure.is_none()
    }

    /// Nodes that wait.
    pub fn frontier(&self) -> usize {
        self.queue.values().map(VecDeque::len).sum()
    }

    /// Searches from one more node. `false` when there is none, or when a promise was broken.
    pub fn advance(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let Some(node) = self.queue.values_mut().find_map(VecDeque::pop_front) else { return false };
        if let Err((violation, trail, step)) = self.expand(&node) {
            let mut steps = self.steps(trail);
            steps.push(step);
            self.failure = Some(Failure { violation, steps });
            return false;
        }
        self.counts.nodes += 1;
        self.counts.cuts = self.counts.cuts.max(node.cuts);
        true
    }

    fn steps(&self, trail: usize) -> Vec<Step> {
        let (mut steps, mut at) = (Vec::new(), trail);
        while let Some((parent, step)) = self.trails.get(at) {
            steps.push(step.clone());
            at = *parent;
        }
        steps.reverse();
        steps
    }

    /// Takes a node if its normal form is new.
    fn offer(&mut self, node: Node) -> bool {
        let normal = mix(self.judge.normal(&node.place), u64::from(node.had_fault));
        let is_new = self.nodes.insert(normal);
        if is_new {
            let mishaps = node.cuts + u64::from(node.had_fault);
            self.queue.entry(mishaps).or_default().push_back(node);
        }
        is_new
    }

    fn expand(&mut self, node: &Node) -> Result<(), (Violation, usize, Step)> {
        let acts = if node.place.entered.is_some() { self.scenario.acts } else { &[] };
        for act in acts.iter().chain(&[Act::Boot]) {
            self.act(node, *act)?;
        }
        Ok(())
    }

    fn act(&mut self, node: &Node, act: Act) -> Result<(), (Violation, usize, Step)> {
        let was = Facts::of(&node.place.still);
        let at = |step: Step| move |violation| (violation, node.trail, step);
        let run = self.judge.clean(&node.place, &was, act).map_err(at(Step::Clean(act)))?;
        self.counts.acts += 1;
        let mut timeline = Timeline::start(&node.place.still);
        for cut in 0..=run.events.len() {
            if let Some(event) = cut.checked_sub(1).map(|last| &run.events[last]) {
                timeline.push(event);
            }
            self.cut(node, act, &was, &timeline, cut)?;
            self.lies(node, act, &run, cut)?;
        }
        if !node.had_fault && node.cuts == 0 {
            self.faults(node, act, &was, &run)?;
        }
        let place = Place { still: run.end, entered: run.entered };
        self.step_to(node, Step::Clean(act), place, 0, false);
        Ok(())
    }

    /// Takes the place that a step leads to, if it is new; its trail then.
    fn step_to(&mut self, node: &Node, step: Step, place: Place, cuts: u64, fault: bool) -> Option<usize> {
        let (trail, cuts) = (self.trails.len(), node.cuts + cuts);
        let is_new = self.offer(Node { place, trail, cuts, had_fault: node.had_fault || fault });
        if is_new {
            self.trails.push((node.trail, step));
        }
        is_new.then_some(trail)
    }

    /// Copies of the record are lost beside what the crash did.
    fn rot(&mut self, trail: usize, now: &Still) -> Result<(), (Violation, usize, Step)> {
        for (which, _) in Rot::ALL {
            self.counts.images += 1;
            if self.images.insert(hash(&which.of(now))) {
                let judged = self.judge.rot(now, which);
                judged.map_err(|violation| (violation, trail, Step::Rot(which)))?;
                self.counts.states += 1;
                self.counts.rotten += 1;
            }
        }
        Ok(())
    }

    /// Every loss of the epoch that is open at a cut.
    fn cut(
        &mut self,
        node: &Node,
        act: Act,
        was: &Facts,
        timeline: &Timeline,
        cut: usize,
    ) -> Result<(), (Violation, usize, Step)> {
        let open = timeline.open();
        let mut seed = Seed::new(self.seed ^ cut as u64);
        let found = losses(&open, SAMPLES, &mut seed);
        if found.all.len() != expected(&open, SAMPLES) {
            let what = format!("expected {} losses, found {}", expected(&open, SAMPLES), found.all.len());
            return Err((Violation { invariant: "enumerator", what }, node.trail, Step::Clean(act)));
        }
        self.counts.sampled += found.sampled as u64;
        match found.is_exhaustive {
            true => self.counts.exhaustive += 1,
            false => self.counts.families += 1,
        }
        let durable = Facts::of(&timeline.still());
        let live = Facts::of(&timeline.image(&all(timeline), self.seed));
        for loss in found.all {
            let now = timeline.image(&loss, self.seed);
            self.counts.images += 1;
            if !self.images.insert(hash(&now)) {
                continue;
            }
            let step = Step::Crash { act, cut, lies: 0, loss };
            let is = Facts::of(&now);
            let before = &node.place.still;
            let had_fault = node.had_fault;
            let crash = Crash { before, was, durable: &durable, live: &live, now: &now, is: &is, had_fault };
            let judged = self.judge.crash(&crash, Profile::Sound);
            judged.map_err(|violation| (violation, node.trail, step.clone()))?;
            self.counts.states += 1;
            if let Some(trail) =
                self.step_to(node, step, Place { still: now.clone(), entered: None }, 1, false)
            {
                self.rot(trail, &now)?;
            }
        }
        for loss in page_losses(&open) {
            self.weakly(
                node,
                Step::Crash { act, cut, lies: 0, loss: loss.clone() },
                timeline.image(&loss, self.seed),
            )?;
        }
        Ok(())
    }

    /// Devices that lied about their last one or two barriers.
    fn lies(&mut self, node: &Node, act: Act, run: &Run, cut: usize) -> Result<(), (Violation, usize, Step)> {
        for lies in 1..=2 {
            let timeline = Timeline::lied(&node.place.still, &run.events[..cut], lies);
            let mut seed = Seed::new(self.seed ^ cut as u64);
            for loss in lie_losses(&timeline.open(), LIE_SAMPLES, &mut seed) {
                let step = Step::Crash { act, cut, lies, loss: loss.clone() };
                self.weakly(node, step, timeline.image(&loss, self.seed))?;
            }
        }
        Ok(())
    }

    /// A crash image of a device that broke its word: the machine has to come up, and that is all.
    fn weakly(&mut self, node: &Node, step: Step, now: Still) -> Result<(), (Violation, usize, Step)> {
        self.counts.images += 1;
        if !self.images.insert(hash(&now)) {
            return Ok(());
        }
        let judged = self.judge.recover(&now, &Facts::of(&now), Profile::Weak);
        judged.map_err(|violation| (violation, node.trail, step))?;
        self.counts.states += 1;
        self.counts.weak += 1;
        Ok(())
    }

    /// Every operation fails once in every way; the next boot is healthy.
    fn faults(
        &mut self,
        node: &Node,
        act: Act,
        was: &Facts,
        run: &Run,
    ) -> Result<(), (Violation, usize, Step)> {
        for (call, (op, _)) in run.calls.iter().enumerate() {
            for how in TROUBLES.iter().copied().filter(|how| how.concerns(*op)) {
                let step = |kept| Step::Fault { act, call, how, kept };
                let ended = self.judge.faulty(&node.place, was, act, (call, how));
                let ended = ended.map_err(|violation| (violation, node.trail, step(true)))?;
                self.counts.faults += 1;
                for (kept, now) in [false, true].into_iter().zip(ended) {
                    self.counts.images += 1;
                    if !self.images.insert(hash(&now)) {
                        continue;
                    }
                    let judged = self.judge.recover(&now, &Facts::of(&now), Profile::Sound);
                    judged.map_err(|violation| (violation, node.trail, step(kept)))?;
                    self.counts.states += 1;
                    self.counts.faulty += 1;
                    self.step_to(node, step(kept), Place { still: now, entered: None }, 0, true);
                }
            }
        }
        Ok(())
    }
}

fn all(timeline: &Timeline) -> Loss {
    Loss { kept: vec![true; timeline.open_sectors()], odd: super::epoch::Odd::None }
}
