//! What a campaign found, for people and for programs. Counted figures only.

use anyhow::{Context, Result};
use everboot_crash::campaign::{Campaign, Progress};
use everboot_crash::counts::Counts;
use everboot_crash::explore::Explorer;
use everboot_crash::mutants::Found;
use everboot_crash::oracle::Outcome;
use everboot_crash::replay::Path as Way;
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// A table of the scenarios, and the sum.
pub(crate) fn print(done: &Campaign, before: u64) {
    println!("{:24} {:>9} {:>9} {:>7} {:>5}  closed", "scenario", "states", "images", "nodes", "cuts");
    for explorer in &done.explorers {
        let Counts { states, images, nodes, cuts, .. } = explorer.counts;
        println!(
            "{:24} {states:>9} {images:>9} {nodes:>7} {cuts:>5}  {}",
            explorer.scenario.name,
            end(explorer)
        );
    }
    let progress = done.progress();
    let counts = &progress.counts;
    let states = counts.states - before;
    println!(
        "{states} crash states, each booted and checked, in {:.1} s on {} threads: {:.0} a second",
        done.seconds,
        done.threads,
        states as f64 / done.seconds
    );
    if before > 0 {
        println!("with {before} that were kept: {} crash states", counts.states);
    }
    println!(
        "of these {} on devices that broke their word, {} with lost copies of the record, {} with a damaged bundle, \
         {} with a wrong bit in a slot, {} after I/O errors; \
         {} images made, {} of them samples; {} epochs with every subset, {} by families; {} operations failed",
        counts.weak,
        counts.lost_copies,
        counts.damaged_bundles,
        counts.spoilt_slots,
        counts.faulty,
        counts.images,
        counts.sampled,
        counts.exhaustive,
        counts.families,
        counts.faults
    );
    println!(
        "{} of {} scenarios closed: any number of power cuts is covered in them; {} nodes wait in the others",
        progress.closed,
        done.explorers.len(),
        progress.frontier
    );
}

fn end(explorer: &Explorer) -> String {
    match (&explorer.failure, explorer.is_closed()) {
        (Some(failure), _) => format!("BROKEN invariant_{}", failure.violation.invariant),
        (None, true) => "yes".to_owned(),
        (None, false) => {
            let by =
                explorer.open_by().into_iter().take(2).map(|(step, count)| format!("{count} after {step}"));
            format!("no, {} nodes wait: {}", explorer.frontier(), by.collect::<Vec<_>>().join(", "))
        }
    }
}

/// One point of the search's progress, at most one for each half second.
pub(crate) fn point(points: &Mutex<Vec<Point>>, at: Duration, progress: &Progress) {
    let mut points = points.lock().unwrap_or_else(|error| error.into_inner());
    let is_due = points.last().is_none_or(|last| at.as_secs_f64() - last.seconds >= 0.5);
    if is_due {
        let (states, waiting) = (progress.counts.states, progress.frontier);
        points.push(Point { seconds: at.as_secs_f64(), states, waiting, closed: progress.closed });
    }
}

/// How far the search was at some time.
#[derive(Serialize)]
pub(crate) struct Point {
    seconds: f64,
    states: u64,
    waiting: usize,
    closed: usize,
}

/// The same as `crash.json`, with the picture of the crash space.
pub(crate) fn write(done: &Campaign, before: u64, points: &[Point], folder: &Path) -> Result<()> {
    let scenarios: Vec<Value> = done.explorers.iter().map(|explorer| scenario(done.seed, explorer)).collect();
    let progress = done.progress();
    let report = json!({
        "seed": done.seed,
        "seconds": done.seconds,
        "kept": before,
        "threads": done.threads,
        "closed": progress.closed,
        "waiting": progress.frontier,
        "counts": counts(&progress.counts),
        "outcomes": Outcome::ALL.map(|(_, name)| name),
        "points": points,
        "scenarios": scenarios,
    });
    save(folder, "crash.json", &report)
}

fn scenario(seed: u64, explorer: &Explorer) -> Value {
    let way = |steps| Way { scenario: explorer.scenario.name.to_owned(), seed, steps };
    let failure = explorer.failure.as_ref().map(|failure| {
        json!({
            "invariant": failure.violation.invariant,
            "what": failure.violation.what,
            "replay": way(failure.steps.clone()).to_string(),
        })
    });
    json!({
        "name": explorer.scenario.name,
        "closed": explorer.is_closed(),
        "waiting": explorer.frontier(),
        "counts": counts(&explorer.counts),
        "strips": explorer.strips,
        "failure": failure,
    })
}

fn counts(counts: &Counts) -> Value {
    json!({
        "states": counts.states,
        "weak": counts.weak,
        "lost_copies": counts.lost_copies,
        "damaged_bundles": counts.damaged_bundles,
        "spoilt_slots": counts.spoilt_slots,
        "faulty": counts.faulty,
        "images": counts.images,
        "sampled": counts.sampled,
        "exhaustive_epochs": counts.exhaustive,
        "family_epochs": counts.families,
        "nodes": counts.nodes,
        "acts": counts.acts,
        "faults": counts.faults,
        "most_cuts": counts.cuts,
    })
}

/// The table of planted bugs: which invariant found each, and after how many states.
pub(crate) fn print_bugs(found: &[Found]) {
    println!("{:26} {:26} {:>7}  path", "bug", "found by invariant_", "states");
    for ((_, name, _), caught) in found {
        match caught {
            None => println!("{name:26} NOT FOUND"),
            Some(caught) => {
                let (failure, scenario) = (&caught.failure, caught.scenario.name);
                let steps: Vec<String> = failure.steps.iter().map(ToString::to_string).collect();
                let invariant = failure.violation.invariant;
                println!("{name:26} {invariant:26} {:>7}  {scenario}: {}", caught.states, steps.join(", "));
            }
        }
    }
}

/// The same as `bugs.json`.
pub(crate) fn write_bugs(found: &[Found], folder: &Path) -> Result<()> {
    let row = |((_, name, what), caught): &Found| {
        json!({
            "bug": name,
            "what": what,
            "invariant": caught.as_ref().map(|caught| caught.failure.violation.invariant),
            "states": caught.as_ref().map(|caught| caught.states),
        })
    };
    save(folder, "bugs.json", &Value::Array(found.iter().map(row).collect()))
}

fn save(folder: &Path, name: &str, value: &Value) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let path = folder.join(name);
    let text = serde_json::to_string_pretty(value).context("write JSON")?;
    fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))
}
