//! Every state that boots and verbs can reach, breadth first.

use super::boots::Boots;
use super::state::{BY_OTHER_MEANS, Space, State, empty, image};
use super::verbs::{self, Verb, seen_by};
use everboot_core::lifecycle::{Found, rebuild};
use everboot_core::record::Record;
use everboot_core::slot::{SlotId, SlotState, Uuid};
use everboot_kit::picture::show;
use everboot_kit::sim::pages::mix;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What led to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Start,
    /// The machine was switched on, whatever its devices did then.
    Boot,
    Verb(Verb),
}

/// All states that were reached, in the order in which they were.
pub struct Reached {
    pub space: Space,
    /// Whether there are no more.
    pub is_all: bool,
    pub states: Vec<State>,
    /// Where each came from.
    from: Vec<(usize, Step)>,
    known: HashMap<State, usize, BuildHasherDefault<Mix>>,
}

/// A quick hash of one number.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = mix(self.0, word);
    }
}

impl Reached {
    /// Searches to a fixed point.
    pub fn all(space: Space) -> Self {
        Self::first(space, usize::MAX)
    }

    /// Searches until there are so many states, or no more.
    pub fn first(space: Space, most: usize) -> Self {
        let mut reached =
            Self { space, is_all: false, states: vec![], from: vec![], known: HashMap::default() };
        for (record, running) in starts(space) {
            reached.take(&record, running, 0, Step::Start);
        }
        let mut at = 0;
        while at < reached.states.len() && reached.states.len() < most {
            reached.go_on(at);
            at += 1;
        }
        reached.is_all = at == reached.states.len();
        reached
    }

    /// Takes a record that was saved: power may fail now; and, where a system runs, it goes on.
    fn take(&mut self, record: &Record, running: Option<SlotId>, from: usize, step: Step) {
        self.take_state(State::new(record, None), from, step);
        if let Some(running) = running {
            self.take_state(State::new(&seen_by(record, running), Some(running)), from, step);
        }
    }

    fn take_state(&mut self, state: State, from: usize, step: Step) {
        self.known.entry(state).or_insert_with(|| {
            self.states.push(state);
            self.from.push((from, step));
            self.states.len() - 1
        });
    }

    /// Everything that may happen in a state.
    fn go_on(&mut self, at: usize) {
        let (record, running) = self.states[at].read(self.space.slots);
        let Some(running) = running else {
            let mut reached = |record: &Record, running| self.take(record, running, at, Step::Boot);
            Boots::new(&mut reached).all(&record);
            return;
        };
        for verb in verbs::all(self.space) {
            for saved in verbs::run(&record, verb).unwrap_or_default() {
                self.take(&saved, Some(running), at, Step::Verb(verb));
            }
        }
    }

    /// How a state was reached, for a reader.
    pub fn way_to(&self, at: usize) -> String {
        let (mut lines, mut at) = (Vec::new(), at);
        loop {
            let (record, running) = self.states[at].read(self.space.slots);
            let (from, step) = self.from[at];
            let runs = running.map_or("off".to_owned(), |id| format!("{} runs", record.slot(id).name));
            lines.push(format!("{step:?} -> {} ({runs})", show(&record)));
            if step == Step::Start {
                break;
            }
            at = from;
        }
        lines.reverse();
        lines.join("\n")
    }
}

/// Records that a machine may begin with: what the slots say of themselves, in every combination of images and marks,
/// whether a machine is fresh from the factory or has lost its record; one slot filled by other means and declared
/// good; one that was confirmed before the first boot.
fn starts(Space { slots, images }: Space) -> Vec<(Record, Option<SlotId>)> {
    let names = empty(slots).slots;
    let mut combinations: Vec<Vec<Found>> = vec![vec![]];
    for slot in &names {
        let one = |image: Option<u8>, mark| Found {
            name: slot.name.clone(),
            parts: slot.parts.clone(),
            image: image.map(super::state::image),
            mark,
            floor: image.map_or(String::new(), |number| format!("{number}.0")),
        };
        let mut kinds = vec![one(None, None)];
        for image in 1..=images {
            let marks = [None].into_iter().chain((1..=slots as u64).map(Some));
            kinds.extend(marks.map(|mark| one(Some(image), mark)));
        }
        let with = |found: &Vec<Found>| {
            kinds.iter().map(|kind| [found.clone(), vec![kind.clone()]].concat()).collect::<Vec<_>>()
        };
        combinations = combinations.iter().flat_map(with).collect();
    }
    let mut starts = Vec::new();
    for found in combinations {
        let record = rebuild(Uuid([0xd1; 16]), &found);
        starts.extend(record.ids().map(|(id, _)| (declared_good(&record, id), None)));
        // A record that is lost while a system runs is made anew from the slots as well.
        let running = record.ids().filter(|(_, slot)| slot.image.is_some()).map(|(id, _)| Some(id));
        starts.extend([None].into_iter().chain(running).map(|running| (record.clone(), running)));
    }
    starts
}

/// As `record init --good` makes it.
fn declared_good(record: &Record, id: SlotId) -> Record {
    let mut record = record.clone();
    let highest = record.slots.iter().map(|slot| slot.confirmed).max().unwrap_or(0);
    let slot = record.slot_mut(id);
    slot.image.get_or_insert(image(BY_OTHER_MEANS));
    (slot.state, slot.confirmed) = (SlotState::Good, highest + 1);
    record.default = Some(id);
    record
}
