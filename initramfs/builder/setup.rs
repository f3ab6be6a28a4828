//! The Debian packages that the test bed needs, found by their programs, installed when absent.
//!
//! Quick and without root when all is there. Where a package cannot be installed, the run names it and stops: nothing
//! is skipped.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::command::{program, run};
use super::paths;

/// A program, and the Debian package that has it.
pub struct Tool {
    /// The package.
    pub package: &'static str,
    /// The program.
    pub program: &'static str,
}

const fn tool(package: &'static str, program: &'static str) -> Tool {
    Tool { package, program }
}

/// What building the agent and the initramfs takes.
const BUILD: &[Tool] = &[
    tool("gcc", "gcc"),
    tool("musl-tools", "musl-gcc"),
    tool("binutils", "ar"),
    tool("kmod", "depmod"),
    tool("minisign", "minisign"),
];

/// What the demo takes beside that and [`TESTBED`].
const DEMO: &[Tool] = &[tool("e2fsprogs", "mke2fs")];

/// What the tests take that boot nothing.
const CHECK: &[Tool] = &[
    tool("g++", "g++"),
    tool("git", "git"),
    tool("util-linux", "setpriv"),
    tool("shellcheck", "shellcheck"),
    tool("cryptsetup-bin", "veritysetup"),
    tool("gdisk", "sgdisk"),
    tool("e2fsprogs", "mke2fs"),
    tool("zstd", "zstd"),
    tool("squashfs-tools", "mksquashfs"),
    tool("squashfs-tools-ng", "tar2sqfs"),
    tool("erofs-utils", "mkfs.erofs"),
    tool("attr", "setfattr"),
    tool("xz-utils", "xz"),
    tool("fakeroot", "fakeroot"),
    tool("skopeo", "skopeo"),
    tool("docker-registry", "docker-registry"),
    tool("openssl", "openssl"),
    tool("groff-base", "groff"),
    tool("mandoc", "mandoc"),
    tool("dpkg-dev", "dpkg-shlibdeps"),
];

/// What virtual machines and their images take.
const TESTBED: &[Tool] = &[
    tool("qemu-system-x86", "qemu-system-x86_64"),
    tool("mmdebstrap", "mmdebstrap"),
    tool("busybox-static", "busybox"),
];

/// What an ordinary user needs on top, to make root-owned trees.
const WITHOUT_ROOT: &[Tool] = &[tool("uidmap", "newuidmap")];

/// What everboot is measured beside, and what they take to run here.
pub const PEERS: &[Tool] = &[
    tool("rauc", "rauc"),
    tool("swupdate", "swupdate"),
    tool("casync", "casync"),
    tool("zchunk", "zck"),
    tool("zstd", "zstd"),
    tool("bmap-tools", "bmaptool"),
    tool("xdelta3", "xdelta3"),
    tool("dbus-daemon", "dbus-daemon"),
    tool("cpio", "cpio"),
    tool("mount", "losetup"),
];

/// How much is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `initramfs/build`
    Build,
    /// `qemu/demo`
    Demo,
    /// `tests/run --quick`
    Check,
    /// `tests/run`
    Testbed,
    /// `tests/bench`
    Benchmark,
}

/// Makes sure that all programs of a level are there.
pub fn prepare(level: Level) -> Result<()> {
    let mut wanted: Vec<&Tool> = BUILD.iter().collect();
    if level >= Level::Check {
        wanted.extend(CHECK);
    }
    if level == Level::Demo {
        wanted.extend(DEMO);
    }
    if level >= Level::Testbed || level == Level::Demo {
        wanted.extend(TESTBED);
        if !is_root() {
            wanted.extend(WITHOUT_ROOT);
        }
    }
    if level >= Level::Benchmark {
        wanted.extend(PEERS);
    }
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|tool| paths::program(tool.program).is_none())
        .map(|tool| tool.package)
        .collect();
    install(&missing)
}

/// Installs Debian packages by name; no package, no work.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    println!("setup: installing these Debian packages: {list}");
    let refuse = |why: &str| format!("{why}; these Debian packages are missing: {list}");
    if paths::program("apt-get").is_none() {
        bail!(refuse("this machine has no apt-get"));
    }
    let _one_at_a_time = paths::lock("apt")?;
    apt(&["update", "-qq"]).with_context(|| refuse("cannot set up this machine"))?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(packages);
    apt(&install).with_context(|| refuse("cannot set up this machine"))
}

/// Fetches the package lists.
pub fn update() -> Result<()> {
    let _one_at_a_time = paths::lock("apt")?;
    println!("setup: apt-get update");
    apt(&["update", "-qq"])
}

fn apt(words: &[&str]) -> Result<()> {
    let mut command = if is_root() {
        program("apt-get")
    } else if paths::program("sudo").is_some() {
        println!("setup: asking sudo for root, only for: apt-get {}", words.join(" "));
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    } else {
        bail!("neither root nor sudo");
    };
    command.args(words).env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut command).map(drop)
}

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
