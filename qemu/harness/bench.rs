//! Times of a boot, and the hand-made init that everboot is compared with.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::build::replace;
use super::cpio::Node;
use super::disk::{Disk, Part};
use super::kernel::Kernel;
use super::rootfs::{Debian, Mini, mini};
use super::setup::{self, Level};
use super::{Drive, Guest, GuestOptions, initramfs, paths};

const LIMIT: Duration = Duration::from_secs(120);
const ROUNDS: usize = 5;

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

/// What the small root's init says as soon as it runs.
const ROOT_INIT: &str = "bench: init of the root runs";

/// An initramfs with a hand-made busybox init, otherwise like ours.
pub fn hand_made_initramfs(kernel: &Kernel) -> Result<PathBuf> {
    let mut archive = initramfs::base(kernel)?;
    archive.add("bin/busybox", 0o755, Node::File(std::fs::read(mini::busybox()?)?));
    archive.add("init", 0o755, Node::File(HAND_MADE_INIT.into()));
    let path = paths::out("hand-made.img")?;
    replace(&path, &initramfs::compress(&archive)?)?;
    Ok(path)
}

/// `bench boot`: from the kernel's start of /init to the root's init, and to a whole Debian.
pub fn boot() -> Result<()> {
    setup::prepare(Level::Bed)?;
    let kernel = Kernel::prepare()?;
    let initramfs = hand_made_initramfs(&kernel)?;
    let work = paths::work("bench-boot")?;

    let init = format!("echo '<1>{ROOT_INIT}' > /dev/kmsg\nexec busybox poweroff -f");
    let root = Mini::new("1", &init).image(&kernel)?;
    let part = Part { label: "root", size: 64, image: Some(&root) };
    let disk = Disk::create(&work.join("mini.img"), &[part])?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let mut options = GuestOptions::new(&work, &format!("mini{round}"), &kernel, &initramfs);
        options.loglevel = 7;
        options = options.drive(Drive::Snapshot(disk.path().into())).append("root=/dev/vda1");
        let output = Guest::start(&options)?.wait_exit(LIMIT)?;
        times.push(kernel_time(&output, ROOT_INIT)? - kernel_time(&output, "Run /init")?);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "/init to the root's init, hand-made: {:.3} s (median of {ROUNDS}: {times:.3?})",
        times[ROUNDS / 2]
    );

    let root = Debian::new("1").image(&kernel)?;
    let part = Part { label: "root", size: 400, image: Some(&root) };
    let disk = Disk::create(&work.join("debian.img"), &[part])?;
    let options = GuestOptions::new(&work, "debian", &kernel, &initramfs)
        .drive(Drive::Snapshot(disk.path().into()))
        .append("root=/dev/vda1");
    let mut guest = Guest::start(&options)?;
    let up = guest.wait_for("BOOT-OK 1", LIMIT)?;
    println!("power-on to Debian's BOOT-OK, hand-made: {:.1} s", up.as_secs_f64());
    Ok(())
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
