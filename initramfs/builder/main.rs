//! The command behind `initramfs/build`: what a shell script would do, in Rust. Scripts only launch it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use everboot_builder::setup::{self, Level};
use everboot_builder::{package, paths, programs};

const USAGE: &str = "\
initramfs/build            out/everboot, out/everboot-*, out/initramfs.img
initramfs/build --deb      and out/everboot_*.deb, out/everboot-{pack,fetch}_*.deb";

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
