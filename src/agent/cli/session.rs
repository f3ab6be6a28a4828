//! What a verb works with: the machine, locked if the verb changes it, and its settings.

use super::arguments::Arguments;
use super::exit::{Exit, Failure};
use super::machine::{AnyMachine, Kind};
use super::progress::Progress;
use super::settings::{DIRECTORY, Settings};
use everboot_agent::flow::{Findings, Site};
use everboot_agent::sys::{DiskFileMachine, LinuxMachine, Lock, LockError};
use everboot_core::config::Config;
use everboot_core::verbs::Action;
use everboot_storage::bundle::Keys;
use std::path::{Path, PathBuf};

/// The lock of this machine.
const LOCK: &str = "/run/everboot/lock";

/// Everything that a verb needs.
#[derive(Debug)]
pub(crate) struct Session {
    machine: AnyMachine,
    /// The configuration.
    pub(crate) config: Config,
    keys: Keys,
    /// What is wrong with the settings.
    pub(crate) complaints: Findings,
    _lock: Option<Lock>,
}

impl Session {
    /// Reads the settings and takes the lock, unless this process holds it already.
    pub(crate) fn open(arguments: &Arguments, holds_lock: bool) -> Result<Self, Failure> {
        let disk = arguments.path("disk");
        if let Some(path) = disk.as_deref().filter(|path| !path.exists()) {
            let text = format!("--disk {}: expected a disk image, found no such file", path.display());
            return Err(Failure::new(Exit::Failed, text));
        }
        let settings = settings(arguments);
        if let Some(fault) = settings.fault.as_ref().filter(|_| needs_config(arguments.verb.action)) {
            return Err(Failure::new(Exit::Failed, fault.clone()));
        }
        let complaints = settings.complaints();
        if arguments.verb.action != Action::Doctor {
            complaints.0.iter().for_each(|complaint| log::warn!("{}", complaint.text));
        }
        let (staging, changes) = (arguments.path("staging"), arguments.verb.changes);
        let (kind, lock) = match disk {
            Some(path) => (Kind::File(open_file(&path, staging, changes)?), None),
            None => {
                let lock = if changes && !holds_lock { Some(lock()?) } else { None };
                (Kind::Linux(LinuxMachine::new(staging)), lock)
            }
        };
        let machine = AnyMachine {
            kind,
            kernel: arguments.text("kernel"),
            progress: Progress::new(!arguments.has("no-progress")),
            recovery: None,
            watchdog: None,
        };
        Ok(Self { machine, config: settings.config, keys: settings.keys, complaints, _lock: lock })
    }

    /// The machine that runs; absent for a disk image in a file.
    pub(crate) fn linux(&self) -> Option<&LinuxMachine> {
        match &self.machine.kind {
            Kind::Linux(machine) => Some(machine),
            Kind::File(_) => None,
        }
    }

    /// The machine together with what its owner says of it.
    pub(crate) fn site(&mut self) -> Site<'_, AnyMachine> {
        Site { machine: &mut self.machine, config: &self.config, keys: &self.keys }
    }
}

fn open_file(path: &Path, staging: Option<PathBuf>, changes: bool) -> Result<DiskFileMachine, Failure> {
    if changes {
        DiskFileMachine::open(path, staging).map_err(locked)
    } else {
        Ok(DiskFileMachine::look(path, staging))
    }
}

/// Excludes another everboot from this machine.
pub(crate) fn lock() -> Result<Lock, Failure> {
    Lock::take(Path::new(LOCK)).map_err(locked)
}

fn locked(error: LockError) -> Failure {
    let exit = match &error {
        LockError::Held { .. } => Exit::Locked,
        LockError::Io { .. } => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}

/// The settings that the command line means.
pub(crate) fn settings(arguments: &Arguments) -> Settings {
    Settings::read(&directory(arguments.path("config"), arguments.path("disk").as_deref()))
}

/// Where the settings are.
fn directory(given: Option<PathBuf>, disk: Option<&Path>) -> PathBuf {
    let beside = || {
        let mut name = disk?.as_os_str().to_owned();
        name.push(".config");
        Some(PathBuf::from(name))
    };
    given.or_else(beside).unwrap_or_else(|| DIRECTORY.into())
}

/// Whether the verb would do the wrong thing by the default configuration. The others work by the record:
/// a typing mistake must not keep a good system from being confirmed, or a bad one from being rejected.
fn needs_config(action: Action) -> bool {
    use Action::{Activate, Apply, Install, Prepare, RecordInit, RecordRepair, Stage};
    matches!(action, Stage | Prepare | Apply | Activate | Install | RecordInit | RecordRepair)
}
