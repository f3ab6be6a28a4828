//! All that a story needs before it can boot a virtual machine.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use anyhow::Result;

use everboot_builder::kernel::Kernel;
use everboot_builder::programs::{self, Built};
use everboot_builder::setup::{self, Level};
use everboot_builder::{paths, steps};

use super::rootfs::debian;

/// A prepared test bed: a machine that is set up for virtual machines, and what is built for them.
pub struct Testbed {
    built: Built,
    /// Tools that were built so far. They stay as long as the process does.
    tools: Mutex<BTreeMap<String, &'static Path>>,
}

impl Deref for Testbed {
    type Target = Built;

    fn deref(&self) -> &Built {
        &self.built
    }
}

impl Testbed {
    /// Sets up the machine for virtual machines, and builds what they boot; tools are built when they are asked for.
    pub fn prepare() -> Result<Testbed> {
        Testbed::at(Level::Testbed)
    }

    /// Sets up no more than what a demonstration on Debian takes, side by side: what downloads leaves the processors to
    /// what compiles. Its `everboot-pack` knows no registry, and is `out/demo/everboot-pack`.
    pub fn for_demo() -> Result<Testbed> {
        steps::timed("Debian packages of the host", || setup::prepare(Level::Demo))?;
        let (testbed, pack, tree) = thread::scope(|scope| {
            let tree = scope.spawn(|| {
                let kernel = Kernel::prepare()?;
                steps::timed("Debian by mmdebstrap", || debian::prepare(&kernel))
            });
            let pack = scope.spawn(|| programs::build_pack_without_registry("demo/everboot-pack"));
            (Testbed::at(Level::Demo), joined(pack), joined(tree))
        });
        tree?;
        let testbed = testbed?;
        testbed.put("everboot-pack", pack?);
        Ok(testbed)
    }

    fn at(level: Level) -> Result<Testbed> {
        setup::prepare(level)?;
        let built = programs::without_tools()?;
        Ok(Testbed { built, tools: Mutex::default() })
    }

    /// The test bed of this process, prepared by the first who asks for it.
    pub fn shared() -> Result<&'static Testbed> {
        static TESTBED: Mutex<Option<&'static Testbed>> = Mutex::new(None);
        let mut testbed = TESTBED.lock().unwrap_or_else(PoisonError::into_inner);
        match *testbed {
            Some(testbed) => Ok(testbed),
            None => Ok(testbed.insert(Box::leak(Box::new(Testbed::prepare()?)))),
        }
    }

    /// A tool by name, such as `everboot-pack`; the first who asks for it builds it.
    pub fn tool(&self, name: &str) -> Result<&'static Path> {
        // Held over the build: who asks at the same time waits.
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tool) = tools.get(name) {
            return Ok(tool);
        }
        let _one_at_a_time = paths::lock("testbed")?;
        let tool = lasting(programs::build_tool(name)?);
        tools.insert(name.to_owned(), tool);
        Ok(tool)
    }

    fn put(&self, name: &str, tool: PathBuf) {
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        tools.insert(name.to_owned(), lasting(tool));
    }
}

/// What a thread returned.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn lasting(path: PathBuf) -> &'static Path {
    Box::leak(path.into_boxed_path())
}
