//! What a verb works with: the machine, locked if the verb changes it, and its settings.

use super::answer::{Exit, Failure};
use super::arguments::Arguments;
use crate::flow::{Findings, Site};
use crate::machine::Access;
use crate::runtime::any_machine::{AnyMachine, Kind};
use crate::runtime::lock;
use crate::runtime::progress::Progress;
use crate::settings::{self, Settings};
use crate::sys::{DiskFileMachine, FileMedium, LinuxMachine, Lock, Roots};
use everboot_core::config::Config;
use everboot_core::record::Formats;
use everboot_core::verbs::Action;
use everboot_storage::bundle::Keys;
use std::path::{Path, PathBuf};

/// Everything that a verb needs.
pub struct Session {
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
    pub(crate) fn open(roots: &Roots, arguments: &Arguments, holds_lock: bool) -> Result<Self, Failure> {
        let disk = arguments.path("disk");
        if let Some(path) = disk.as_deref().filter(|path| !path.exists()) {
            let text = format!("--disk {}: there is no such file", path.display());
            return Err(Failure::new(Exit::Failed, text));
        }
        let settings = settings(roots, arguments);
        if let Some(fault) = settings.faults.first().filter(|_| arguments.verb.needs.configuration) {
            return Err(Failure::new(Exit::Failed, fault.clone()));
        }
        let complaints = settings.complaints();
        let (staging, changes) = (arguments.path("staging"), arguments.verb.needs.lock);
        let waits = arguments.verb.needs.patience;
        let (kind, lock) = match disk {
            Some(path) => {
                let open = &mut || open_file(&path, staging.clone(), changes);
                (Kind::File(if waits { lock::wait_for(open) } else { open() }?), None)
            }
            None => {
                let take = &mut || lock::take(roots);
                let is_ours = !changes || holds_lock;
                let lock =
                    if is_ours { None } else { Some(if waits { lock::wait_for(take) } else { take() }?) };
                // For these the disks that have nothing to do with the machine count as well.
                let all = matches!(arguments.verb.action, Action::Disks | Action::Mount | Action::Doctor);
                let machine = LinuxMachine::new(roots.clone(), staging);
                (Kind::Linux(machine.looking_for(&settings.config, all)), lock)
            }
        };
        let machine = AnyMachine {
            kind,
            kernel: arguments.text("kernel"),
            progress: Progress::new(!arguments.has("no-progress")),
            watchdog: None,
        };
        Ok(Self { machine, config: settings.config, keys: settings.keys, complaints, _lock: lock })
    }

    /// Says what is wrong with the settings.
    pub(crate) fn warn(&self) {
        self.complaints.0.iter().for_each(|complaint| log::warn!("{}", complaint.text));
    }

    /// The machine that runs; absent for a disk image in a file.
    pub(crate) fn linux(&self) -> Option<&LinuxMachine> {
        match &self.machine.kind {
            Kind::Linux(machine) => Some(machine),
            Kind::File(_) => None,
        }
    }

    /// The machine together with what its owner says of it.
    pub fn site(&mut self) -> Site<'_, AnyMachine> {
        Site { machine: &mut self.machine, config: &self.config, keys: &self.keys, formats: Formats::CURRENT }
    }
}

fn open_file(path: &Path, staging: Option<PathBuf>, changes: bool) -> Result<DiskFileMachine, Failure> {
    if changes {
        DiskFileMachine::open(path, staging).map_err(Failure::from)
    } else {
        Ok(DiskFileMachine::look(path, staging))
    }
}

/// The settings that the command line means.
pub(crate) fn settings(roots: &Roots, arguments: &Arguments) -> Settings {
    let given = arguments.path("config");
    Settings::read(&given.unwrap_or_else(|| settings::directory(roots, arguments.path("disk").as_deref())))
}

/// Opens a bundle in a file.
pub(crate) fn open_bundle(path: &Path) -> Result<FileMedium, Failure> {
    FileMedium::open(path, Access::Read)
        .map_err(|error| Failure::new(Exit::Failed, format!("bundle: {error}")))
}
