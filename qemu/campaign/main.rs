//! `./qemu/faults`: every crash point in process, and those of a real disk's log, for as long as one likes; a report.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod page;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use everboot_blocklog::crash_images::Failure;
use everboot_blocklog::strip::OUTCOMES;
use everboot_blocklog::user_machine::{UserMachine, beside};
use everboot_builder::paths;
use everboot_testbed::Testbed;
use serde_json::{Value, json};
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What a campaign of so many minutes has to reach at least.
const MINUTES: u64 = 6;
const STATES: u64 = 300_000;
const IMAGES: u64 = 4000;
const BOOTS: u64 = 40;

/// What `--help` says after the options.
const BROUGHT: &str = "\
FILE is the update that is recorded in QEMU, staged and applied in early boot, and staged, prepared and activated in
the running system; cut everywhere, checked, and booted in the sample. It is a signed bundle of a sealed image. The
campaign boots a kernel of its own: pack it with `everboot-pack image --modules none`. Without IMG the machine is one
of the campaign's own, which is made for it, and signs its manifest anew.

IMG is the raw image of the machine's disk, of 1 GiB at most, with everboot.conf and keys/*.pub in IMG.config as for
`everboot --disk IMG`: the two slots, record and data partition (ext4) that this names, a good default slot that
everboot has filled, no update under way. It is only read. Its tries, hand-offs, apply-starts and assess are also
those of the search in process; FILE has to be signed with one of its keys.

What is in the slots is not run: a shell of the campaign's does in the recordings what your system would do, and a
boot of the sample ends with the agent's word where it goes. No boot loader, no kernel and no other partition of
yours takes part. The larger your image, the fewer disks are checked in a minute, and what a flush covers of it is lost
in pieces larger than a sector: take a small one, or many minutes.";

