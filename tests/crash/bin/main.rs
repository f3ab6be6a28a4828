//! `everboot-crash`: every crash point of everboot, in process.
//!
//! It searches what power cuts, failing devices and lost copies may make of a simulated machine, and boots
//! each of them. It ends with an error when a promise was broken, when it did nothing, or when a bug that was
//! planted was not found.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod keep;
mod report;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use everboot_core::config::{Assess, Config};
use everboot_crash::campaign::{Campaign, Limit, Progress};
use everboot_crash::damage::{CopyDamage, SlotDamage};
use everboot_crash::explore::Explorer;
use everboot_crash::failure::Failure;
use everboot_crash::minimise::minimise;
use everboot_crash::mutants::{self, Planted};
use everboot_crash::replay::{Path, replay};
use everboot_crash::scenario::{NOT_YET, SCENARIOS, Scenario};
use everboot_crash::show::disk;
use everboot_crash::starts::POLICY;
use everboot_crash::step::TROUBLE_NAMES;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The searches are put aside after so long.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// Every crash point of everboot, in process.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Seconds for all scenarios together.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Ends when there are so many crash states.
    #[arg(long)]
    states: Option<u64>,
    /// Fails when there are fewer crash states, unless there are no more.
    #[arg(long, default_value_t = 1)]
    least: u64,
    /// Goes on from what this file has, and puts the searches aside there.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// The number that all chance comes from.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Threads.
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
    /// Only this scenario.
    #[arg(long)]
    scenario: Option<String>,
    /// Plants a bug, and fails when it is not found.
    #[arg(long, global = true)]
    mutant: Option<String>,
    /// Takes tries, handoffs, apply-starts and assess of every machine from this everboot.conf; those of two scenarios
    /// are in their names.
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Writes crash.json, or bugs.json, there.
    #[arg(long, global = true)]
    report: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Goes one path again, with a picture of the disk at each step.
    Replay {
        /// As a failure prints it.
        path: String,
    },
    /// Plants every bug, one after the other; all have to be found.
    Mutants,
    /// Names the scenarios, the faults and the bugs.
    List,
}

