//! `tests/bench`: everboot beside its peers, in one run on this machine.
//!
//! `memory_folder` (memory, cleaned up) holds a `test_disk` (a disk behind `loops`) for each image; on it `rounds` has
//! `ours` and the `peers` install in turns, each run taken by `measure` as a `cost`. `sizes` is everboot alone at five
//! sizes, `deltas` the bytes to ship for the update that `pair` makes. `report` writes what was found: `row`s in a
//! `table`, and two `picture`s. No test asserts any of it.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod cost;
mod deltas;
mod loops;
pub(crate) mod measure;
mod memory_folder;
mod ours;
mod pair;
mod peers;
mod picture;
mod report;
mod rounds;
mod row;
mod sizes;
mod table;
mod test_disk;
mod tool;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use everboot_builder::setup::{self, Level};
use everboot_testbed::rootfs::{Debian, image};
use everboot_testbed::{Testbed, system};
use memory_folder::MemoryFolder;
use report::Report;
use rounds::Workload;
use row::Act;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match &words[..] {
        [measure::VERB, words @ ..] => measure::measured(words),
        words => run(words),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

const REAL: &str = "real root";
const SYNTHETIC: &str = "1 GiB, half random";
const REAL_MEBIBYTES: u64 = 400;
const SYNTHETIC_MEBIBYTES: u64 = 1024;
const QUICK_ROUNDS: usize = 2;

/// Measures everboot beside dd, zstd, bmaptool, SWUpdate, RAUC, casync, zchunk and xdelta3. Needs root, for loop
/// devices. Results go to tests/BENCH.md when all was measured.
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
struct Options {
    /// Rounds, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..1000))]
    rounds: u16,
    /// Two rounds of the real root alone
    #[arg(long, conflicts_with_all = ["rounds", "only"])]
    quick: bool,
    /// This part alone; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<Section>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Installs of a Debian root
    Real,
    /// Installs of 1 GiB, half of it random, half zero
    Synthetic,
    /// Cost against size
    Sizes,
    /// Bytes to ship for an update
    Deltas,
}

impl Options {
    fn rounds(&self) -> usize {
        if self.quick { QUICK_ROUNDS } else { usize::from(self.rounds) }
    }

    fn has(&self, part: Section) -> bool {
        if self.quick { part == Section::Real } else { self.only.is_empty() || self.only.contains(&part) }
    }

    fn is_all(&self) -> bool {
        !self.quick && self.only.is_empty()
    }
}

/// Runs it.
fn run(words: &[&str]) -> Result<ExitCode> {
    let options = match Options::try_parse_from([&["tests/bench"], words].concat()) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    ensure!(setup::is_root(), "tests/bench needs root, for loop devices");
    let testbed = Testbed::shared()?;
    if let Err(error) = setup::prepare(Level::Benchmark) {
        // Each peer that is missing is named in the report.
        println!("setup: {error:#}");
    }
    let report = measure_all(testbed, &options)?;
    println!("\n{}", report.text()?);
    if options.is_all() {
        report.write()?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_all(testbed: &'static Testbed, options: &Options) -> Result<Report> {
    let memory_folder = MemoryFolder::open()?;
    let rounds = options.rounds();
    let floor = measure::floor(&memory_folder.path)?.memory;
    let mut report = Report { rounds, floor, ..Report::default() };
    if options.has(Section::Real) {
        report.rows = report.rows.then(rounds::run_all(testbed, &memory_folder, &real(testbed)?, rounds)?);
    }
    if options.has(Section::Synthetic) {
        report.rows = report.rows.then(rounds::run_all(testbed, &memory_folder, &synthetic()?, rounds)?);
    }
    if options.has(Section::Sizes) {
        report.sizes = sizes::measure(testbed, &memory_folder, rounds)?;
    }
    if options.has(Section::Deltas) {
        report.deltas = Some(deltas::measure(&memory_folder, &pair::prepare()?)?);
    }
    Ok(report)
}

fn real(testbed: &Testbed) -> Result<Workload> {
    let mut debian = Debian::new("2");
    debian.mebibytes = REAL_MEBIBYTES;
    debian.overlay = system::debian_overlay(testbed);
    let image = debian.image(&testbed.kernel)?;
    Ok(Workload { name: REAL, image, acts: &[Act::Stage, Act::Full, Act::Identical, Act::Rest] })
}

fn synthetic() -> Result<Workload> {
    let image = image::half_random(SYNTHETIC_MEBIBYTES)?;
    Ok(Workload { name: SYNTHETIC, image, acts: &[Act::Full] })
}

#[cfg(test)]
mod tests {
    use super::{Options, Section};
    use clap::Parser;

    fn parse(words: &[&str]) -> Options {
        Options::try_parse_from([&["tests/bench"], words].concat()).unwrap()
    }

    #[test]
    fn only_a_whole_run_is_written_down() {
        assert!(parse(&["--rounds", "3"]).is_all());
        assert!(!parse(&["--quick"]).is_all() && !parse(&["--only", "sizes"]).is_all());
    }

    #[test]
    fn quick_means_two_rounds_of_the_real_root() {
        let quick = parse(&["--quick"]);
        assert_eq!(quick.rounds(), 2);
        assert!(quick.has(Section::Real) && !quick.has(Section::Deltas));
        assert!(Options::try_parse_from(["tests/bench", "--quick", "--rounds", "9"]).is_err());
    }

    #[test]
    fn parts_are_chosen_one_by_one() {
        let some = parse(&["--only", "sizes", "--only", "deltas"]);
        assert!(some.has(Section::Sizes) && some.has(Section::Deltas) && !some.has(Section::Real));
    }
}
