//! `tests/run`: sets up, checks the format, lints, builds, runs all tests, counts.
//!
//! One count for each named test. A step that fails before there are tests, a test program that
//! dies, and a test that is skipped each count as one failure: nothing is left out quietly. Steps that leave a
//! processor idle have others beside them. Before the last line stand the times of the steps and of the slowest tests.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod fuzz;
mod times;

use std::io::{BufRead, BufReader};
use std::panic::resume_unwind;
use std::process::{Command, ExitCode, Stdio};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use everboot_builder::command::{self, describe, run as run_quietly};
use everboot_builder::setup::{self, Level};
use everboot_builder::{paths, programs};
use times::{Reader, Times};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => run(false),
        ["--quick"] => run(true),
        ["--fuzz"] => match fuzz::smoke(&[]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("error: unknown words {words:?}; usage: tests/run [--quick | --fuzz]");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    times: Times,
}

/// A step that is no test, and has been done.
struct Done {
    name: &'static str,
    time: Duration,
    outcome: Result<()>,
}

/// Runs it all; the last line counts.
fn run(quick: bool) -> ExitCode {
    let start = Instant::now();
    let mut count = Count::default();
    let level = if quick { Level::Check } else { Level::Testbed };
    count.step("set-up", || setup::prepare(level).and_then(|()| rust_components()));
    count.step("format", || cargo(&["fmt", "--check"]));
    // A program is optimized as a whole by one processor, and clippy ends with one crate after the other: side by side
    // they fill two processors.
    count.beside(
        || vec![done("build", || programs::all()?.print_sizes())],
        |count| {
            count.lints();
            count.step("compile tests", || {
                cargo(&["test", "--quiet", "--workspace", "--no-run"])?;
                cargo(&["test", "--quiet", "--workspace", "--test", "stories", "--no-run"])
            });
        },
    );
    count.tests("tests", &["--workspace", "--no-fail-fast"]);
    count.tests("tests of planted bugs", &PLANTED);
    if !quick {
        let searches = || vec![done("crash points", crash_points), done("fuzz", || fuzz::smoke(&IDLE))];
        count.beside(searches, |count| {
            count.tests("stories", &["--workspace", "--test", "stories", "--", STORY_THREADS]);
        });
    }
    print!("{}", count.times.tables(start.elapsed()));
    println!("{} passed, {} failed", count.passed, count.failed);
    if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The test that looks for each planted bug. Of the whole workspace: cargo gives libraries the features that all
/// members ask for, and so does not compile them anew for this test.
const PLANTED: [&str; 5] = ["--workspace", "--features", "everboot-crash/mutants", "--test", "planted"];

/// How many tests libtest runs at once, where the arguments or the environment say so. Two stories at once keep two
/// processors busy for half of the time: a machine that boots also waits, for its disk, a countdown, a timeout.
const STORY_THREADS: &str = "--test-threads=3";

/// What goes before a command that takes only the time that the stories leave: nothing that a virtual machine waits
/// for comes later because of it.
const IDLE: [&str; 3] = ["nice", "-n", "19"];

/// Crash states that a run has to reach.
const STATES: &str = "300000";

/// The search of the crash space, up to a stated number of states; how long that takes is up to the machine.
fn crash_points() -> Result<()> {
    let mut crash = Command::new(IDLE[0]);
    crash.args(&IDLE[1..]).arg(paths::out("everboot-crash")?);
    crash.args(["--states", STATES, "--least", STATES, "--seconds", "1500"]);
    println!("{}", run_quietly(&mut crash)?);
    Ok(())
}

/// Does a step, and says so at its beginning and its end.
fn done(name: &'static str, action: impl FnOnce() -> Result<()>) -> Done {
    println!("== {name}: begins");
    let start = Instant::now();
    let outcome = action();
    let time = start.elapsed();
    match &outcome {
        Ok(()) => println!("== {name}: ok ({:.1} s)", time.as_secs_f64()),
        Err(error) => println!("== {name}: FAILED ({:.1} s)\n{error:#}", time.as_secs_f64()),
    }
    Done { name, time, outcome }
}

impl Count {
    /// A step that is no test: only its failure counts.
    fn step(&mut self, name: &'static str, action: impl FnOnce() -> Result<()>) {
        let done = done(name, action);
        self.take(&done);
    }

    fn take(&mut self, done: &Done) {
        self.times.step(done.name, done.time);
        self.failed += u64::from(done.outcome.is_err());
    }

    /// Does `these` steps while others go on, and counts both.
    fn beside(&mut self, these: impl FnOnce() -> Vec<Done> + Send, others: impl FnOnce(&mut Self)) {
        thread::scope(|scope| {
            let these = scope.spawn(these);
            others(self);
            match these.join() {
                Ok(all) => all.iter().for_each(|done| self.take(done)),
                Err(panic) => resume_unwind(panic),
            }
        });
    }

    fn lints(&mut self) {
        let lint = ["clippy", "--quiet"];
        let strict = ["--", "-D", "warnings"];
        // The stories are no target that "all" would mean.
        let everything = ["--workspace", "--all-targets", "--test", "stories"];
        self.step("lints", || cargo(&[&lint[..], &everything, &strict].concat()));
        self.step("lints of planted bugs", || {
            cargo(&[&lint[..], &PLANTED, &["--lib", "--bins"], &strict].concat())
        });
        self.step("lints of a machine's programs", || {
            // The tools have all features that there are.
            cargo(&[&lint[..], &["-p", "everboot", "-p", "everboot-agent"], &strict].concat())
        });
        self.step("lints of what a boot needs", || {
            cargo(&[&lint[..], &["-p", "everboot-agent", "--no-default-features"], &strict].concat())
        });
    }

    fn tests(&mut self, name: &str, words: &[&str]) {
        println!("== {name}");
        let start = Instant::now();
        let mut tally = Tally::default();
        let mut reader = Reader::new(threads(words));
        let outcome = cargo_test(words, &mut tally, &mut reader);
        let time = start.elapsed();
        self.times.step(name, time);
        let (began, tests) = reader.finish();
        if let Some(began) = began {
            self.times.step("  of it until the first test began", began);
        }
        self.times.tests(tests);
        self.passed += tally.passed;
        let mut failed = tally.failed + tally.unfinished();
        if let Err(error) = outcome {
            println!("{error:#}");
            failed = failed.max(1);
        }
        self.failed += failed;
        println!("== {name}: {} passed, {failed} failed ({:.1} s)", tally.passed, time.as_secs_f64());
    }
}

/// What libtest's output says.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
    started: u64,
    ended: u64,
}

