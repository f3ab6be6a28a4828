//! The settings of the machine, read from a directory: `everboot.conf`, `keys/*.pub` and `keys/*.revoked`.
//! Every program that needs it reads it here.
//!
//! A mistake in it must not strand a machine. So [`Settings::read`] never fails: what cannot be used is left out, with
//! a line about it. Who must not go on with a mistake asks for [`Settings::faults`], or for [`Settings::faultless`].

use crate::flow::Findings;
use crate::sys::{self, Roots};
use everboot_core::config::{Config, Lock};
use everboot_storage::bundle::Keys;
use std::fmt::Display;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The most `.pub` files that are read, and the most `.revoked` files.
const MOST_FILES: usize = 64;

/// Where the settings are when nobody says otherwise: of this machine, in the initramfs and in the running system,
/// `/etc/everboot`; of a disk image in a file `FILE.config`.
pub fn directory(roots: &Roots, disk: Option<&Path>) -> PathBuf {
    match disk {
        Some(file) => beside(file),
        None => roots.etc.join("everboot"),
    }
}

/// `FILE.config`, the settings of the machine of which `FILE` is the disk image.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".config");
    name.into()
}

/// Configuration and keys.
#[derive(Debug)]
pub struct Settings {
    /// The configuration, as far as it can be read; the default one when there is none.
    pub config: Config,
    /// The keys that could be read and are not revoked.
    pub keys: Keys,
    /// What is wrong with the configuration: each line that was left out, or why there is none.
    pub faults: Vec<String>,
    /// What is wrong with the keys.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the directory.
    pub fn read(directory: &Path) -> Self {
        let path = directory.join("everboot.conf");
        let named = |why: &dyn Display| format!("{}: {why}", path.display());
        let (config, faults) = match sys::read_text(&path) {
            Ok(text) => {
                let config = Config::read(&text);
                let faults = config.faults.iter().map(|fault| named(fault)).collect();
                (config, faults)
            }
            Err(error) => (without_file(&error), vec![named(&error)]),
        };
        let KeyFiles { mut keys, mut warnings, revocation_fault } =
            KeyFiles::read(&directory.join("keys")).unwrap_or_default();
        warnings.extend(revocation_fault);
        if config.insecure {
            keys.allow_insecure();
        }
        if keys.is_empty() {
            let directory = directory.join("keys");
            let directory = directory.display();
            warnings.push(format!("none in {directory}/*.pub: no bundle and no trailer is trusted"));
        }
        Self { config, keys, faults, warnings }
    }

    /// What is wrong with it.
    pub fn complaints(&self) -> Findings {
        let mut found = Findings::default();
        for why in &self.faults {
            found.fault(
                "configuration",
                why,
                &"early boot goes on without it; correct it, make the initramfs anew",
            );
        }
        for why in &self.warnings {
            found.fault("key", "key", &why);
        }
        found
    }

    /// Configuration and keys, if nothing at all is wrong with them; else what is wrong first.
    pub fn faultless(self) -> Result<(Config, Keys), String> {
        let warning = self.warnings.into_iter().next().map(|why| format!("key: {why}"));
        match self.faults.into_iter().next().or(warning) {
            None => Ok((self.config, self.keys)),
            Some(why) => Err(why),
        }
    }
}

/// What is gone by where there is no file that can be read.
fn without_file(error: &io::Error) -> Config {
    match error.kind() {
        ErrorKind::NotFound => Config::default(),
        // It may say anything, so it opens nothing.
        _ => Config { lock: Lock::Yes, ..Config::default() },
    }
}

/// Reads one `everboot.conf` for those who cannot go on without it; the error names the file.
pub fn read_config(path: &Path) -> Result<Config, String> {
    let named = |why: &dyn Display| format!("{}: {why}", path.display());
    let text = sys::read_text(path).map_err(|error| named(&error))?;
    Config::parse(&text).map_err(|error| named(&error))
}

/// The keys in the files of a directory.
#[derive(Debug, Default)]
pub struct KeyFiles {
    /// Those of the `.pub` files, without those of the `.revoked` files.
    pub keys: Keys,
    /// The `.pub` files that were left out, and why.
    pub warnings: Vec<String>,
    /// Why a `.revoked` file could not be used: a key is trusted that perhaps must not be.
    pub revocation_fault: Option<String>,
}

impl KeyFiles {
    /// Reads them, in the order of their names, so that every run reads the same. What cannot be used is left out, with
    /// a line about it. Fails when the directory cannot be read.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        for path in with_extension(directory, "pub")? {
            let before = files.keys.len();
            let added = add_key_file(&mut files.keys, &path);
            let is_new = files.keys.len() > before;
            match added {
                Ok(()) if is_new => {}
                Ok(()) => files
                    .warnings
                    .push(format!("{}: another file has the same key; remove one", path.display())),
                Err(why) => files.warnings.push(why),
            }
        }
        for path in with_extension(directory, REVOKED)? {
            if let Err(why) = add_key_file(&mut files.keys, &path) {
                files.revocation_fault.get_or_insert(why);
            }
        }
        Ok(files)
    }
}

/// How the name of a file ends whose keys are not trusted any more.
const REVOKED: &str = "revoked";

/// Adds the keys of a file; of a `.revoked` file it revokes them. The error names the file.
pub fn add_key_file(keys: &mut Keys, path: &Path) -> Result<(), String> {
    let named = |why: &dyn Display| format!("{}: {why}", path.display());
    let text = sys::read_text(path).map_err(|error| named(&error))?;
    let is_revoked = path.extension().is_some_and(|end| end == REVOKED);
    let added = if is_revoked { keys.revoke(&text) } else { keys.add(&text) };
    added.map_err(|error| named(&error))
}

/// The files of a directory whose names end so.
fn with_extension(directory: &Path, end: &str) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|found| found == end)).collect();
    // As bytes: the comparison of paths is 1 kB.
    paths.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
    paths.truncate(MOST_FILES);
    Ok(paths)
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
