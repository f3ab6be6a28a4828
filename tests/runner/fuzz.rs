//! The fuzz targets of `tests/fuzz`, as cargo-fuzz would build and run them, on the stable toolchain.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, available_parallelism};

use anyhow::{Context, Result, bail, ensure};

use everboot_builder::command::{self, describe, run};
use everboot_builder::paths;

/// Seconds for all targets together on an idle machine. They are a budget, and not what is measured.
const SECONDS: usize = 60;

/// What reports to libFuzzer which code a run reached, and AddressSanitizer, which comes with every Rust.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Zsanitizer=address",
    "--cfg=fuzzing",
];

/// Builds all targets, and runs each on a copy of its corpus, as many at a time as there are processors. `before` are
/// words that go before each command.
pub(crate) fn smoke(before: &[&str]) -> Result<()> {
    let _lock = paths::lock("fuzz")?;
    let folder = paths::repo().join("tests/fuzz");
    let programs = build(&folder, before)?;
    let names = targets(&folder)?;
    let processors = available_parallelism().map_or(1, usize::from).min(names.len());
    let seconds = (SECONDS * processors / names.len()).max(1);
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = fuzz(&folder, &programs, name, (before, seconds))
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_default();
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{} targets, {seconds} s each on {processors} processors", names.len());
    Ok(())
}

/// The folder of the programs.
fn build(folder: &Path, before: &[&str]) -> Result<PathBuf> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(paths::repo().join("target"), PathBuf::from);
    let target = target.join("fuzz");
    let words: Vec<&str> = before.iter().copied().chain(["cargo"]).collect();
    let mut cargo = command::cargo(words[0]);
    cargo.args(&words[1..]).args(["build", "--quiet", "--release", "--locked", "--target", &host]);
    // Not for the programs that only build others, which have no --target.
    cargo.arg("--target-dir").arg(&target).current_dir(folder);
    run(cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS.join(" ")))?;
    Ok(target.join(host).join("release"))
}

/// Their names.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.join("targets"))? {
        let path = entry?.path();
        names.push(path.file_stem().context("a target's name")?.to_string_lossy().into_owned());
    }
    names.sort();
    ensure!(!names.is_empty(), "{}: expected fuzz targets, found none", folder.display());
    Ok(names)
}

/// Runs one of them; what it fails on stays in `out/fuzz/NAME`.
fn fuzz(folder: &Path, programs: &Path, name: &str, (before, seconds): (&[&str], usize)) -> Result<()> {
    let kept = paths::out(&format!("fuzz/{name}/corpus"))?;
    paths::remove_tree(&kept)?;
    fs::create_dir_all(&kept)?;
    for entry in fs::read_dir(folder.join("corpus").join(name))? {
        let path = entry?.path();
        fs::copy(&path, kept.join(path.file_name().context("a file's name")?))?;
    }
    let program = programs.join(name);
    let artifacts = kept.with_file_name("failure");
    let words: Vec<&OsStr> = before.iter().map(OsStr::new).chain([program.as_os_str()]).collect();
    let mut fuzzer = Command::new(words[0]);
    fuzzer.args(&words[1..]).arg(&kept).args([
        "-seed=1",
        "-detect_leaks=0",
        &format!("-max_total_time={seconds}"),
    ]);
    fuzzer.arg(format!("-exact_artifact_path={}", artifacts.display()));
    let _ = fs::remove_file(&artifacts);
    if let Err(error) = run(&mut fuzzer) {
        let mut again = Command::new(program);
        again.arg(artifacts);
        bail!("{error:#}\nagain: {}", describe(&again));
    }
    Ok(())
}
