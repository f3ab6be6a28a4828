//! The campaign: the crash images of all recordings, in an order that reaches every epoch early.

use super::address::Address;
use super::agent::WorkingCopy;
use super::counts::Counts;
use super::crash_images::{CrashImages, EpochLosses, Failure};
use super::image::Coverage;
use super::options::Options;
use super::replay::{Oracle, RecordingContext, ReplayFailure};
use super::sample::Checked;
use super::staging::StagingCache;
use anyhow::{Context, Result, anyhow};
use everboot_builder::agent::Agent;
use everboot_kit::violation::Violation;
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// After so many failures nothing new is learnt.
const ENOUGH: usize = 20;

/// What all threads share.
struct Shared<'a> {
    all_images: &'a [CrashImages<'a>],
    /// Index of the recording, index of the epoch, position in its order.
    jobs: Vec<(usize, usize, usize)>,
    next: AtomicUsize,
    options: &'a Options,
    until: Instant,
    progress: &'a (dyn Fn(&Counts) + Sync),
    seen: Mutex<HashSet<u64>>,
    found: Mutex<Found>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Counted, nothing estimated.
    pub counts: Counts,
    /// All images that passed.
    pub checked: Vec<Checked>,
    /// All that were not.
    pub failures: Vec<Failure>,
}

/// Checks images until there are enough of them, or time is up.
pub fn run(
    all_images: &[CrashImages<'_>],
    sandbox: &Sandbox<'_>,
    options: &Options,
    until: Instant,
    counts: Counts,
    progress: &(dyn Fn(&Counts) + Sync),
) -> Result<Found> {
    let shared = Shared {
        all_images,
        jobs: jobs(all_images),
        next: AtomicUsize::new(0),
        options,
        until,
        progress,
        seen: Mutex::default(),
        found: Mutex::new(Found { counts, ..Found::default() }),
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads.max(1))
            .map(|number| (number, &shared))
            .map(|(number, shared)| scope.spawn(move || shared.work(number, sandbox)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the campaign panicked"))?)
    })?;
    Ok(shared.found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One of each place, then another of each, and so on.
fn jobs(all_images: &[CrashImages<'_>]) -> Vec<(usize, usize, usize)> {
    let mut jobs = Vec::new();
    for (images, known) in all_images.iter().enumerate() {
        for (at, place) in known.places.iter().enumerate() {
            jobs.extend((0..place.order.len()).map(|turn| (turn, images, at)));
        }
    }
    jobs.sort_unstable();
    jobs.into_iter().map(|(turn, images, at)| (images, at, turn)).collect()
}

/// Where agents work.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox<'a> {
    /// A folder in memory.
    pub folder: &'a Path,
    /// The programs of the machine.
    pub agent: &'a Agent,
    /// The machine's settings.
    pub settings: &'a Path,
}

impl Sandbox<'_> {
    /// An oracle with a working copy of its own.
    pub fn oracle<'a>(&self, name: &str, context: &'a RecordingContext<'a>) -> Result<Oracle<'a>> {
        let folder = self.folder.join(name);
        let (len, data) = (context.recording.before.len(), context.recording.parts.data);
        let copy = WorkingCopy::new(&folder, self.agent, self.settings, len, data)?;
        Ok(Oracle::new(context, copy, StagingCache::new(folder.join("cache"))))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    fn work(&self, number: usize, sandbox: &Sandbox<'_>) -> Result<()> {
        let mut oracles = Vec::new();
        for (at, images) in self.all_images.iter().enumerate() {
            oracles.push(sandbox.oracle(&format!("{number}-{at}"), images.context())?);
        }
        while let Some((images, place, turn)) = self.jobs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if self.is_over() {
                break;
            }
            let known = &self.all_images[*images];
            let place = &known.places[*place];
            self.one(known, place, place.order[*turn], &mut oracles[*images])?;
        }
        lock(&self.found).counts.agent_runs += oracles.iter().map(|oracle| oracle.copy.runs).sum::<u64>();
        Ok(())
    }

    fn is_over(&self) -> bool {
        let found = lock(&self.found);
        let enough = found.counts.images >= self.options.images as u64 || found.failures.len() >= ENOUGH;
        enough || Instant::now() >= self.until
    }

    fn one(
        &self,
        images: &CrashImages<'_>,
        place: &EpochLosses,
        way: usize,
        oracle: &mut Oracle<'_>,
    ) -> Result<()> {
        let loss = &place.losses[way];
        let image = place.epoch.image(loss, images.seed);
        let is_new = lock(&self.seen).insert(image.hash());
        lock(&self.found).counts.made += 1;
        if !is_new {
            return Ok(());
        }
        let case = place.case(loss, image);
        let checked = oracle.check(&case);
        let mut found = lock(&self.found);
        found.counts.images += 1;
        found.counts.unsure += u64::from(place.coverage == Coverage::AllButLast);
        let address = images.address(place, way);
        match checked {
            Ok(outcome) => {
                found.counts.staging_lost += u64::from(!outcome.has_staging);
                found.checked.push(images.checked(address, place, outcome));
            }
            Err(ReplayFailure::Broken(violation)) => {
                found.failures.extend(images.failure(&address, violation))
            }
            Err(ReplayFailure::Harness(error)) => return Err(error.context(format!("image {address}"))),
        }
        (self.progress)(&found.counts);
        Ok(())
    }
}

/// Checks one image again.
pub fn replay(
    all_images: &[CrashImages<'_>],
    sandbox: &Sandbox<'_>,
    address: &Address,
) -> Result<(String, Result<Checked, Violation>)> {
    let images = all_images.iter().find(|images| images.has(address));
    let images =
        images.with_context(|| format!("expected the name of a recording, found {}", address.recording))?;
    let (place, way) = images.find(address).with_context(|| format!("{address} is none of the images"))?;
    let loss = &place.losses[way];
    let picture = place.picture(loss, &images.context().recording.parts);
    let mut oracle = sandbox.oracle("replay", images.context())?;
    match oracle.check(&place.case(loss, place.epoch.image(loss, images.seed))) {
        Ok(outcome) => Ok((picture, Ok(images.checked(address.clone(), place, outcome)))),
        Err(ReplayFailure::Broken(violation)) => Ok((picture, Err(violation))),
        Err(ReplayFailure::Harness(error)) => Err(error),
    }
}
