//! The command behind `initramfs/build`: what a shell script would do, in Rust. Scripts only launch it.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

use std::process::ExitCode;

use anyhow::{Result, bail};
use everboot_builder::setup::{self, Level};
use everboot_builder::{package, paths, programs};

const USAGE: &str = "\
initramfs/build            out/everboot, out/everboot-*, out/initramfs.img
initramfs/build --deb      and out/everboot_*.deb, out/everboot-{pack,fetch}_*.deb
initramfs/build --sizes    nothing; prints what each feature of everboot-init adds, in bytes";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let deb = match words {
        [] => false,
        ["--deb"] => true,
        ["--sizes"] => return sizes(),
        _ => bail!("unknown words {words:?}; usage:\n{USAGE}"),
    };
    setup::prepare(Level::Build)?;
    let built = programs::all()?;
    built.print_sizes()?;
    if deb {
        let folder = paths::repo().join("out");
        for deb in package::debian(&built.agent, &built.tools, &folder, &package::epoch()?)? {
            println!("{:>10} bytes  {}", std::fs::metadata(&deb)?.len(), deb.display());
        }
    }
    Ok(())
}

/// Builds `everboot-init` with no feature, then with one more each time: some need those before them.
fn sizes() -> Result<()> {
    setup::prepare(Level::Build)?;
    let mut size = programs::size_with(&[])?;
    println!("{size:>8}  core, of {} allowed", programs::CORE_LIMIT);
    for count in 1..=programs::FEATURES.len() {
        let before = std::mem::replace(&mut size, programs::size_with(&programs::FEATURES[..count])?);
        println!("{:>+8}  {}", size.cast_signed() - before.cast_signed(), programs::FEATURES[count - 1]);
    }
    println!("{size:>8}  all, of {} allowed", programs::INIT_LIMIT);
    Ok(())
}
