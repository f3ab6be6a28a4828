//! A root of one static busybox: boots in two seconds and does what its caller's init says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::image;
use everboot_builder::busybox;
use everboot_builder::command::{program, run};
use everboot_builder::kernel::Kernel;
use everboot_builder::overlay::Overlay;

/// Large enough for busybox, the agent and a little more.
const MEBIBYTES: u64 = 48;

/// A small root with an init of the caller's.
pub struct Mini {
    /// `/etc/os-release` says it.
    pub version: String,
    /// A shell script, without its `#!` line; it must not end.
    pub init: String,
    /// Further files.
    pub overlay: Overlay,
    /// Whether the root has the running kernel's modules.
    pub modules: bool,
    /// Of the image.
    pub mebibytes: u64,
}

impl Mini {
    /// A root whose init is these lines of shell.
    pub fn new(version: &str, init: &str) -> Mini {
        let (version, init) = (version.to_owned(), init.to_owned());
        Mini { version, init, overlay: Overlay::default(), modules: true, mebibytes: MEBIBYTES }
    }

    /// The ext4 image.
    pub fn image(&self, kernel: &Kernel) -> Result<PathBuf> {
        let release = format!("ID=everboot-mini\nNAME=\"everboot mini\"\nIMAGE_VERSION={}\n", self.version);
        let mut files = Overlay::default().file("/etc/os-release", release);
        files = files.program("/sbin/init", format!("#!/bin/sh\n{}\n", self.init));
        if self.modules {
            let folder = format!("/usr/lib/modules/{}", kernel.release);
            files = files.host_file(
                &format!("{folder}/modules.dep"),
                0o644,
                &kernel.modules().join("modules.dep"),
            );
        }
        let files = files.then(&self.overlay);
        image::ext4("mini", self.mebibytes, &kernel.release, &files, base)
    }
}

fn base(tree: &Path) -> Result<()> {
    for folder in ["bin", "sbin", "dev", "proc", "sys", "run", "tmp", "etc", "data", "usr/lib", "root"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    let busybox = busybox::program()?;
    fs::copy(&busybox, tree.join("bin/busybox"))?;
    for applet in run(program("busybox").arg("--list"))?.lines().filter(|name| *name != "busybox") {
        symlink("busybox", tree.join("bin").join(applet))?;
    }
    Ok(())
}
