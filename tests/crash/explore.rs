//! The search: breadth first over what may be on the disk, to a fixed point; paths with fewer cuts first.
//!
//! A node is the normal form of a disk, and which system runs. From each, everything that the environment may
//! do is done, whole and cut at every change with every loss. Each crash image that was not seen before, byte
//! for byte, is booted and checked; only images of a new normal form are searched from again. When no node is
//! left, any number of power cuts is covered.

use super::act::{Act, Run};
use super::counts::Counts;
use super::damage::{CopyDamage, SlotDamage};
use super::failure::Failure;
use super::invariants::{Crash, check_crash};
use super::kept::{Kept, KeptNode};
use super::oracle::{MachineState, Oracle, Outcome, Profile};
use super::replay::retrace;
use super::scenario::Scenario;
use super::staged::StagedDamage;
use super::step::Step;
use super::strip::Strip;
use everboot_kit::epoch::{expected, lie_losses, losses, page_losses};
use everboot_kit::facts::Facts;
use everboot_kit::seed::Seed;
use everboot_kit::sim::DurableState;
use everboot_kit::sim::pages::mix;
use everboot_kit::sim::power::DISK_FAULTS;
use everboot_kit::timeline::{Timeline, hash};
use everboot_kit::violation::Violation;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Samples of an epoch with too many subsets.
pub const SAMPLES: usize = 32;
/// Samples of what a lying device may have left.
const LIE_SAMPLES: usize = 4;

#[derive(Debug, Clone)]
struct Node {
    /// The disk; absent in a search that was taken up again, until it is needed.
    state: Option<MachineState>,
    trail: usize,
    cuts: u64,
    had_fault: bool,
}

/// The search of one scenario.
pub struct Explorer {
    pub scenario: &'static Scenario,
    pub seed: u64,
    pub oracle: Oracle,
    pub counts: Counts,
    pub failure: Option<Failure>,
    /// What became of the crashes of each act at the start.
    pub strips: Vec<Strip>,
    start: MachineState,
    /// By the number of cuts and faults on the way: those with the fewest come first.
    queue: BTreeMap<u64, VecDeque<Node>>,
    trails: Vec<(usize, Step)>,
    nodes: HashSet<u64>,
    images: HashMap<u64, Seen>,
}

/// An image that was checked.
#[derive(Debug, Clone, Copy)]
struct Seen {
    outcome: Outcome,
    /// As one that a sound device may leave, so that it was searched from.
    is_sound: bool,
}

/// The trail of the start.
const START: usize = usize::MAX;

impl Explorer {
    pub fn new(scenario: &'static Scenario, seed: u64) -> Self {
        let (actor, durable, entered) = scenario.begin();
        let start = MachineState { durable, entered };
        let mut explorer = Self {
            scenario,
            seed,
            oracle: Oracle::new(actor),
            counts: Counts::default(),
            failure: None,
            strips: Vec::new(),
            start: start.clone(),
            queue: BTreeMap::new(),
            trails: Vec::new(),
            nodes: HashSet::new(),
            images: HashMap::new(),
        };
        explorer.offer(start, Node { state: None, trail: START, cuts: 0, had_fault: false });
        explorer
    }

    /// Puts the search aside.
    pub fn keep(&self) -> Kept {
        let node = |node: &Node| KeptNode {
            trail: (node.trail != START).then_some(node.trail as u64),
            cuts: node.cuts,
            had_fault: node.had_fault,
        };
        let trail =
            |(parent, step): &(usize, Step)| ((*parent != START).then_some(*parent as u64), step.to_string());
        Kept {
            scenario: self.scenario.name.to_owned(),
            seed: self.seed,
            counts: self.counts.clone(),
            strips: self.strips.clone(),
            queue: self.queue.values().flatten().map(node).collect(),
            trails: self.trails.iter().map(trail).collect(),
            nodes: self.nodes.iter().copied().collect(),
            images: self.images.iter().map(|(image, seen)| (*image, seen.outcome, seen.is_sound)).collect(),
        }
    }

