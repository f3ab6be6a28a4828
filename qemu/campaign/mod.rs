//! `./qemu/faults`: every crash point in process, and those of a real disk's log, for as long as one likes; a report.

mod page;

use crate::blocklog;
use crate::harness::{Bed, paths};
use anyhow::{Context, Result};
use clap::Parser;
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

/// Searches for a power cut or an I/O error that strands a machine: in process, and in the log of a real disk.
#[derive(Parser)]
#[command(name = "qemu/faults")]
struct Options {
    /// How long. With 6 or more it fails below 300,000 crash states, 4,000 images of a logged disk and 40 boots
    #[arg(long, value_name = "M", default_value_t = MINUTES, value_parser = clap::value_parser!(u64).range(1..100_000))]
    minutes: u64,
    /// The number that all chance comes from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where report.json and index.html go; by default out/faults
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// Runs it. A later run with the same seed goes on where this one ended.
pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    let options = match Options::try_parse_from([&["qemu/faults"], words].concat()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let bed = Bed::prepare()?;
    let folder = match &options.report {
        Some(folder) => folder.clone(),
        None => paths::out("faults")?,
    };
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let (crash, mut wrong) = in_process(&bed, &options, &folder)?;
    let log = block_log(&options, &mut wrong)?;
    let report = json!({
        "seed": options.seed, "minutes": options.minutes, "wrong": wrong, "crash": crash, "log": log,
    });
    let text = serde_json::to_string_pretty(&report).context("write JSON")?;
    fs::write(folder.join("report.json"), text + "\n").context("write the report")?;
    fs::write(folder.join("index.html"), page::page(&report)).context("write the report")?;
    wrong.iter().for_each(|what| println!("WRONG      {what}"));
    println!("report     {}", folder.join("index.html").display());
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `everboot-crash`, for three fifths of the time: what it found, and what is wrong.
fn in_process(bed: &Bed, options: &Options, folder: &Path) -> Result<(Value, Vec<String>)> {
    let mut crash = Command::new(bed.tool("everboot-crash")?);
    crash.args(["--seconds", &(options.minutes * 36).to_string(), "--seed", &options.seed.to_string()]);
    crash
        .arg("--report")
        .arg(folder)
        .arg("--keep")
        .arg(paths::out(&format!("faults/{}.searches", options.seed))?);
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
    let wanted = blocklog::Options {
        images: share(IMAGES).max(1),
        boots: share(BOOTS).max(1),
        seconds: options.minutes * 24,
        seed: options.seed,
        threads: 2,
    };
    let told = Mutex::new(Instant::now());
    let report = blocklog::run(&wanted, &|step, counts| tell(&told, step, counts))?;
    println!("{report}");
    if !report.failures.is_empty() {
        wrong.push(format!("{} images of the block log broke a promise", report.failures.len()));
    }
    let found = [("images", report.counts.images, IMAGES), ("boots", report.counts.boots, BOOTS)];
    for (what, found, least) in found.into_iter().filter(|(_, found, least)| found < least) {
        if options.minutes >= MINUTES {
            wrong.push(format!("expected {least} {what} of the block log, there were {found}"));
        }
    }
    Ok(json!({ "counts": report.counts }))
}

/// A line that is written over itself on a terminal, and told now and then elsewhere.
fn tell(told: &Mutex<Instant>, step: &str, counts: &blocklog::Counts) {
    let Ok(mut told) = told.lock() else { return };
    let is_terminal = std::io::stderr().is_terminal();
    if told.elapsed() < Duration::from_secs(if is_terminal { 1 } else { 20 }) {
        return;
    }
    *told = Instant::now();
    let end = if is_terminal { "\r" } else { "\n" };
    eprint!("block log, {step}: {} images judged, {} booted    {end}", counts.images, counts.boots);
}
