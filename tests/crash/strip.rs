//! A picture of the crash space: for each moment of an act, where the crashes at that moment led.

use super::oracle::Outcome;
use everboot_kit::sim::RECORD;
use everboot_kit::sim::power::{Event, FIRST_FILE};
use serde::{Deserialize, Serialize};

/// One act, from the start of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strip {
    /// What was done.
    pub act: String,
    /// Its changes in order: `r` writes the record, `w` a slot, `f` a staged file, `n` changes a name, `s` is a
    /// barrier.
    pub changes: String,
    /// For each moment, before the first change and after each: how many crash images led to each outcome, in
    /// the order of [`Outcome::ALL`].
    pub outcomes: Vec<[u32; Outcome::ALL.len()]>,
}

impl Strip {
    /// Nothing is drawn yet.
    pub fn new(act: &str, events: &[Event]) -> Self {
        let outcomes = vec![[0; Outcome::ALL.len()]; events.len() + 1];
        Self { act: act.to_owned(), changes: events.iter().map(letter).collect(), outcomes }
    }

    /// One image more.
    pub fn mark(&mut self, cut: usize, outcome: Outcome) {
        let at = Outcome::ALL.iter().position(|(known, _)| *known == outcome);
        if let (Some(at), Some(counts)) = (at, self.outcomes.get_mut(cut)) {
            counts[at] += 1;
        }
    }
}

fn letter(event: &Event) -> char {
    match event {
        Event::Write { medium: RECORD, .. } => 'r',
        Event::Write { medium, .. } if *medium < FIRST_FILE => 'w',
        Event::Write { .. } => 'f',
        Event::Link(..) | Event::Unlink(_) | Event::Rename(..) => 'n',
        Event::Sync(_) | Event::SyncFailed(_) | Event::SyncDirectory => 's',
    }
}