    /// Takes up a search that was put aside. `None` when it was one of something else.
    pub fn take_up(kept: Kept) -> Option<Self> {
        let mut explorer = Self::new(Scenario::named(&kept.scenario)?, kept.seed);
        let at = |trail: Option<u64>| trail.map_or(START, |trail| trail as usize);
        let trail = |(parent, step): (Option<u64>, String)| Some((at(parent), Step::parse(&step)?));
        explorer.trails = kept.trails.into_iter().map(trail).collect::<Option<_>>()?;
        explorer.queue.clear();
        for KeptNode { trail, cuts, had_fault } in kept.queue {
            explorer.wait(Node { state: None, trail: at(trail), cuts, had_fault });
        }
        explorer.nodes = kept.nodes.into_iter().collect();
        let seen = |(image, outcome, is_sound)| (image, Seen { outcome, is_sound });
        explorer.images = kept.images.into_iter().map(seen).collect();
        (explorer.counts, explorer.strips) = (kept.counts, kept.strips);
        Some(explorer)
    }

    /// Whether every node was searched from.
    pub fn is_closed(&self) -> bool {
        self.frontier() == 0 && self.failure.is_none()
    }

    /// Nodes that wait.
    pub fn frontier(&self) -> usize {
        self.queue.values().map(VecDeque::len).sum()
    }

