//! `--for WORDS`, a line each: into the staging area of the machine that these words of everboot mean, where everboot
//! stages it without a copy.
//!
//! The agent calls this, and is called by it with the same words: so it needs to know nothing of downloads. Nobody
//! holds the machine's lock until the bundle is there.

use super::patchwork::Have;
use super::problem::{Problem, Result};
use super::settings;
use anyhow::{Context, anyhow};
use clap::Parser;
use everboot_agent::flow::{self, FETCHED, Receiver, Site};
use everboot_agent::machine::Machine;
use everboot_agent::sys::{DirStaging, DiskFileMachine, FileMedium, LinuxMachine, Roots};
use everboot_core::verbs::Exit;
use everboot_fetch::arguments::Arguments;
use everboot_storage::medium::Staging;
use std::env::current_exe;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The first argument.
pub(crate) const FOR: &str = "--for";
/// What stands for the bundle that was fetched, in the words of everboot.
const SOURCE: &str = "fetched:";
/// Which lists of channels were seen, beside the staged bundle.
const STATE: &str = "channels";

/// Fetches, and has it staged; returns the code that everboot ends with.
pub(crate) fn bring(words: &[OsString]) -> Result<u8> {
    let words: Vec<_> = words.iter().flat_map(|text| text.as_bytes().split(|byte| *byte == b'\n')).collect();
    let words: Vec<_> = words.into_iter().map(|word| OsStr::from_bytes(word).to_owned()).collect();
    let agent = Agent::parse_from(&words);
    match &agent.disk {
        Some(disk) => on(&mut DiskFileMachine::look(disk, agent.staging.clone()), &agent, &words),
        None => on(&mut LinuxMachine::new(Roots::default(), agent.staging.clone()), &agent, &words),
    }
}

fn on<M>(machine: &mut M, agent: &Agent, words: &[OsString]) -> Result<u8>
where
    M: Machine<Staging = DirStaging, Disk = FileMedium>,
{
    let beside = || Some(agent.disk.as_ref()?.with_added_extension("config"));
    let folder = agent.config.clone().or_else(beside).unwrap_or_else(|| "/etc/everboot".into());
    let config = settings::config(&folder)?;
    // Where they cannot be read `everboot stage` says so.
    let keys = super::keys::read(&folder.join("keys")).unwrap_or_default();
    let mut site = Site { machine, config: &config, keys: &keys };
    let Receiver { area, installed, bad_images } = flow::receive(&mut site).map_err(|error| match error {
        flow::Error::Record(_) => Problem::lasting(Exit::Record, anyhow!(error)),
        _ => Problem::lasting(Exit::Failed, anyhow!(error)),
    })?;
    let mut arguments = Arguments::parse_from([OsString::new(), "--".into(), agent.source.clone().into()]);
    arguments.config = folder;
    let path = area.path(&Roots::default()).context("find the staging area")?;
    let held = hold(&path)?;
    arguments.output = Some(path.join(FETCHED));
    arguments.state = Some(path.join(STATE));
    if !agent.force {
        (arguments.installed, arguments.failed) = (installed, bad_images);
    }
    arguments.no_progress = agent.no_progress;
    let have = Have { parts: flow::slots(&mut site), keys: keys.clone() };
    let ended = match super::fetch(&arguments, Some(&have)) {
        Ok(true) => call(agent, words),
        Ok(false) => Ok(Exit::Done as u8),
        Err(problem) => Err(problem),
    };
    // It has another name by now, or was refused. That it stays costs room and nothing else.
    let _ = area.remove(FETCHED);
    drop((held, area));
    site.machine.close_staging();
    ended
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
fn call(agent: &Agent, words: &[OsString]) -> Result<u8> {
    let beside = current_exe().unwrap_or_default().with_file_name("everboot");
    let mut everboot = Command::new(if beside.exists() { beside.as_path() } else { "everboot".as_ref() });
    let word = |word: &OsString| if *word == *agent.source { SOURCE.into() } else { word.clone() };
    let ended = everboot.args(words.iter().map(word)).status().context("run everboot")?;
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Failed as u8))
}

/// The words of everboot for which something is fetched; see everboot(8).
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Agent {
    #[arg(value_parser = ["stage", "install"])]
    pub(crate) verb: String,
    pub(crate) source: String,
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    #[arg(long)]
    pub(crate) disk: Option<PathBuf>,
    #[arg(long)]
    pub(crate) staging: Option<PathBuf>,
    #[arg(long)]
    kernel: Option<String>,
    #[arg(long)]
    pub(crate) no_progress: bool,
    #[arg(long)]
    pub(crate) force: bool,
    #[arg(long)]
    insecure: bool,
}
