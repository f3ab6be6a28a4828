//! All that a story needs before it can boot a guest.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::kernel::Kernel;
use super::key::Key;
use super::setup::{self, Level};
use super::{build, initramfs, paths};

/// A prepared test bed.
pub struct Bed {
    /// The kernel of the guests.
    pub kernel: Kernel,
    /// `out/everboot`
    pub agent: PathBuf,
    /// `out/everboot-*`
    pub tools: Vec<PathBuf>,
    /// `out/initramfs.img`
    pub initramfs: PathBuf,
    /// Signs what the initramfs accepts.
    pub key: Key,
}

impl Bed {
    /// Sets up the machine for guests, and builds.
    pub fn prepare() -> Result<Bed> {
        setup::prepare(Level::Bed)?;
        Bed::build()
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

    /// Builds agent, tools and initramfs; the machine is set up for that already.
    pub fn build() -> Result<Bed> {
        let _one_at_a_time = paths::lock("bed")?;
        let agent = build::agent()?;
        let tools = build::tools()?;
        let kernel = Kernel::prepare()?;
        let key = Key::prepare()?;
        let initramfs = initramfs::everboot(&kernel, &agent, &[&key.public])?;
        Ok(Bed { kernel, agent, tools, initramfs, key })
    }

    /// A tool by name, such as `everboot-pack`.
    pub fn tool(&self, name: &str) -> Result<&PathBuf> {
        build::tool(&self.tools, name)
    }

    /// Prints what was built, with sizes.
    pub fn print_sizes(&self) -> Result<()> {
        for path in [&self.agent].into_iter().chain(&self.tools).chain([&self.initramfs]) {
            let size = fs::metadata(path)?.len();
            let name = path.strip_prefix(paths::repo()).unwrap_or(path);
            println!("{size:>10} bytes  {}", name.display());
        }
        Ok(())
    }
}
