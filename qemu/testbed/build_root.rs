//! A Debian in which the tools of distributions make initramfs images with everboot, which is installed there as
//! a person does it by hand: by copying files. The host gets nothing of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::rootfs::debian;
use super::rootfs::image::as_root;
use super::{Testbed, system};
use everboot_builder::command::{program, run};
use everboot_builder::overlay::Overlay;
use everboot_builder::{package, paths, setup};

const PACKAGES: &str = "systemd-sysv,udev,kmod,zstd,cpio,dracut-core,initramfs-tools";

/// Raised when the base tree's recipe changes.
const BASE: &str = "1";

/// What dracut takes from: `usr/lib/dracut/modules.d/90everboot`.
const DRACUT_MODULE: &str = "dracut-module/90everboot";

/// Runs the words after the tree inside it, as root or as its likeness, with the kernel's file systems in place.
/// The mounts are the process's own and end with it.
const INSIDE: &str = "for at in dev proc sys run; do mount --rbind /$at \"$0/$at\" || exit; done
exec chroot \"$0\" \"$@\"";

/// The build root.
pub struct BuildRoot {
    base: PathBuf,
    /// The kernel that the images are for.
    release: String,
    /// What is installed in it.
    pub installed: Overlay,
}

impl BuildRoot {
    /// The build root with everboot installed; made on the first run.
    pub fn prepare(testbed: &Testbed) -> Result<BuildRoot> {
        let release = testbed.kernel.release.clone();
        let base = prepare_base(testbed)?;
        let mut installed = system::agent(testbed).host_file(package::INIT, 0o755, &testbed.agent.init);
        for (from, to) in [
            (DRACUT_MODULE, "/usr/lib/dracut/modules.d/90everboot"),
            ("initramfs/initramfs-tools", "/etc/initramfs-tools"),
        ] {
            installed = installed.host_folder(to, &paths::repo().join(from))?;
        }
        Ok(BuildRoot { base, release, installed })
    }

    /// The build root before everboot was installed in it, and with these files.
    pub fn bare(testbed: &Testbed, files: Overlay) -> Result<BuildRoot> {
        Ok(BuildRoot {
            base: prepare_base(testbed)?,
            release: testbed.kernel.release.clone(),
            installed: files,
        })
    }

    /// What this shell script, whose only argument is the kernel's release, makes at `/boot/image`.
    pub fn script(&self, script: &str) -> Result<PathBuf> {
        self.make(&["sh", "-euc", script, "sh", &self.release], "boot/image")
    }

    /// The same with further files.
    pub fn with(mut self, more: &Overlay) -> BuildRoot {
        self.installed = self.installed.then(more);
        self
    }

    /// An image that dracut made with these further words.
    pub fn dracut(&self, words: &[&str]) -> Result<PathBuf> {
        let quick = ["dracut", "--quiet", "--no-early-microcode", "--compress", "zstd -3 -q -T0"];
        let image = ["--kver", &self.release, "/boot/image"];
        self.make(&[&quick[..], words, &image].concat(), "boot/image")
    }

    /// An image that update-initramfs made.
    pub fn update_initramfs(&self) -> Result<PathBuf> {
        let made = format!("boot/initrd.img-{}", self.release);
        self.make(&["update-initramfs", "-c", "-k", &self.release], &made)
    }

    /// Runs a command in a fresh copy of the build root, and takes out what it made; or finds it made before.
    fn make(&self, words: &[&str], made: &str) -> Result<PathBuf> {
        let mut hash = Sha256::new();
        hash.update(format!("{BASE} {} {} {words:?}", self.release, self.installed.digest()?));
        let digest: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let image = paths::out(&format!("initramfs/{}-{digest}.img", words[0]))?;
        let _one_at_a_time = paths::lock("workshop")?;
        if image.exists() {
            return Ok(image);
        }
        let tree = paths::work("workshop")?;
        // Hard links: the overlay replaces files, and so do the tools.
        run(program("cp").arg("-al").arg(self.base.join(".")).arg(&tree))?;
        self.installed.lay(&tree)?;
        run(inside(&tree).args(words))?;
        fs::copy(tree.join(made), image.with_added_extension("new"))?;
        fs::rename(image.with_added_extension("new"), &image)?;
        paths::remove_tree(&tree)?;
        Ok(image)
    }
}

/// A command that runs in this tree; the caller adds its words.
fn inside(tree: &Path) -> Command {
    let mut command = program("unshare");
    command.arg("--mount");
    if !setup::is_root() {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", INSIDE]).arg(tree);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TMPDIR", "/tmp");
    command
}

/// The base tree, made on the first run.
fn prepare_base(testbed: &Testbed) -> Result<PathBuf> {
    let release = &testbed.kernel.release;
    let _one_at_a_time = paths::lock("workshop")?;
    let tree = paths::out(&format!("rootfs/workshop-{BASE}-{release}"))?;
    if tree.exists() {
        return Ok(tree);
    }
    println!("rootfs: making a Debian with dracut and initramfs-tools");
    let fresh = tree.with_extension("new");
    debian::unpack(PACKAGES, &fresh)?;
    let kernel = &testbed.kernel.root;
    for folder in ["boot", "lib/modules"] {
        let to = fresh.join(folder);
        fs::create_dir_all(&to)?;
        run(as_root(program("cp"))?.arg("-al").arg(kernel.join(folder).join(".")).arg(&to))?;
    }
    fs::rename(&fresh, &tree).with_context(|| format!("name {}", tree.display()))?;
    Ok(tree)
}
