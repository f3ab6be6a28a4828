//! everboot-fetch: brings a bundle onto the device, from a registry, a URL, or a channel. The agent has none of it, and
//! runs it when it is asked to stage such a source. What was fetched is trusted by nobody: `everboot stage` checks it.

mod agent;
mod arguments;
mod blob;
mod channel;
mod download;
mod keys;
mod part;
mod problem;
mod progress;
mod remote;
mod settings;
mod source;
mod state;
mod web;

use arguments::Arguments;
use clap::Parser;
use everboot::verbs::Exit;
use problem::{Problem, Result, Tries};
use progress::Progress;
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
        _ => fetch(&Arguments::parse()).map(|_| Exit::Done as u8),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("everboot-fetch: {}", problem.line());
            ExitCode::from(problem.exit as u8)
        }
    }
}

/// Fetches it; whether there was anything to fetch.
fn fetch(arguments: &Arguments) -> Result<bool> {
    let wrong = |error| Problem::lasting(Exit::Usage, error);
    let mut source = Source::parse(&arguments.source).map_err(wrong)?;
    let tries = Tries::new(arguments.tries, Duration::from_secs(arguments.wait));
    let mut known = Known::default();
    if let Source::Channel(url) = &source {
        let Some(chosen) = channel::choose(url, arguments, tries)? else {
            let installed = arguments.installed.as_deref().unwrap_or_default();
            println!("nothing newer than {installed}");
            return Ok(false);
        };
        println!("version {}", chosen.version);
        (source, known) = (chosen.source, chosen.known);
    }
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => PathBuf::from(source.file_name().map_err(wrong)?),
    };
    let mut remote = find(source, known, tries)?;
    download::download(&mut *remote, &output, tries, &mut Progress::new(!arguments.no_progress))?;
    Ok(true)
}

/// What the source stands for, which has to be what is `known` of it.
fn find(source: Source, known: Known, tries: Tries) -> Result<Box<dyn Remote>> {
    match source {
        Source::Registry(name) => {
            let blob = tries.insist(|| blob::Blob::find(&name))?;
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