    /// What keeps the search open: the steps that led to most of the nodes that wait, and to how many.
    pub fn open_by(&self) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::new();
        for node in self.queue.values().flatten() {
            let step = self.trails.get(node.trail).map_or("the start".to_owned(), |(_, step)| step.kind());
            *counts.entry(step).or_insert(0) += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// Searches from one more node. `false` when there is none, or when a promise was broken.
    pub fn advance(&mut self) -> bool {
        if self.failure.is_some() {
            return false;
        }
        let Some(mut node) = self.queue.values_mut().find_map(VecDeque::pop_front) else { return false };
        let state = node.state.take().unwrap_or_else(|| self.go_to(node.trail));
        if let Err((violation, trail, step)) = self.expand(&node, &state) {
            let mut steps = self.steps(trail);
            steps.push(step);
            // A search that is put aside now finds it again.
            let again = Node { state: Some(state), ..node };
            self.queue.entry(again.cuts + u64::from(again.had_fault)).or_default().push_front(again);
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

    /// The disk at the end of a trail.
    fn go_to(&mut self, trail: usize) -> MachineState {
        let (steps, mut state) = (self.steps(trail), self.start.clone());
        for step in &steps {
            state = retrace(&mut self.oracle, &state, step, self.seed);
        }
        state
    }

    /// Takes a node if the normal form of its disk is new.
    fn offer(&mut self, state: MachineState, node: Node) -> bool {
        let normal = mix(self.oracle.normal(&state), u64::from(node.had_fault));
        let is_new = self.nodes.insert(normal);
        if is_new {
            self.wait(Node { state: Some(state), ..node });
        }
        is_new
    }

    fn wait(&mut self, node: Node) {
        self.queue.entry(node.cuts + u64::from(node.had_fault)).or_default().push_back(node);
    }

    fn expand(&mut self, node: &Node, state: &MachineState) -> Result<(), (Violation, usize, Step)> {
        let acts = if state.entered.is_some() { self.scenario.acts } else { &[] };
        for act in acts.iter().chain(&[Act::Boot]) {
            self.act(node, state, *act)?;
        }
        Ok(())
    }

    fn act(&mut self, node: &Node, state: &MachineState, act: Act) -> Result<(), (Violation, usize, Step)> {
        let was = self.oracle.reader.facts(&state.durable);
        let at = |step: Step| move |violation| (violation, node.trail, step);
        let run = self.oracle.clean(state, &was, act).map_err(at(Step::Clean(act)))?;
        self.counts.acts += 1;
        if node.trail == START {
            self.strips.push(Strip::new(act.name(), &run.events));
        }
        let mut timeline = Timeline::start(&state.durable);
        for cut in 0..=run.events.len() {
            if let Some(event) = cut.checked_sub(1).map(|last| &run.events[last]) {
                timeline.push(event);
            }
            self.cut(node, state, act, &was, &timeline, cut)?;
            self.lies(node, state, act, &run, cut)?;
        }
        if !node.had_fault && node.cuts == 0 {
            self.faults(node, state, act, &was, &run)?;
        }
        let next = MachineState { durable: run.end, entered: run.entered };
        self.step_to(node, Step::Clean(act), next, 0, false);
        Ok(())
    }

    /// Takes the place that a step leads to, if it is new; its trail then.
    fn step_to(
        &mut self,
        node: &Node,
        step: Step,
        state: MachineState,
        cuts: u64,
        fault: bool,
    ) -> Option<usize> {
        let (trail, cuts) = (self.trails.len(), node.cuts + cuts);
        let is_new = self.offer(state, Node { state: None, trail, cuts, had_fault: node.had_fault || fault });
        if is_new {
            self.trails.push((node.trail, step));
        }
        is_new.then_some(trail)
    }

    /// Whether an image was not checked before: one that a sound device may leave, as such.
    fn is_new(&mut self, image: u64, is_sound: bool) -> bool {
        self.counts.images += 1;
        self.images.get(&image).is_none_or(|seen| is_sound && !seen.is_sound)
    }

    /// Whether it counts: each image does once.
    fn checked(&mut self, image: u64, is_sound: bool) -> bool {
        let seen = Seen { outcome: self.oracle.reached, is_sound };
        let counts = self.images.insert(image, seen).is_none();
        self.counts.states += u64::from(counts);
        counts
    }

    /// Copies of the record are lost beside what the crash did.
    fn damage_copy(&mut self, trail: usize, now: &DurableState) -> Result<(), (Violation, usize, Step)> {
        for (which, _) in CopyDamage::ALL {
            let lost = which.of(now);
            // Where the other copy is torn, none is left, and one may be read tomorrow: the machine boots, and waits
            // for somebody to repair its record.
            if which.is_unreadable() && self.oracle.reader.facts(&lost).record.is_none() {
                continue;
            }
            let image = hash(&lost);
            if self.is_new(image, false) {
                let checked = self.oracle.damage_copy(now, which);
                checked.map_err(|violation| (violation, trail, Step::CopyDamage(which)))?;
                self.counts.lost_copies += u64::from(self.checked(image, false));
            }
        }
        Ok(())
    }

    /// The staged bundle is damaged beside what the crash did.
    fn damage_staged(&mut self, trail: usize, now: &DurableState) -> Result<(), (Violation, usize, Step)> {
        for (which, _) in StagedDamage::ALL {
            let Some(damaged) = which.of(now) else { continue };
            let image = hash(&damaged);
            if self.is_new(image, false) {
                let checked = self.oracle.damage_staged(&damaged);
                checked.map_err(|violation| (violation, trail, Step::StagedDamage(which)))?;
                self.counts.damaged_bundles += u64::from(self.checked(image, false));
            }
        }
        Ok(())
    }

    /// A bit of a slot is wrong beside what the crash did. What is no image has nothing that could be damaged.
    fn damage_slot(&mut self, trail: usize, now: &DurableState) -> Result<(), (Violation, usize, Step)> {
        let whole = self.oracle.reader.facts(now).whole;
        for (which, _) in SlotDamage::ALL.into_iter().filter(|(which, _)| whole[which.slot()].is_some()) {
            let image = hash(&which.of(now));
            if self.is_new(image, false) {
                let checked = self.oracle.damage_slot(now, which);
                checked.map_err(|violation| (violation, trail, Step::SlotDamage(which)))?;
                self.counts.spoilt_slots += u64::from(self.checked(image, false));
            }
        }
        Ok(())
    }

    /// Every loss of the epoch that is open at a cut.
    fn cut(
        &mut self,
        node: &Node,
        state: &MachineState,
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
        let durable = self.oracle.reader.facts(&timeline.durable());
        let live = self.oracle.reader.facts(&timeline.live());
        for loss in found.all {
            let now = timeline.image(&loss, self.seed);
            let image = hash(&now);
            let step = Step::Crash { act, cut, lies: 0, loss };
            let is = self.oracle.reader.facts(&now);
            let before = &state.durable;
            let had_fault = node.had_fault;
            let crash = Crash { before, was, durable: &durable, live: &live, now: &now, is: &is, had_fault };
            // Also of an image that is known: from here, other promises may hold for it.
            check_crash(&crash).map_err(|violation| (violation, node.trail, step.clone()))?;
            if !self.is_new(image, true) {
                self.mark(node, cut, image);
                continue;
            }
            let checked = self.oracle.recover(&now, Profile::Sound);
            checked.map_err(|violation| (violation, node.trail, step.clone()))?;
            self.checked(image, true);
            self.mark(node, cut, image);
            if let Some(trail) =
                self.step_to(node, step, MachineState { durable: now.clone(), entered: None }, 1, false)
            {
                self.damage_copy(trail, &now)?;
                self.damage_staged(trail, &now)?;
                self.damage_slot(trail, &now)?;
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

    /// Draws an image into the picture of the start.
    fn mark(&mut self, node: &Node, cut: usize, image: u64) {
        if let (true, Some(strip), Some(outcome)) =
            (node.trail == START, self.strips.last_mut(), self.images.get(&image).map(|seen| seen.outcome))
        {
            strip.mark(cut, outcome);
        }
    }

    /// Devices that lied about their last one or two barriers.
    fn lies(
        &mut self,
        node: &Node,
        state: &MachineState,
        act: Act,
        run: &Run,
        cut: usize,
    ) -> Result<(), (Violation, usize, Step)> {
        for lies in 1..=2 {
            let timeline = Timeline::lied(&state.durable, &run.events[..cut], lies);
            let mut seed = Seed::new(self.seed ^ cut as u64);
            for loss in lie_losses(&timeline.open(), LIE_SAMPLES, &mut seed) {
                let step = Step::Crash { act, cut, lies, loss: loss.clone() };
                self.weakly(node, step, timeline.image(&loss, self.seed))?;
            }
        }
        Ok(())
    }

    /// A crash image of a device that broke its word: the machine has to come up, and that is all.
    fn weakly(&mut self, node: &Node, step: Step, now: DurableState) -> Result<(), (Violation, usize, Step)> {
        let image = hash(&now);
        if !self.is_new(image, false) {
            return Ok(());
        }
        let checked = self.oracle.recover(&now, Profile::Weak);
        checked.map_err(|violation| (violation, node.trail, step))?;
        self.counts.weak += u64::from(self.checked(image, false));
        Ok(())
    }

    /// Every operation fails once in every way; the next boot is healthy.
    fn faults(
        &mut self,
        node: &Node,
        state: &MachineState,
        act: Act,
        was: &Facts,
        run: &Run,
    ) -> Result<(), (Violation, usize, Step)> {
        for (call, (op, _)) in run.calls.iter().enumerate() {
            for how in DISK_FAULTS.iter().copied().filter(|how| how.concerns(*op)) {
                let step = |kept| Step::Fault { act, call, how, kept };
                let ended = self.oracle.faulty(state, was, act, (call, how));
                let ended = ended.map_err(|violation| (violation, node.trail, step(true)))?;
                self.counts.faults += 1;
                for (kept, now) in [false, true].into_iter().zip(ended) {
                    let image = hash(&now);
                    if !self.is_new(image, false) {
                        continue;
                    }
                    let checked = self.oracle.recover(&now, Profile::Sound);
                    checked.map_err(|violation| (violation, node.trail, step(kept)))?;
                    self.counts.faulty += u64::from(self.checked(image, false));
                    self.step_to(node, step(kept), MachineState { durable: now, entered: None }, 0, true);
                }
            }
        }
        Ok(())
    }
}
