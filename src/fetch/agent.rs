//! `--for WORD...`: into the staging area of the machine that these words of everboot mean, where everboot stages it
//! without a copy.
//!
//! `everboot` calls this, and is called by it with the same verb and the same options: so it needs to know nothing of
//! downloads. Its words are read as everboot-init reads them. Nobody holds the machine's lock until the bundle is
//! there.

use super::problem::{Problem, Result};
use super::reassembly::Have;
use super::settings;
use anyhow::{Context, anyhow};
use clap::Parser;
use everboot_agent::command::arguments::{Arguments as Words, Request};
use everboot_agent::command::parse::parse;
use everboot_agent::flow::{self, FETCHED, Receiver, Site};
use everboot_agent::machine::Machine;
use everboot_agent::settings::directory;
use everboot_agent::sys::{DirStaging, DiskFileMachine, FileMedium, LinuxMachine, Roots};
use everboot_core::record::Formats;
use everboot_core::verbs::{Exit, Programs};
use everboot_fetch::arguments::Arguments;
use everboot_storage::medium::Staging;
use std::env::current_exe;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::process;

/// The first argument.
pub(crate) const FOR: &str = "--for";
/// What stands for the bundle that was fetched, in the words of everboot.
const SOURCE: &str = "fetched:";
/// Which lists of channels were seen, beside the staged bundle.
const STATE: &str = "channels";

/// Fetches, and has it staged; returns the code that everboot ends with.
pub(crate) fn bring(words: &[OsString]) -> Result<u8> {
    let (asked, roots) = (read(words)?, Roots::default());
    match asked.path("disk") {
        Some(disk) => on(&roots, &mut DiskFileMachine::look(&disk, asked.path("staging")), &asked),
        None => on(&roots, &mut LinuxMachine::new(roots.clone(), asked.path("staging")), &asked),
    }
}

fn on<M>(roots: &Roots, machine: &mut M, asked: &Words) -> Result<u8>
where
    M: Machine<Staging = DirStaging, Disk = FileMedium>,
{
    let usual = || directory(roots, asked.path("disk").as_deref());
    let folder = asked.path("config").unwrap_or_else(usual);
    let config = settings::config(&folder)?;
    // Where they cannot be read `everboot stage` says so.
    let keys = settings::keys(&folder.join("keys")).unwrap_or_default();
    let mut site = Site { machine, config: &config, keys: &keys, formats: Formats::CURRENT };
    let Receiver { area, installed, bad_images, blocked } = flow::receive(&mut site).map_err(problem)?;
    let source = asked.word(0).unwrap_or_default();
    let mut arguments = Arguments::parse_from([OsString::new(), "--".into(), source.into()]);
    arguments.config = folder;
    let path = area.path(roots).context("find the staging area")?;
    let held = hold(&path)?;
    arguments.output = Some(path.join(FETCHED));
    arguments.state = Some(path.join(STATE));
    if !asked.has("force") {
        (arguments.installed, arguments.failed) = (installed, bad_images);
    }
    arguments.no_progress = asked.has("no-progress");
    arguments.blocked = blocked.map(|error| error.to_string());
    let have = Have { parts: flow::slots(&mut site), keys: keys.clone() };
    let ended = match super::fetch(&arguments, Some(&have)) {
        Ok(true) => call(asked),
        Ok(false) => Ok(Exit::Done as u8),
        Err(problem) => Err(problem),
    };
    // It has another name by now, or was refused. That it stays costs room and nothing else.
    let _ = area.remove(FETCHED);
    drop((held, area));
    site.machine.close_staging();
    ended
}

/// Why nothing can be received.
fn problem(error: flow::Error) -> Problem {
    let exit = if matches!(error, flow::Error::Record(_)) { Exit::Record } else { Exit::Failed };
    Problem::lasting(exit, anyhow!(error))
}

/// Keeps others from fetching into this folder until what is fetched has been staged.
fn hold(folder: &Path) -> Result<File> {
    let named = || format!("lock {}", folder.display());
    let held = File::open(folder).with_context(named)?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => {
            let text = format!("{}: another everboot-fetch is at work there", folder.display());
            Err(Problem::lasting(Exit::Locked, anyhow!(text)))
        }
        Err(TryLockError::Error(error)) => Err(anyhow!(error).context(named()).into()),
    }
}

/// Runs the everboot beside this program, or that in PATH.
fn call(asked: &Words) -> Result<u8> {
    let beside = current_exe().unwrap_or_default().with_file_name("everboot");
    let mut everboot =
        process::Command::new(if beside.exists() { beside.as_path() } else { "everboot".as_ref() });
    let ended = everboot.args(asked.with_argument(SOURCE)).status().context("run everboot")?;
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Failed as u8))
}

/// What everboot was asked for: by a verb whose bundle may be fetched, with all its arguments.
fn read(words: &[OsString]) -> Result<Words> {
    let wrong = |text: String| Problem::lasting(Exit::Usage, anyhow!(text));
    match parse(words.to_vec(), Programs::System) {
        Ok(Request::Verb(asked)) if asked.verb.fetches => Ok(asked),
        Ok(_) => Err(wrong("expected a verb that brings a bundle".to_owned())),
        Err(failure) => Err(wrong(failure.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everboot_core::verbs::{GLOBAL, VERBS};

    fn asked(words: &[&str]) -> Result<Words> {
        read(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn every_option_of_the_verbs_is_taken_and_passed_on() {
        for verb in VERBS.iter().filter(|verb| verb.fetches) {
            for flag in verb.flags.iter().chain(GLOBAL) {
                let word = format!("--{}", flag.name);
                let mut words = vec![verb.name, "oci:a/b"];
                words.extend([&*word].into_iter().chain(flag.value.map(|_| "-x")));
                let found = asked(&words).unwrap();
                assert!(found.has(flag.name) && found.word(0).unwrap() == "oci:a/b", "{words:?}");
                let option = flag.value.map_or(word.clone(), |_| format!("{word}=-x"));
                assert_eq!(found.with_argument(SOURCE), [verb.name, &*option, "--", SOURCE], "{words:?}");
            }
        }
    }

    #[test]
    fn the_last_value_of_an_option_counts_wherever_it_stands() {
        let found = asked(&["--disk=a", "stage", "--force", "--force", "file:x", "--disk", "b"]).unwrap();
        assert_eq!(found.path("disk"), Some("b".into()));
    }

    #[test]
    fn a_value_that_equals_the_source_stays_what_it_is() {
        let found = asked(&["stage", "file:x", "--disk", "file:x"]).unwrap();
        assert_eq!(found.with_argument(SOURCE), ["stage", "--disk=file:x", "--", SOURCE]);
    }

    #[test]
    fn a_line_end_in_the_source_makes_no_option() {
        let found = asked(&["stage", "https://a/b\n--insecure\n--staging\n/etc"]).unwrap();
        assert!(!found.has("insecure") && !found.has("staging"));
        assert!(crate::source::Source::parse(&found.word(0).unwrap()).is_err());
    }

    #[test]
    fn other_verbs_and_options_are_refused() {
        for words in
            [&["confirm", "file:x"][..], &["stage", "file:x", "--from"], &["stage"], &["stage", "a:b", "c:d"]]
        {
            assert!(asked(words).is_err(), "{words:?}");
        }
    }
}
