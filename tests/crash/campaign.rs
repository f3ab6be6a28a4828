//! All scenarios together, on all processors, up to a limit.

use super::counts::Counts;
use super::explore::Explorer;
use super::known::{known, meanings};
use super::scenario::Scenario;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// When a campaign ends that has not come to its end.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Nodes of each scenario that are searched from.
    pub nodes: u64,
    /// Crash states of all scenarios together.
    pub states: u64,
    /// Time for all.
    pub time: Duration,
}

/// What a campaign did.
pub struct Campaign {
    pub seed: u64,
    /// In the order of the scenarios.
    pub explorers: Vec<Explorer>,
    pub seconds: f64,
    pub threads: usize,
}

/// How far it is.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub counts: Counts,
    pub frontier: usize,
    pub closed: usize,
}

/// A scenario is worked on for so long before the next one has its turn.
const SLICE: Duration = Duration::from_millis(400);

impl Campaign {
    /// Searches that have not begun.
    pub fn begin(scenarios: &[&'static Scenario], seed: u64) -> Vec<Explorer> {
        scenarios.iter().map(|scenario| Explorer::new(scenario, seed)).collect()
    }

    /// Searches on. `plant` is called in each thread before it begins, and for each explorer.
    pub fn run(
        begun: Vec<Explorer>,
        limit: Limit,
        threads: usize,
        plant: &(dyn Fn(Option<&mut Explorer>) + Sync),
        watch: &(dyn Fn(&Progress) + Sync),
    ) -> Self {
        let _ = (known(), meanings());
        let start = Instant::now();
        let seed = begun.first().map_or(0, |explorer| explorer.seed);
        let is_enough = AtomicBool::new(false);
        // Of all, those that are worked on included.
        let known = Mutex::new(begun.iter().map(Progress::of).collect::<Vec<_>>());
        let waiting = Mutex::new(begun.into_iter().enumerate().collect::<VecDeque<_>>());
        let done = Mutex::new(VecDeque::new());
        let work = || {
            plant(None);
            loop {
                let next = waiting.lock().unwrap_or_else(|error| error.into_inner()).pop_front();
                let Some((number, mut explorer)) = next else { break };
                plant(Some(&mut explorer));
                let goes_on = !is_enough.load(Ordering::Relaxed) && slice(&mut explorer, limit, start);
                let mut known = known.lock().unwrap_or_else(|error| error.into_inner());
                known[number] = Progress::of(&explorer);
                let queue = if goes_on { &waiting } else { &done };
                queue.lock().unwrap_or_else(|error| error.into_inner()).push_back((number, explorer));
                let progress = Progress::sum(&known);
                is_enough.fetch_or(progress.counts.states >= limit.states, Ordering::Relaxed);
                watch(&progress);
            }
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        let mut done = Vec::from(done.into_inner().unwrap_or_else(|error| error.into_inner()));
        done.sort_by_key(|(number, _)| *number);
        let explorers = done.into_iter().map(|(_, explorer)| explorer).collect();
        Self { seed, explorers, seconds: start.elapsed().as_secs_f64(), threads }
    }

    /// All that was counted.
    pub fn progress(&self) -> Progress {
        Progress::sum(&self.explorers.iter().map(Progress::of).collect::<Vec<_>>())
    }

    /// Why the campaign proves nothing, if it does not: something that it should have done was not done.
    pub fn emptiness(&self) -> Option<&'static str> {
        let counts = self.progress().counts;
        let rows = [
            (counts.states, "no crash state"),
            (counts.exhaustive, "no epoch with all its subsets"),
            (counts.weak, "no state of the weaker profiles"),
            (counts.lost_copies, "no state with a lost copy"),
            (counts.faults, "no operation that failed"),
        ];
        rows.into_iter().find(|(count, _)| *count == 0).map(|(_, what)| what)
    }
}

/// Works on one scenario for a while. Whether there is more to do.
fn slice(explorer: &mut Explorer, limit: Limit, start: Instant) -> bool {
    let until = Instant::now() + SLICE;
    while explorer.counts.nodes < limit.nodes && start.elapsed() < limit.time {
        if !explorer.advance() {
            return false;
        }
        if Instant::now() >= until {
            return true;
        }
    }
    false
}

impl Progress {
    fn of(explorer: &Explorer) -> Self {
        let (counts, closed) = (explorer.counts.clone(), usize::from(explorer.is_closed()));
        Self { counts, frontier: explorer.frontier(), closed }
    }

    fn sum(parts: &[Self]) -> Self {
        let mut sum = Self::default();
        for part in parts {
            sum.counts.add(&part.counts);
            sum.frontier += part.frontier;
            sum.closed += part.closed;
        }
        sum
    }
}
