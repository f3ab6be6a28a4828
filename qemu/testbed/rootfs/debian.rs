//! A real Debian 12 with systemd that runs sealed: its root is read-only for ever.
//!
//! What must be writable is a tmpfs, or lies on the data partition at `/data`. The base tree is
//! made once by mmdebstrap; an image is that tree with the units and files below laid over it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::image::{self, as_root};
use everboot_builder::command::{program, run};
use everboot_builder::kernel::Kernel;
use everboot_builder::overlay::Overlay;
use everboot_builder::paths;

const SUITE: &str = "bookworm";
const PACKAGES: &str = "systemd-sysv,udev,login";
const MEBIBYTES: u64 = 320;

/// Raised when the base tree's recipe changes.
const BASE: &str = "3";

/// Modules that a running system may ask for, beside what the initramfs loaded.
const MODULES: &[&str] = &[
    "virtio_blk",
    "virtio_pci",
    "squashfs",
    "erofs",
    "overlay",
    "loop",
    "autofs4",
    "vfat",
    "dm_verity",
    "softdog",
];

/// Units that a sealed test machine has no use for.
const MASKED: &[&str] = &[
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-machine-id-commit.service",
    "getty-static.service",
    "kmod-static-nodes.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
    "systemd-random-seed.service",
];

/// `nofail`: a data partition that does not mount never keeps the system from coming up.
const FSTAB: &str = "\
PARTLABEL=everboot-data /data ext4 nofail,nosuid,nodev,x-systemd.device-timeout=90s 0 0
tmpfs /tmp tmpfs mode=1777,nosuid,nodev 0 0
tmpfs /root tmpfs mode=0700,nosuid,nodev 0 0
tmpfs /var/tmp tmpfs mode=1777,nosuid,nodev 0 0
tmpfs /var/log tmpfs mode=0755,nosuid,nodev 0 0
tmpfs /var/lib/systemd tmpfs mode=0755,nosuid,nodev 0 0
tmpfs /var/lib/private tmpfs mode=0700,nosuid,nodev 0 0
";

/// Says on the console that the system is up; stories wait for this line.
const BOOT_OK: &str = "\
[Unit]
Description=Say on the console that the system is up
After=multi-user.target

[Service]
Type=oneshot
EnvironmentFile=/etc/os-release
ExecStart=/bin/sh -c 'echo BOOT-OK $IMAGE_VERSION > /dev/console'

[Install]
WantedBy=multi-user.target
";

const AUTOLOGIN: &str = "\
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200,57600,38400,9600 %I $TERM
";

/// One version of the system.
pub struct Debian {
    /// `/etc/os-release` says it, and so does the BOOT-OK line.
    pub version: String,
    /// Further files.
    pub overlay: Overlay,
    /// Of the image.
    pub mebibytes: u64,
}

impl Debian {
    /// A system of this version.
    pub fn new(version: &str) -> Debian {
        Debian { version: version.to_owned(), overlay: Overlay::default(), mebibytes: MEBIBYTES }
    }

    /// The ext4 image.
    pub fn image(&self, kernel: &Kernel) -> Result<PathBuf> {
        let base = prepare(kernel)?;
        let files = self.files(&base)?.then(&self.overlay);
        let key = format!("{BASE}-{}", kernel.release);
        image::ext4("debian", self.mebibytes, &key, &files, |tree| {
            // Hard links: the overlay replaces files and never writes through them.
            run(as_root(program("cp"))?.arg("-al").arg(base.join(".")).arg(tree)).map(drop)
        })
    }

