//! Whether an image may come onto this machine at all. Asked at staging, and again from the signature on
//! whenever the image is about to be written.

use crate::manifest::{Manifest, Refusal as VersionRefusal};
use crate::quoted::Quoted;
use crate::record::{Slot, is_below};
use crate::slot::{Image, Part, PartName};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What is known of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Its type, from the configuration.
    pub compatible: &'a str,
    /// The version in the default slot; absent when unknown.
    pub installed: Option<&'a str>,
    /// The lowest version that may come onto it; empty where there is none.
    pub floor: &'a str,
    /// Release of the kernel that will boot the image; absent when that is not known here.
    pub kernel: Option<&'a str>,
}

/// Why an image does not fit the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It is for another machine type.
    Compatible {
        /// The machine's.
        expected: String,
        /// The image's.
        found: String,
    },
    /// The version rule forbids it.
    Version(VersionRefusal),
    /// The slot is made of other parts.
    Parts {
        /// The slot's.
        expected: String,
        /// The image's.
        found: String,
    },
    /// It has no modules for the kernel that will boot it.
    Modules {
        /// The kernel's release.
        expected: String,
        /// Releases that it has modules for.
        found: Vec<String>,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compatible { expected, found } => {
                let (expected, found) = (Quoted(expected), Quoted(found));
                write!(f, "the image is for machine type {found}, and this machine is {expected}")
            }
            Self::Version(why) => why.fmt(f),
            Self::Parts { expected, found } => {
                write!(f, "image for other slots: expected the parts {expected}, found {found}")
            }
            Self::Modules { expected, found } => {
                let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
                write!(f, "the image has no modules for the kernel {expected}; it has those for: {found}")
            }
        }
    }
}

/// What the record keeps of a manifest.
pub fn image_of(manifest: &Manifest) -> Image {
    Image {
        version: manifest.version.clone(),
        id: Some(manifest.image_id()),
        open: manifest.root().open,
        tries: manifest.tries.unwrap_or(0),
        insecure: manifest.insecure,
    }
}

/// Refuses an image for a slot that is made of other parts: what it does not bring would stay of an older version.
pub fn admit_parts(manifest: &Manifest, slot: &Slot) -> Result<(), Unfit> {
    let has = |part: &Part| manifest.parts.iter().any(|image| image.name == part.name);
    if slot.parts.len() == manifest.parts.len() && slot.parts.iter().all(has) {
        return Ok(());
    }
    let (mut expected, mut found) = (String::new(), String::new());
    slot.parts.iter().for_each(|part| list(&mut expected, &part.name));
    manifest.parts.iter().for_each(|image| list(&mut found, &image.name));
    Err(Unfit::Parts { expected, found })
}

fn list(names: &mut String, name: &PartName) {
    if !names.is_empty() {
        names.push_str(", ");
    }
    names.push_str(name.as_str());
}

/// Refuses what does not fit, before anything is written.
pub fn admit(manifest: &Manifest, machine: Machine<'_>) -> Result<(), Unfit> {
    if manifest.compatible != machine.compatible {
        let (expected, found) = (machine.compatible.to_owned(), manifest.compatible.clone());
        return Err(Unfit::Compatible { expected, found });
    }
    if is_below(machine.floor, &manifest.version) {
        return Err(Unfit::Version(manifest.older(machine.floor, "the floor")));
    }
    manifest.upgrade_allowed_from(machine.installed).map_err(Unfit::Version)?;
    if let (Some(kernel), Some(modules)) = (machine.kernel, &manifest.modules)
        && !modules.iter().any(|release| release == kernel)
    {
        return Err(Unfit::Modules { expected: kernel.to_owned(), found: modules.clone() });
    }
    Ok(())
}
