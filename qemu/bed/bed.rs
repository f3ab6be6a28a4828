//! All that a story needs before it can boot a guest.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use everboot_builder::programs::{self, Built};
use everboot_builder::setup::{self, Level};

/// A prepared test bed: a machine that is set up for guests, and what is built for them.
pub struct Bed(Built);

impl Deref for Bed {
    type Target = Built;

    fn deref(&self) -> &Built {
        &self.0
    }
}

impl Bed {
    /// Sets up the machine for guests, and builds.
    pub fn prepare() -> Result<Bed> {
        setup::prepare(Level::Bed)?;
        programs::all().map(Bed)
    }

    /// The bed of this process, prepared by the first who asks for it.
    pub fn shared() -> Result<&'static Bed> {
        static BED: Mutex<Option<&'static Bed>> = Mutex::new(None);
        let mut bed = BED.lock().unwrap_or_else(PoisonError::into_inner);
        match *bed {
            Some(bed) => Ok(bed),
            None => Ok(bed.insert(Box::leak(Box::new(Bed::prepare()?)))),
        }
    }

    /// A tool by name, such as `everboot-pack`.
    pub fn tool(&self, name: &str) -> Result<&PathBuf> {
        programs::tool(&self.tools, name)
    }
}