    fn files(&self, base: &Path) -> Result<Overlay> {
        let release = fs::read_to_string(base.join("usr/lib/os-release"))?;
        let shadow = fs::read_to_string(base.join("etc/shadow"))?;
        let shadow: Vec<String> = shadow.lines().map(without_root_password).collect();
        let units = "/etc/systemd/system";
        let mut files = Overlay::default()
            .file("/usr/lib/os-release", format!("{release}IMAGE_VERSION={}\n", self.version))
            .file("/etc/shadow", shadow.join("\n") + "\n")
            .file("/etc/fstab", FSTAB)
            .file("/etc/hostname", "everboot\n")
            // Without it the shell's answers on the serial line begin with escape sequences.
            .file("/etc/inputrc", "set enable-bracketed-paste off\n")
            // Empty, not absent: systemd makes one for this boot and mounts it over the file.
            .file("/etc/machine-id", "")
            .folder("/data")
            .folder("/var/lib/private")
            .file("/etc/systemd/journald.conf.d/everboot.conf", "[Journal]\nStorage=volatile\n")
            .file(&format!("{units}/boot-ok.service"), BOOT_OK)
            .link(&format!("{units}/multi-user.target.wants/boot-ok.service"), "../boot-ok.service")
            .file(&format!("{units}/serial-getty@ttyS0.service.d/autologin.conf"), AUTOLOGIN);
        for unit in MASKED {
            files = files.link(&format!("{units}/{unit}"), "/dev/null");
        }
        Ok(files)
    }
}

fn without_root_password(line: &str) -> String {
    match line.strip_prefix("root:").and_then(|rest| rest.split_once(':')) {
        Some((_, rest)) => format!("root::{rest}"),
        None => line.to_owned(),
    }
}

/// The base tree of all versions, made by mmdebstrap on the first run.
pub fn prepare(kernel: &Kernel) -> Result<PathBuf> {
    let _one_at_a_time = paths::lock("debian")?;
    let tree = paths::out(&format!("rootfs/debian-{BASE}-{}", kernel.release))?;
    if tree.exists() {
        return Ok(tree);
    }
    println!("rootfs: making Debian {SUITE} with mmdebstrap");
    let fresh = tree.with_extension("new");
    unpack(PACKAGES, &fresh)?;
    // A backup that only root may read, and that no machine needs.
    fs::remove_file(fresh.join("etc/shadow-"))?;
    add_modules(kernel, &fresh)?;
    fs::rename(&fresh, &tree).with_context(|| format!("name {}", tree.display()))?;
    Ok(tree)
}

/// Makes a folder a Debian with these packages beside the essential ones.
pub fn unpack(packages: &str, tree: &Path) -> Result<()> {
    unpack_with("essential", packages, &[], tree)
}

/// The same from another of mmdebstrap's variants, and with further words for it.
pub fn unpack_with(variant: &str, packages: &str, words: &[&str], tree: &Path) -> Result<()> {
    let tar = tree.with_added_extension("tar");
    run(&mut mmdebstrap(variant, packages, words, &tar))?;
    paths::remove_tree(tree)?;
    fs::create_dir_all(tree)?;
    // The virtual machine's devtmpfs brings /dev; device nodes need root here.
    let mut unpack = program("tar");
    unpack.args(["--extract", "--preserve-permissions", "--numeric-owner", "--exclude=./dev/*", "--file"]);
    unpack.arg(&tar).arg("--directory").arg(tree);
    run(&mut as_root(unpack)?)?;
    Ok(fs::remove_file(&tar)?)
}

fn mmdebstrap(variant: &str, packages: &str, words: &[&str], tar: &Path) -> Command {
    let mut command = program("mmdebstrap");
    command.arg("--quiet").arg(format!("--variant={variant}")).args(words);
    if !packages.is_empty() {
        command.arg(format!("--include={packages}"));
    }
    command.arg("--aptopt=Acquire::Languages \"none\"");
    for folder in ["doc", "man", "locale"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{folder}/*"));
    }
    command.arg(SUITE).arg(tar);
    command
}

/// Some modules of the virtual machines' kernel, where a system looks for them.
fn add_modules(kernel: &Kernel, tree: &Path) -> Result<()> {
    let folder = tree.join("usr/lib/modules").join(&kernel.release);
    for file in kernel.module_closure(MODULES)? {
        let to = folder.join(&file);
        fs::create_dir_all(to.parent().context("a module has a folder")?)?;
        fs::copy(kernel.modules().join(&file), &to)?;
    }
    for list in ["modules.builtin", "modules.builtin.modinfo", "modules.order"] {
        fs::copy(kernel.modules().join(list), folder.join(list))?;
    }
    run(program("depmod").arg("-b").arg(tree).arg(&kernel.release)).map(drop)
}