fn main() -> ExitCode {
    // A panic of the code under test is a finding, and reported as one.
    std::panic::set_hook(Box::new(|_| ()));
    let options = Options::parse();
    let policy = options.policy.as_deref().map_or(Ok(()), take_policy);
    let outcome = policy.and_then(|()| match &options.verb {
        None => campaign(&options),
        Some(Verb::Replay { path }) => show_path(path, options.bug()),
        Some(Verb::Mutants) => find_all(&options),
        Some(Verb::List) => {
            list();
            Ok(())
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("everboot-crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Takes the policy of every machine from a configuration.
fn take_policy(file: &std::path::Path) -> Result<()> {
    let named = || file.display().to_string();
    let config = Config::parse(&std::fs::read_to_string(file).with_context(named)?).with_context(named)?;
    let policy = config.policy();
    println!(
        "policy of every machine: {} tries, {} hand-offs, {} starts of an apply, {} in all, assess {}",
        policy.tries,
        policy.handoffs,
        policy.apply_starts,
        policy.apply_starts_in_all,
        if policy.assess == Assess::Always { "always" } else { "upgrade" }
    );
    let _ = POLICY.set(policy);
    Ok(())
}

impl Options {
    fn bug(&self) -> Result<Option<Planted>> {
        let find = |name: &str| {
            mutants::named(name).with_context(|| format!("{name}: expected a bug that `list` names"))
        };
        self.mutant.as_deref().map(find).transpose()
    }

    fn scenarios(&self) -> Result<Vec<&'static Scenario>> {
        match &self.scenario {
            None => Ok(SCENARIOS.iter().collect()),
            Some(name) => {
                let found = Scenario::named(name);
                Ok(vec![found.with_context(|| format!("{name}: expected a scenario that `list` names"))?])
            }
        }
    }
}

fn campaign(options: &Options) -> Result<()> {
    if let Some(bug) = options.bug()? {
        return find_one(bug, options);
    }
    let mut begun = Campaign::begin(&options.scenarios()?, options.seed);
    if let Some(file) = &options.keep {
        begun = keep::take_up(file, begun);
    }
    let before: u64 = begun.iter().map(|explorer| explorer.counts.states).sum();
    let (states, time) = (options.states.unwrap_or(u64::MAX), Duration::from_secs(options.seconds));
    let (watch, points) = (progress_line(begun.len()), Mutex::new(Vec::new()));
    let start = Instant::now();
    let see = |progress: &Progress| {
        watch(progress);
        report::point(&points, start.elapsed(), progress);
    };
    let limit = Limit { nodes: u64::MAX, states, time };
    let done = search(begun, limit, options, &see)?;
    report::print(&done, before);
    if let Some(folder) = &options.report {
        let points = points.into_inner().unwrap_or_else(|error| error.into_inner());
        report::write(&done, before, &points, folder)?;
    }
    for explorer in &done.explorers {
        if let Some(failure) = &explorer.failure {
            tell(explorer.scenario, options, failure, None);
        }
    }
    verdict(&done, before, options.least)
}

/// Searches, and puts the searches aside now and then: whoever is interrupted loses little.
fn search(
    mut begun: Vec<Explorer>,
    limit: Limit,
    options: &Options,
    see: &(dyn Fn(&Progress) + Sync),
) -> Result<Campaign> {
    let start = Instant::now();
    loop {
        let rest = limit.time.saturating_sub(start.elapsed());
        let time = if options.keep.is_some() { rest.min(KEEP_EVERY) } else { rest };
        let mut done = Campaign::run(begun, Limit { time, ..limit }, options.threads, &|_| (), see);
        done.seconds = start.elapsed().as_secs_f64();
        if let Some(file) = &options.keep {
            keep::save(file, &done.explorers)?;
        }
        let is_over = done.explorers.iter().all(|one| one.is_closed() || one.failure.is_some());
        let is_enough = done.progress().counts.states >= limit.states;
        if is_over || is_enough || start.elapsed() >= limit.time {
            return Ok(done);
        }
        begun = done.explorers;
    }
}

/// Whether the campaign proves what it was asked to.
fn verdict(done: &Campaign, before: u64, least: u64) -> Result<()> {
    let (progress, count) = (done.progress(), done.explorers.len());
    let failed = done.explorers.iter().filter(|explorer| explorer.failure.is_some()).count();
    if failed > 0 {
        bail!("a promise is broken in {failed} of {count} scenarios");
    }
    let is_closed = progress.closed == count;
    if let Some(what) = done.emptiness() {
        bail!("the campaign proves nothing: {what}");
    }
    if progress.counts.states == before && !is_closed {
        bail!("the campaign proves nothing: no crash state beyond those that were kept");
    }
    if progress.counts.states < least && !is_closed {
        bail!("expected {least} crash states, found {}; give it more --seconds", progress.counts.states);
    }
    Ok(())
}

/// A line that is written over itself on a terminal, and printed now and then elsewhere.
fn progress_line(count: usize) -> impl Fn(&Progress) + Sync {
    let (start, printed) = (Instant::now(), Mutex::new(Instant::now()));
    let is_terminal = std::io::stderr().is_terminal();
    move |progress: &Progress| {
        let Ok(mut printed) = printed.lock() else { return };
        let pause = Duration::from_secs(if is_terminal { 1 } else { 20 });
        if printed.elapsed() < pause {
            return;
        }
        *printed = Instant::now();
        let seconds = start.elapsed().as_secs();
        let (counts, end) = (&progress.counts, if is_terminal { "\r" } else { "\n" });
        eprint!(
            "{seconds} s: {} crash states, {} of {count} scenarios closed, {} nodes, {} wait{end}",
            counts.states, progress.closed, counts.nodes, progress.frontier
        );
    }
}

/// A failure: what, the shortest way to it, and the disk before and after.
fn tell(scenario: &Scenario, options: &Options, failure: &Failure, bug: Option<Planted>) {
    let path = Path { scenario: scenario.name.to_owned(), seed: options.seed, steps: failure.steps.clone() };
    let plant = |oracle: &mut everboot_crash::oracle::Oracle| {
        if let Some(bug) = bug {
            bug.plant_in(oracle);
        }
    };
    let shortest = minimise(&path, failure.violation.invariant, &plant);
    let violation = &failure.violation;
    println!("\nBROKEN invariant_{}: {}", violation.invariant, violation.what);
    println!("replay: everboot-crash replay '{shortest}'{}", flags(options, bug));
    walk(&shortest, bug);
}

fn flags(options: &Options, bug: Option<Planted>) -> String {
    let name = bug.and_then(|bug| mutants::all().into_iter().find(|(known, ..)| *known == bug));
    let bug = name.map_or(String::new(), |(_, name, _)| format!(" --mutant {name}"));
    let policy = options.policy.as_ref();
    policy.map_or(String::new(), |file| format!(" --policy '{}'", file.display())) + &bug
}

/// Goes a path and shows each disk. The promise that breaks on it, if one does.
fn walk(path: &Path, bug: Option<Planted>) -> Option<Failure> {
    let plant = |oracle: &mut everboot_crash::oracle::Oracle| {
        if let Some(bug) = bug {
            bug.plant_in(oracle);
        }
    };
    let ended = replay(path, &plant, &mut |step, durable| {
        println!("{}", disk(durable));
        if let Some(step) = step {
            println!("→ {step}");
        }
    });
    everboot_core::mutant::plant(None);
    ended.err()
}

fn show_path(path: &str, bug: Result<Option<Planted>>) -> Result<()> {
    let path =
        Path::parse(path).with_context(|| format!("{path}: expected v1/<scenario>/<seed>/<step>,…"))?;
    if Scenario::named(&path.scenario).is_none() {
        bail!("{}: expected a scenario that `list` names", path.scenario);
    }
    match walk(&path, bug?) {
        None => {
            println!("no promise is broken");
            Ok(())
        }
        Some(Failure { violation, .. }) => bail!("invariant_{}: {}", violation.invariant, violation.what),
    }
}

fn find_one(bug: Planted, options: &Options) -> Result<()> {
    let Some(caught) = bug.hunt(options.seed) else { bail!("the bug was planted, and not found") };
    tell(caught.scenario, options, &caught.failure, Some(bug));
    println!("found after {} crash states", caught.states);
    Ok(())
}

fn find_all(options: &Options) -> Result<()> {
    let found = mutants::hunt_all(options.seed, options.threads);
    report::print_bugs(&found);
    if let Some(folder) = &options.report {
        report::write_bugs(&found, folder)?;
    }
    let missed = found.iter().filter(|(_, caught)| caught.is_none()).count();
    if missed > 0 { bail!("{missed} of {} bugs were not found", found.len()) } else { Ok(()) }
}

fn list() {
    println!("scenarios:");
    for scenario in SCENARIOS {
        let acts: Vec<_> = scenario.acts.iter().map(|act| act.name()).collect();
        println!("  {:24} {}", scenario.name, acts.join(" "));
    }
    println!("scenarios that break a promise today, searched only by name:");
    for scenario in NOT_YET {
        let acts: Vec<_> = scenario.acts.iter().map(|act| act.name()).collect();
        println!("  {:24} {}", scenario.name, acts.join(" "));
    }
    println!("faults:");
    println!(
        "  power cuts: each sector that no barrier covered is lost, kept, torn, zero or garbage; a flash page is"
    );
    println!("  garbage; the last one or two barriers did nothing");
    for (_, name) in TROUBLE_NAMES {
        println!("  {name:26} an operation of the medium");
    }
    for (_, name) in CopyDamage::ALL {
        println!("  {name:26} of the record");
    }
    println!("  {:26} a block of the record loses its bytes at each power cycle", "forgets");
    println!("  {:26} a block of the record has older bytes again at each power cycle", "returns");
    for (_, name) in SlotDamage::ALL {
        println!("  {name:26} one bit of a slot");
    }
    println!("bugs:");
    for (_, name, what) in mutants::all() {
        println!("  {name:26} {what}");
    }
}
