//! The hand-made init that everboot is compared with, and the kernel's own times.

use std::path::PathBuf;

use anyhow::{Context, Result};

use everboot_builder::busybox;
use everboot_builder::cpio::Node;
use everboot_builder::kernel::Kernel;

use everboot_builder::{initramfs, paths};

/// What a person writes who needs an initramfs today: loads the modules, mounts the root
/// partition that `root=` names, switches to it. It decides nothing.
const HAND_MADE_INIT: &str = "\
#!/bin/busybox sh
export PATH=/bin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t tmpfs run /run
while read -r module; do busybox insmod \"$module\"; done < /etc/everboot/modules
for word in $(busybox cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done
while [ ! -b \"$root\" ]; do busybox sleep 0.05; done
busybox mount -t ext4 -o ro,noload \"$root\" /sysroot
for folder in dev proc sys run; do busybox mount --move /$folder /sysroot/$folder; done
exec busybox switch_root /sysroot /sbin/init
";

/// An initramfs with a hand-made busybox init, otherwise like ours.
pub fn hand_made_initramfs(kernel: &Kernel) -> Result<PathBuf> {
    let mut archive = initramfs::base(kernel)?;
    archive.add("bin/busybox", 0o755, Node::File(std::fs::read(busybox::program()?)?));
    archive.add("init", 0o755, Node::File(HAND_MADE_INIT.into()));
    let path = paths::out("hand-made.img")?;
    paths::replace(&path, &initramfs::compress(&archive)?)?;
    Ok(path)
}

/// The kernel's own time of a message, in seconds: `[    1.234567] ...`.
pub fn kernel_time(output: &str, message: &str) -> Result<f64> {
    let line = output
        .lines()
        .find(|line| line.contains(message))
        .with_context(|| format!("the kernel never said `{message}`"))?;
    let stamp = line.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let (stamp, _) = stamp.with_context(|| format!("no time in `{line}`"))?;
    stamp.trim().parse().with_context(|| format!("no time in `{line}`"))
}