/// Searches for a power cut or an I/O error that strands a machine: in process, and in the log of a real disk.
#[derive(Debug, Parser)]
#[command(name = "qemu/faults", after_help = BROUGHT)]
struct Options {
    /// How long. With 6 or more it fails below 300,000 crash states, 4,000 images of a logged disk and 40 boots
    #[arg(long, value_name = "M", default_value_t = MINUTES, value_parser = clap::value_parser!(u64).range(1..100_000))]
    minutes: u64,
    /// The number that all chance comes from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// An update of yours, a bundle
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The machine that it is for, a disk image; see below
    #[arg(long, value_name = "IMG")]
    disk: Option<PathBuf>,
    /// Where report.json and index.html go; by default out/faults
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words[..] {
        ["replay", path] => replay(path),
        _ => run(&words),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// One image of the last block log again.
fn replay(path: &str) -> Result<ExitCode> {
    let (picture, checked) = everboot_blocklog::replay(path)?;
    print!("{picture}");
    match checked {
        Ok(output) => println!("every promise holds: {output}"),
        Err(violation) => bail!("{}: {}", violation.invariant, violation.what),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs it. A later run with the same seed goes on where this one ended.
fn run(words: &[&str]) -> Result<ExitCode> {
    let options = match Options::try_parse_from([&["qemu/faults"], words].concat()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let folder = options.check()?;
    let testbed = Testbed::shared()?;
    options.user_machine().check_modules(&testbed.kernel.release)?;
    let (crash, mut wrong) = in_process(testbed, &options, &folder)?;
    let log = block_log(&options, &mut wrong)?;
    let report = json!({
        "seed": options.seed, "minutes": options.minutes, "bundle": shown(&options.bundle), "disk": shown(&options.disk),
        "policy": shown(&options.policy()),
        "wrong": wrong, "crash": crash, "log": log,
    });
    let text = serde_json::to_string_pretty(&report).context("write JSON")?;
    fs::write(folder.join("report.json"), text + "\n").context("write the report")?;
    fs::write(folder.join("index.html"), page::page(&report)).context("write the report")?;
    wrong.iter().for_each(|what| println!("WRONG      {what}"));
    println!("report     {}", folder.join("index.html").display());
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Options {
    /// Whether all that is named can be used, before anything is built. Where the report goes.
    fn check(&self) -> Result<PathBuf> {
        let folder = match &self.report {
            Some(folder) => folder.clone(),
            None => paths::out("faults")?,
        };
        let is_other = folder.exists() && !folder.is_dir();
        ensure!(!is_other, "--report {}: expected a folder, found something else", folder.display());
        self.user_machine().check()?;
        fs::create_dir_all(&folder).with_context(|| format!("--report {}", folder.display()))?;
        Ok(folder)
    }

    /// The policy of the search in process, when it is a user's.
    fn policy(&self) -> Option<PathBuf> {
        self.disk.as_ref().map(|disk| beside(disk).join("everboot.conf"))
    }

    fn user_machine(&self) -> UserMachine {
        UserMachine { bundle: self.bundle.clone(), disk: self.disk.clone() }
    }
}

fn shown(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|path| path.display().to_string())
}

/// `everboot-crash`, for three fifths of the time: what it found, and what is wrong.
fn in_process(testbed: &Testbed, options: &Options, folder: &Path) -> Result<(Value, Vec<String>)> {
    let mut crash = Command::new(testbed.tool("everboot-crash")?);
    crash.args(["--seconds", &(options.minutes * 36).to_string(), "--seed", &options.seed.to_string()]);
    crash.arg("--report").arg(folder).arg("--keep").arg(paths::out(&format!(
        "faults/{}{}.searches",
        options.seed,
        if options.disk.is_some() { "-disk" } else { "" }
    ))?);
    if let Some(policy) = options.policy() {
        crash.arg("--policy").arg(policy);
    }
    if options.minutes >= MINUTES {
        crash.args(["--least", &STATES.to_string()]);
    }
    let ended = crash.status().context("start everboot-crash")?;
    let wrong =
        if ended.success() { Vec::new() } else { vec!["everboot-crash failed, as it said".to_owned()] };
    let file = folder.join("crash.json");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    Ok((serde_json::from_str(&text)?, wrong))
}

/// The block log, for the rest of it.
fn block_log(options: &Options, wrong: &mut Vec<String>) -> Result<Value> {
    let share = |least: u64| usize::try_from(least * options.minutes / MINUTES).unwrap_or(usize::MAX);
    let wanted = everboot_blocklog::Options {
        images: share(IMAGES).max(1),
        boots: share(BOOTS).max(1),
        seconds: options.minutes * 24,
        seed: options.seed,
        threads: 2,
        user_machine: options.user_machine(),
    };
    let in_memory = Mutex::new(Instant::now());
    let report = everboot_blocklog::run(&wanted, &|step, counts| tell(&in_memory, step, counts))?;
    println!("{report}");
    if !report.failures.is_empty() {
        wrong.push(format!("{} images of the block log broke a promise", report.failures.len()));
    }
    let whole = options.minutes >= MINUTES;
    let least = |least| if whole { least } else { 1 };
    let found =
        [("images", report.counts.images, least(IMAGES)), ("boots", report.counts.boots, least(BOOTS))];
    for (what, found, least) in found.into_iter().filter(|(_, found, least)| found < least) {
        wrong.push(format!(
            "expected {least} {what} of the block log, there were {found}; give it more --minutes"
        ));
    }
    let failure = |failure: &Failure| {
        json!({
            "invariant": failure.violation.invariant,
            "what": failure.violation.what,
            "replay": failure.address.to_string(),
        })
    };
    let failures: Vec<Value> = report.failures.iter().map(failure).collect();
    Ok(json!({
        "counts": report.counts, "outcomes": OUTCOMES, "strips": report.strips, "failures": failures,
    }))
}

/// A line that is written over itself on a terminal, and printed now and then elsewhere.
fn tell(in_memory: &Mutex<Instant>, step: &str, counts: &everboot_blocklog::Counts) {
    let Ok(mut in_memory) = in_memory.lock() else { return };
    let is_terminal = std::io::stderr().is_terminal();
    if in_memory.elapsed() < Duration::from_secs(if is_terminal { 1 } else { 20 }) {
        return;
    }
    *in_memory = Instant::now();
    let end = if is_terminal { "\r" } else { "\n" };
    eprint!("block log, {step}: {} images checked, {} booted    {end}", counts.images, counts.boots);
}
