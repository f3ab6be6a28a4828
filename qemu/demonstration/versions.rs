//! The four versions of the demo's Debian, and the stick that brings their bundles.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sha2::{Digest, Sha256};

use everboot_builder::overlay::Overlay;
use everboot_builder::paths;
use everboot_testbed::machine::make_ext4;
use everboot_testbed::rootfs::Debian;
use everboot_testbed::{Testbed, bundle, system};

/// In the early boot of version 3 a driver crashes the kernel.
const CRASH: &str = "\
[Unit]
Description=Start the driver of version 3
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo c > /proc/sysrq-trigger'
";

/// New data of version 4, so that its apply has much to write.
const NEW_DATA: usize = 32 << 20;

/// What the demo installs.
pub(super) struct Versions {
    /// The bundle that the factory installs.
    pub(super) first: PathBuf,
    /// The image in version 4's bundle.
    pub(super) image4: PathBuf,
    /// A disk with `v2.everboot`, `v3.everboot` and `v4.everboot`.
    pub(super) stick: PathBuf,
}

impl Versions {
    /// Makes them, or finds them made.
    pub(super) fn prepare(testbed: &Testbed) -> Result<Versions> {
        let image4 = debian4(testbed).image(&testbed.kernel)?;
        let bundles = [
            ("v2", system::debian(testbed, "2", &Overlay::default(), &[])?),
            ("v3", system::debian(testbed, "3", &crash(), &["--tries", "2"])?),
            ("v4", bundle::pack(testbed, &image4, "4", &[])?),
        ];
        let first = system::debian(testbed, "1", &Overlay::default(), &[])?;
        Ok(Versions { first, image4, stick: stick(&bundles)? })
    }
}

fn crash() -> Overlay {
    let units = "/etc/systemd/system";
    Overlay::default()
        .file(&format!("{units}/driver.service"), CRASH)
        .link(&format!("{units}/sysinit.target.wants/driver.service"), "../driver.service")
}

fn debian4(testbed: &Testbed) -> Debian {
    let mut data = Vec::with_capacity(NEW_DATA);
    while data.len() < NEW_DATA {
        data.extend(Sha256::digest(data.len().to_le_bytes()));
    }
    let mut debian = Debian::new("4");
    debian.overlay = system::debian_overlay(testbed).file("/opt/new-data", data);
    debian
}

/// A small ext4 disk with the bundles, as a user's USB stick.
fn stick(bundles: &[(&str, PathBuf)]) -> Result<PathBuf> {
    let folder = paths::work("demo-stick")?;
    let mut bytes = 0;
    for (name, bundle) in bundles {
        bytes += fs::metadata(bundle)?.len();
        link_or_copy(bundle, &folder.join(format!("{name}.everboot")))?;
    }
    let image = paths::out("work/demo-stick.img")?;
    make_ext4(&folder, (bytes / 8 * 9 + (16 << 20)).next_multiple_of(1 << 20), &image)?;
    paths::remove_tree(&folder)?;
    Ok(image)
}

fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
    }
    Ok(())
}
