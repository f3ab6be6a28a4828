//! The settings of the machine, read from a directory: `everboot.conf`, `keys/*.pub` and `keys/*.revoked`.
//! Every program that needs it reads it here.
//!
//! A mistake in it must not strand a machine. So [`Settings::read`] never fails: what cannot be used is left out, with
//! a line about it. Who must not go on with a mistake asks for [`Settings::fault`], or for [`Settings::faultless`].

use crate::flow::Findings;
use crate::sys::{self, Roots};
use everboot_core::config::{Config, ConfigError};
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
    /// The configuration; the default one when there is none that can be read.
    pub config: Config,
    /// The keys that could be read and are not revoked.
    pub keys: Keys,
    /// Why the configuration is the default one.
    pub fault: Option<String>,
    /// What is wrong with the keys.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the directory.
    pub fn read(directory: &Path) -> Self {
        let path = directory.join("everboot.conf");
        let (config, fault) = match load(&path) {
            Ok(config) => (config, None),
            Err(unusable) => (unusable.fallback(), Some(format!("{}: {unusable}", path.display()))),
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
        Self { config, keys, fault, warnings }
    }

    /// What is wrong with it.
    pub fn complaints(&self) -> Findings {
        let mut found = Findings::default();
        if let Some(why) = &self.fault {
            found.fault("configuration", why, &"going on with defaults");
        }
        for why in &self.warnings {
            found.fault("key", "key", &why);
        }
        found
    }

    /// Configuration and keys, if nothing at all is wrong with them; else what is wrong first.
    pub fn faultless(self) -> Result<(Config, Keys), String> {
        let warning = self.warnings.into_iter().next().map(|why| format!("key: {why}"));
        match self.fault.or(warning) {
            None => Ok((self.config, self.keys)),
            Some(why) => Err(why),
        }
    }
}

/// Why a configuration cannot be used.
enum Unusable {
    Io(io::Error),
    Text(ConfigError, String),
}

impl Unusable {
    /// What is gone on with.
    fn fallback(&self) -> Config {
        match self {
            Self::Text(_, text) => Config::fallback(text),
            Self::Io(error) if error.kind() == ErrorKind::NotFound => Config::default(),
            // It may say anything, so it opens nothing.
            Self::Io(_) => Config::fallback("lock = unknown"),
        }
    }
}

impl Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Text(error, _) => error.fmt(f),
        }
    }
}

fn load(path: &Path) -> Result<Config, Unusable> {
    let text = sys::read_text(path).map_err(Unusable::Io)?;
    Config::parse(&text).map_err(|error| Unusable::Text(error, text))
}

/// Reads one `everboot.conf` for those who cannot go on without it; the error names the file.
pub fn read_config(path: &Path) -> Result<Config, String> {
    load(path).map_err(|why| format!("{}: {why}", path.display()))
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
