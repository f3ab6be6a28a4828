//! The command behind `initramfs/build`, `qemu/demo`, `tests/run` and `tests/bench`: what a shell script would
//! do, in Rust. Scripts only launch it.

mod bench;
mod blocklog;
mod campaign;
mod figures;
mod fuzz;
mod harness;
mod suite;
#[cfg(test)]
mod tests;
mod tour;

use std::process::ExitCode;

use anyhow::{Result, bail};
use harness::Bed;
use harness::setup::{self, Level};
use harness::{package, paths};

const USAGE: &str = "\
everboot-harness build            out/everboot, out/everboot-*, out/initramfs.img
everboot-harness build --deb      and out/everboot_*.deb, out/everboot-{pack,fetch}_*.deb
everboot-harness test [--quick]   format, lints, all tests; --quick: no QEMU
everboot-harness fuzz             a minute of libFuzzer on the targets of tests/fuzz
everboot-harness bench [--help]   everboot beside its peers: tests/BENCH.md
everboot-harness demo [--shell]   the main job on a real Debian; --shell: its console
everboot-harness demo --figures   the figures of the README, measured here
everboot-harness faults [--help]  every crash point: a campaign and its report
everboot-harness faults replay PATH  one of the last block log's images again";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    match words {
        ["build"] => {
            setup::prepare(Level::Build)?;
            Bed::build()?.print_sizes()?;
        }
        ["build", "--deb"] => {
            setup::prepare(Level::Build)?;
            let bed = Bed::build()?;
            let folder = paths::repo().join("out");
            for deb in package::debian(&bed.agent, &bed.tools, &folder, &package::epoch()?)? {
                println!("{:>10} bytes  {}", std::fs::metadata(&deb)?.len(), deb.display());
            }
        }
        ["test"] => return Ok(suite::run(false)),
        ["test", "--quick"] => return Ok(suite::run(true)),
        ["fuzz"] => fuzz::smoke()?,
        ["bench", options @ ..] => return bench::run(options),
        [bench::measure::VERB, words @ ..] => return bench::measure::measured(words),
        ["demo"] => return tour::run(),
        ["demo", "--shell"] => return tour::shell(),
        ["demo", "--figures"] => figures::run()?,
        ["faults", "replay", path] => return replay_log_fault(path),
        ["faults", options @ ..] => return campaign::run(options),
        _ => bail!("unknown words {words:?}; usage:\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn replay_log_fault(path: &str) -> Result<ExitCode> {
    let (picture, judged) = blocklog::replay(path)?;
    print!("{picture}");
    match judged {
        Ok(said) => println!("every promise holds: {said}"),
        Err(violation) => bail!("{}: {}", violation.invariant, violation.what),
    }
    Ok(ExitCode::SUCCESS)
}
