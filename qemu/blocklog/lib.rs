//! Crash images of a real disk: real updates are recorded in QEMU under a block log, and everything that a power
//! cut may have left of them is given to the agent.
//!
//! `subject` is the machine and the update, the campaign's own or a `user_machine`; `recording` runs the
//! update, and `log` reads what QEMU wrote down of it; `image` makes the crash images, out of the ways that `epoch`
//! enumerates for simulated media too; `replay` has the agent boot each and checks it by `invariants`; `campaign` does
//! that for all; `boots` has the real kernel boot a `sample`. `barriers` compares the log with what the media of the
//! same flows in memory wrote, and `damage_check` shows that the oracle sees damage.
#![allow(missing_docs, reason = "read by tests alone")]

pub mod address;
pub mod agent;
pub mod barriers;
pub mod boots;
pub mod campaign;
pub mod console;
pub mod counts;
pub mod crash_images;
pub mod damage_check;
pub mod disk;
pub mod disk_sizes;
pub mod image;
pub mod invariants;
pub mod known;
pub mod log;
pub mod options;
pub mod partitions;
pub mod recording;
pub mod replay;
pub mod report;
pub mod sample;
pub mod staging;
pub mod strip;
pub mod subject;
#[cfg(test)]
mod tests;
pub mod user_machine;

use address::Address;
use anyhow::{Context, Result, ensure};
use boots::Snapshot;
use campaign::{Found, Sandbox};
pub use counts::Counts;
use crash_images::CrashImages;
use everboot_builder::agent::Agent;
use everboot_builder::paths;
use everboot_kit::violation::Violation;
use everboot_testbed::Testbed;
pub use options::Options;
use recording::Recording;
pub use report::Report;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use subject::Subject;

/// Records, makes the images, checks them, boots a sample.
///
/// It is an error when nothing was recorded, when the enumerator skipped something, and when a barrier did not reach
/// the disk.
pub fn run(options: &Options, progress: &(dyn Fn(&str, &Counts) + Sync)) -> Result<Report> {
    let testbed = Testbed::shared()?;
    let _one_at_a_time = paths::lock("faults")?;
    let start = Instant::now();
    let mut counts = Counts::default();
    let mut steps = Vec::new();
    let mut step = |name| {
        let before: u128 = steps.iter().map(|(_, ms)| ms).sum();
        steps.push((name, start.elapsed().as_millis() - before));
    };

    progress("recording", &counts);
    let scene = Scene::new(testbed, Subject::prepare(testbed, &options.user_machine)?)?;
    step("prepare");
    let recordings = recording::record(testbed, &scene.subject)?;
    step("record");
    let all_images = scene.all_images(&recordings, options.seed, &mut counts)?;
    counts.damages_seen = damage_check::run(&all_images[0], &scene.sandbox())?;
    step("compare barriers, enumerate");
    let until = Instant::now() + Duration::from_secs(options.seconds) * 2 / 3;
    let Found { counts, checked, mut failures } =
        campaign::run(&all_images, &scene.sandbox(), options, until, counts, &|counts| {
            progress("images", counts)
        })?;
    step("check images");
    let mut counts = counts;
    let sample = sample::sample(&checked, options.boots, options.seed, &mut counts.kinds);
    let snapshot =
        Snapshot::take(testbed, &scene.subject, &scene.folder.join("boots"), recordings[0].before.len())?;
    step("take the snapshot");
    let until = until.max(Instant::now()) + Duration::from_secs(options.seconds) / 3;
    let tell = |boots| progress("boots", &Counts { boots, ..counts.clone() });
    let (boots, failed) =
        boots::run(testbed, &snapshot, &all_images, &sample, options.threads, until, &tell)?;
    step("boot");
    counts.boots = boots;
    failures.extend(failed);
    failures.sort_by_key(|failure| failure.lost);
    let wanted = [("images", counts.images, options.images), ("boots", counts.boots, options.boots)];
    let short = wanted.into_iter().filter(|(_, found, wanted)| *found < *wanted as u64);
    let short = short.map(|(what, found, wanted)| format!("expected {wanted} {what}, there were {found}"));
    let shortfalls = short.collect();
    let strips = strip::strips(&all_images, &checked);
    Ok(Report { counts, failures, shortfalls, strips, steps })
}

/// Checks one image of the last recordings again, and boots it. A picture of it, and what came of it.
pub fn replay(path: &str) -> Result<(String, Result<String, Violation>)> {
    let address = Address::parse(path);
    let address =
        address.with_context(|| format!("expected a path like running/sure/12/3/1, found {path}"))?;
    let testbed = Testbed::shared()?;
    let _one_at_a_time = paths::lock("faults")?;
    let scene = Scene::new(testbed, Subject::kept()?)?;
    let recordings = recording::kept(&scene.subject)?;
    let new = |recording| CrashImages::new(recording, address.seed);
    let all_images = recordings.iter().map(new).collect::<Result<Vec<_>>>()?;
    let (picture, checked) = campaign::replay(&all_images, &scene.sandbox(), &address)?;
    let checked = match checked {
        Ok(checked) => checked,
        Err(violation) => return Ok((picture, Err(violation))),
    };
    let snapshot =
        Snapshot::take(testbed, &scene.subject, &scene.folder.join("boots"), recordings[0].before.len())?;
    let until = Instant::now() + everboot_testbed::machine::LIMIT;
    let output = checked.outcome.output.clone();
    let (_, failed) = boots::run(testbed, &snapshot, &all_images, &[checked], 1, until, &|_| ())?;
    Ok((picture, failed.into_iter().next().map_or(Ok(output), |failure| Err(failure.violation))))
}

/// Where all of it happens: a folder in memory that goes with its owner.
struct Scene {
    folder: PathBuf,
    agent: Agent,
    subject: Subject,
}

impl Scene {
    fn new(testbed: &Testbed, subject: Subject) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let name = format!("everboot-faults-{}", std::process::id());
        let folder = if memory.is_dir() { memory.join(name) } else { paths::work(&name)? };
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder, agent: testbed.agent.clone(), subject })
    }

    fn sandbox(&self) -> Sandbox<'_> {
        Sandbox { folder: &self.folder, agent: &self.agent, settings: &self.subject.settings }
    }

    /// Compares the barriers of each recording, and enumerates its images.
    fn all_images<'a>(
        &self,
        recordings: &'a [Recording],
        seed: u64,
        counts: &mut Counts,
    ) -> Result<Vec<CrashImages<'a>>> {
        let mut all_images = Vec::new();
        for recording in recordings {
            let agreed =
                barriers::compare(recording, &self.folder, &self.subject.config, &self.subject.keys)?;
            let images = CrashImages::new(recording, seed)?;
            let flushes = recording.entries.iter().filter(|entry| **entry == log::Entry::Flush).count();
            counts.entries += recording.entries.len() as u64;
            counts.flushes += flushes as u64;
            counts.barriers += agreed.barriers;
            counts.needed += agreed.needed;
            images.count(counts);
            all_images.push(images);
        }
        ensure!(counts.epochs > 0, "nothing was recorded");
        Ok(all_images)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // What stays behind costs memory until the next start, and nothing else.
        let _ = paths::remove_tree(&self.folder);
    }
}
