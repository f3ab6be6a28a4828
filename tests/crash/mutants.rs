//! Shows that the search finds bugs: every bug that is planted has to be found.

use super::explore::Explorer;
use super::failure::Failure;
use super::known::{known, meanings};
use super::oracle::Oracle;
use super::replay::{Path, replay};
use super::scenario::{SCENARIOS, Scenario};
use everboot_core::mutant::{Mutant, plant};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bug in the library, or in the media below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    Library(Mutant),
    /// The last write before a barrier passes it.
    SwapWrites,
    /// Every third barrier does nothing.
    DropSyncs,
}

/// All of them, each with its name and what is wrong.
pub fn all() -> Vec<(Planted, &'static str, &'static str)> {
    let library = Mutant::ALL.iter().map(|(bug, name, what)| (Planted::Library(*bug), *name, *what));
    let media = [
        (Planted::SwapWrites, "swapped-writes", "the last write before a barrier passes it"),
        (Planted::DropSyncs, "dropped-syncs", "every third barrier does nothing"),
    ];
    library.chain(media).collect()
}

pub fn named(name: &str) -> Option<Planted> {
    all().into_iter().find(|(_, known, _)| *known == name).map(|(bug, ..)| bug)
}

/// Where a bug was found.
#[derive(Debug, Clone)]
pub struct Caught {
    pub scenario: &'static Scenario,
    pub failure: Failure,
    /// Crash states that were checked before it.
    pub states: u64,
}

/// Nodes of each scenario that are searched from, in rounds.
const ROUNDS: [u64; 2] = [1, 8];

/// Nodes of the scenario in which it is likely.
const LONG: u64 = 16;

/// Where a bug is looked for first, which saves time and nothing else: a bug that is not there is looked for
/// everywhere.
const FIRST: &[(&str, &[&str])] = &[
    (
        "due",
        &[
            "first-valid-copy",
            "no-checksum",
            "half-compared",
            "trailer-unread",
            "starts-never-end",
            "starts-in-all-given-back",
            "error-makes-bad",
        ],
    ),
    (
        "prepare",
        &["no-barrier-before-trailer", "trailer-first", "blocks-not-read-back", "save-after-handoff"],
    ),
    (
        "due-over-a-good-slot",
        &["trailer-kept", "erase-no-sync", "not-named-writing", "writing-in-one-copy", "staged-unproven"],
    ),
    (
        "rollback-of-a-trial",
        &[
            "record-no-read-back",
            "mark-no-sync",
            "no-record-trial",
            "record-before-mark",
            "device-makes-bad",
            "tries-never-end",
            "handoffs-given-back",
            "attempt-in-one-copy",
        ],
    ),
    ("staged-twice", &["bundle-before-record", "staged-not-read-back"]),
    ("floor", &["floor-sinks", "floor-forgotten"]),
    ("no-record", &["lost-forgotten"]),
    ("no-record-unmarked", &["unmarked-is-good"]),
    ("rollback", &["good-made-bad"]),
    ("over-a-good-slot", &["other-good-written"]),
    ("rejected-and-running", &["running-written"]),
];

impl Planted {
    /// Makes this thread's everboot, and the media of an oracle, have the bug.
    pub fn plant_in(self, oracle: &mut Oracle) {
        match self {
            Self::Library(bug) => plant(Some(bug)),
            Self::SwapWrites => oracle.actor.media.swap_writes = true,
            Self::DropSyncs => oracle.actor.media.drop_syncs = true,
        }
    }

    /// Searches until the bug is found. What the search begins with was made without it.
    pub fn hunt(self, seed: u64) -> Option<Caught> {
        let _ = (known(), meanings());
        plant(None);
        let mut explorers: Vec<Explorer> =
            SCENARIOS.iter().map(|scenario| Explorer::new(scenario, seed)).collect();
        explorers.iter_mut().for_each(|explorer| self.plant_in(&mut explorer.oracle));
        explorers.sort_by_key(|explorer| !self.is_likely_in(explorer.scenario));
        let likely = explorers.iter().filter(|explorer| self.is_likely_in(explorer.scenario)).count();
        let found =
            search(&mut explorers[..likely], LONG) || ROUNDS.iter().any(|most| search(&mut explorers, *most));
        let states = explorers.iter().map(|explorer| explorer.counts.states).sum();
        let failed = explorers.into_iter().filter(|_| found).find(|explorer| explorer.failure.is_some());
        plant(None);
        let failed = failed?;
        let (scenario, failure) = (failed.scenario, failed.failure?);
        // Without the bug the same path breaks nothing.
        let path = Path { scenario: scenario.name.to_owned(), seed, steps: failure.steps.clone() };
        replay(&path, &|_| (), &mut |_, _| ()).ok()?;
        Some(Caught { scenario, failure, states })
    }

    fn is_likely_in(self, scenario: &Scenario) -> bool {
        let name = all().into_iter().find(|(bug, ..)| *bug == self).map(|(_, name, _)| name);
        let here = FIRST.iter().filter(|(first, _)| *first == scenario.name);
        here.flat_map(|(_, bugs)| *bugs).any(|bug| Some(*bug) == name)
    }
}

/// Searches from so many nodes of each. Whether a promise was broken.
fn search(explorers: &mut [Explorer], most: u64) -> bool {
    explorers.iter_mut().any(|explorer| {
        while explorer.counts.nodes < most && explorer.advance() {}
        explorer.failure.is_some()
    })
}

/// A bug with its name, what is wrong, and where it was found.
pub type Found = ((Planted, &'static str, &'static str), Option<Caught>);

/// Hunts all bugs, in the order in which they are listed.
pub fn hunt_all(seed: u64, threads: usize) -> Vec<Found> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((at, row)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, *all().get(at)?)))
        {
            let caught = row.0.hunt(seed);
            found.lock().unwrap_or_else(|error| error.into_inner()).push((at, (row, caught)));
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap_or_else(|error| error.into_inner());
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, found)| found).collect()
}
