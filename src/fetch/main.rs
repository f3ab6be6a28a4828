//! everboot-fetch: brings a bundle onto the device, from a registry, a URL, or a channel. The agent has none of it, and
//! runs it when it is asked to stage such a source. What was fetched is trusted by nobody: `everboot stage` checks it.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod agent;
mod blob;
mod channel;
mod download;
mod partial;
mod problem;
mod progress;
mod ranged;
mod reassembly;
mod remote;
mod settings;
mod source;
mod state;
mod web;

use anyhow::Context;
use clap::Parser;
use everboot_agent::machine::Access;
use everboot_agent::sys::FileMedium;
use everboot_core::verbs::Exit;
use everboot_fetch::arguments::Arguments;
use problem::{Problem, Result, Tries};
use progress::Progress;
use reassembly::Have;
use remote::{Known, Local, Remote};
use source::Source;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use web::{Page, Web};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let ended = match words.split_first() {
        Some((first, words)) if first == agent::FOR => agent::bring(words),
        _ => alone(&Arguments::parse()).map(|_| Exit::Done as u8),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("everboot-fetch: {}", problem.line());
            ExitCode::from(problem.exit as u8)
        }
    }
}

/// With the files that were named, which may have some of it.
fn alone(arguments: &Arguments) -> Result<bool> {
    if arguments.have.is_empty() {
        return fetch(arguments, None);
    }
    let open = |path: &PathBuf| {
        FileMedium::open(path, Access::Read)
            .with_context(|| path.display().to_string())
            .map_err(Problem::from)
    };
    let parts = arguments.have.iter().map(open).collect::<Result<_>>()?;
    fetch(arguments, Some(&Have { parts, keys: settings::keys(&arguments.keys())? }))
}

/// Whether the machine takes a new image; of a channel it is asked only when there is one.
fn takes_an_image(arguments: &Arguments) -> Result<()> {
    match &arguments.blocked {
        Some(why) => Err(Problem::lasting(Exit::Refused, anyhow::anyhow!("{why}"))),
        None => Ok(()),
    }
}

/// Fetches it, or what of it this machine has not; whether there was anything to fetch.
fn fetch(arguments: &Arguments, have: Option<&Have>) -> Result<bool> {
    let wrong = |error| Problem::lasting(Exit::Usage, error);
    let mut source = Source::parse(&arguments.source).map_err(wrong)?;
    let tries = Tries::new(arguments.tries, Duration::from_secs(arguments.wait));
    let mut known = Known::default();
    if let Source::Channel(url) = &source {
        let Some(chosen) = channel::choose(url, arguments, tries)? else {
            return Ok(false);
        };
        takes_an_image(arguments)?;
        println!("version {}", chosen.version);
        (source, known) = (chosen.source, chosen.known);
    } else {
        takes_an_image(arguments)?;
    }
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => PathBuf::from(source.file_name().map_err(wrong)?),
    };
    let (mut remote, mut progress) = (find(source, known, tries)?, Progress::new(!arguments.no_progress));
    let patched = have.map(|have| reassembly::fetch(&mut *remote, have, &output, tries, &mut progress));
    match patched.unwrap_or(Ok(false)) {
        Ok(true) => return Ok(true),
        Ok(false) => {}
        // What the whole would meet, too.
        Err(problem) if problem.is_passing() || matches!(problem.exit, Exit::Locked | Exit::NoSpace) => {
            return Err(problem);
        }
        Err(problem) => {
            progress.end();
            eprintln!("everboot-fetch: {}; fetching all of it", problem.line());
            progress = Progress::new(!arguments.no_progress);
        }
    }
    download::download(&mut *remote, &output, tries, &mut progress)?;
    Ok(true)
}

/// What the source stands for, which has to be what is `known` of it.
fn find(source: Source, known: Known, tries: Tries) -> Result<Box<dyn Remote>> {
    match source {
        Source::Registry(name) => {
            let mut blob = tries.with_retries(|| blob::Blob::find(&name))?;
            blob.check(&known)?;
            Ok(Box::new(blob))
        }
        Source::Web(url) => Ok(Box::new(Page { web: Web::new()?, url, known })),
        Source::File(path) => Ok(Box::new(Local(path))),
        Source::Channel(url) => Err(Problem::lasting(
            Exit::Untrusted,
            anyhow::anyhow!("expected a bundle, found a channel: {url}"),
        )),
    }
}
