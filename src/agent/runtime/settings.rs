//! What the owner says of the machine, read from a directory: `everboot.conf`, `keys/*.pub` and `keys/*.revoked`.
//!
//! A mistake in it must not strand a machine. So reading never fails: what cannot be used is left out, with
//! a line about it, and those who must not go on without it ask for [`Settings::fault`].

use crate::flow::Findings;
use crate::sys;
use everboot_core::config::Config;
use everboot_storage::bundle::Keys;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The most files of keys that are looked at.
const MOST_FILES: usize = 64;

/// Where it is, in the initramfs and in the running system.
pub const DIRECTORY: &str = "/etc/everboot";

/// Configuration and keys.
#[derive(Debug)]
pub struct Settings {
    /// The configuration; the default one when there is none that can be read.
    pub config: Config,
    /// The keys that could be read.
    pub keys: Keys,
    /// Why the configuration is the default one.
    pub fault: Option<String>,
    /// What else is wrong.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the directory.
    pub fn read(directory: &Path) -> Self {
        let path = directory.join("everboot.conf");
        let (config, why) = match sys::read_text(&path) {
            Ok(text) => match Config::parse(&text) {
                Ok(config) => (config, None),
                Err(error) => (Config::fallback(&text), Some(error.to_string())),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => (Config::default(), Some(error.to_string())),
            // It may say anything, so it opens nothing.
            Err(error) => (Config::fallback("lock = unknown"), Some(error.to_string())),
        };
        let fault = why.map(|why| format!("{}: {why}", path.display()));
        let mut settings = Self { config, keys: Keys::default(), fault, warnings: Vec::new() };
        if settings.config.insecure {
            settings.keys.allow_insecure();
        }
        settings.read_keys(&directory.join("keys"));
        settings
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

    fn read_keys(&mut self, directory: &Path) {
        for path in key_files(directory) {
            let revoked = path.extension().is_some_and(|end| end == "revoked");
            let before = self.keys.len();
            let read = sys::read_text(&path).map_err(|error| error.to_string());
            let added = read.and_then(|text| {
                let added = if revoked { self.keys.revoke(&text) } else { self.keys.add(&text) };
                added.map_err(|error| error.to_string())
            });
            let added = added.and_then(|()| match revoked || self.keys.len() > before {
                true => Ok(()),
                false => Err("expected a new key, found one that is there already, or revoked".to_owned()),
            });
            if let Err(why) = added {
                self.warnings.push(format!("{}: {why}", path.display()));
            }
        }
        if self.keys.is_empty() {
            let directory = directory.display();
            self.warnings.push(format!("none in {directory}/*.pub: no bundle and no trailer is trusted"));
        }
    }
}

/// The `.pub` and `.revoked` files, in the order of their names, so that every run reads the same.
fn key_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_key = |path: &PathBuf| path.extension().is_some_and(|end| end == "pub" || end == "revoked");
    let mut paths: Vec<_> = paths.filter(is_key).collect();
    paths.sort();
    paths.truncate(MOST_FILES);
    paths
}