impl Tally {
    fn take(&mut self, line: &str) {
        if line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")) {
            self.started += 1;
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.ended += 1;
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(kind)) =
                (words.next().and_then(|word| word.parse::<u64>().ok()), words.next())
            else {
                continue;
            };
            match kind {
                "passed" => self.passed += number,
                "failed" | "ignored" => self.failed += number,
                _ => {}
            }
        }
    }

    /// Test programs that died before they could say how it went.
    fn unfinished(&self) -> u64 {
        self.started.saturating_sub(self.ended)
    }
}

/// How many tests run at once: as these words say, or as libtest chooses.
fn threads(words: &[&str]) -> usize {
    let given = words.iter().find_map(|word| word.strip_prefix("--test-threads=")?.parse().ok());
    let variable = || std::env::var("RUST_TEST_THREADS").ok()?.parse().ok();
    given.or_else(variable).unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
}

fn cargo_test(words: &[&str], tally: &mut Tally, reader: &mut Reader) -> Result<()> {
    let start = Instant::now();
    let mut command = command::cargo("cargo");
    command.current_dir(paths::repo()).arg("test").args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("start cargo")?;
    let output = child.stdout.take().context("cargo's output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        tally.take(&line);
        reader.take(&line, start.elapsed());
        let is_noise = line.is_empty() || line.starts_with("running ") || line.starts_with("test result: ok");
        if !is_noise {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", describe(&command));
    }
    Ok(())
}

fn cargo(words: &[&str]) -> Result<()> {
    let mut command = command::cargo("cargo");
    run_quietly(command.current_dir(paths::repo()).args(words)).map(drop)
}

/// rustfmt and clippy, which not every Rust comes with.
fn rust_components() -> Result<()> {
    for (word, component, package) in
        [("fmt", "rustfmt", "rustfmt-web"), ("clippy", "clippy", "rust-web-clippy")]
    {
        if cargo(&[word, "--version"]).is_ok() {
            continue;
        }
        if paths::program("rustup").is_some() {
            println!("setup: rustup component add {component}");
            run_quietly(Command::new("rustup").args(["component", "add", component]))?;
        } else {
            setup::install(&[package])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(output: &str) -> (u64, u64) {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.take(line));
        (tally.passed, tally.failed + tally.unfinished())
    }

    #[test]
    fn each_named_test_counts_once_and_a_skip_is_a_failure() {
        let result = "test result: FAILED. 4 passed; 2 failed; 1 ignored; 0 measured; 9 filtered out; finished in 1.00s";
        assert_eq!(tally(&format!("running 7 tests\ntest a ... ok\n{result}\n")), (4, 3));
    }

    #[test]
    fn a_test_program_that_dies_counts_as_a_failure() {
        assert_eq!(tally("running 1 test\ntest a ... ok\nrunning 2 tests\n"), (0, 2));
    }
}
