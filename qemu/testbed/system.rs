//! What everboot needs in a root: the agent, the configuration, the key; and bundles of such roots.

use std::path::PathBuf;

use anyhow::Result;

use super::rootfs::{Debian, Mini};
use super::{Testbed, bundle};
use everboot_builder::overlay::Overlay;
use everboot_builder::{package, paths};
use everboot_core::format_versions;

/// Of a small root: busybox, the agent, and nearly nothing else.
const MINI_MEBIBYTES: u64 = 16;

/// What boot-complete.target asks here: everything was started, and nothing failed. systemd's own
/// systemd-boot-check-no-failures.service does the same, and needs D-Bus, which this Debian has not.
const CHECK: &str = "\
[Unit]
Description=Check that no unit failed
DefaultDependencies=no
After=multi-user.target
Before=boot-complete.target
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'test -z \"$(systemctl list-units --failed --no-legend)\"'
";

/// Agent, configuration and key, at the places where everboot looks for them.
pub fn agent(testbed: &Testbed) -> Overlay {
    Overlay::default()
        .host_file("/usr/bin/everboot", 0o755, &testbed.agent.everboot)
        .file(format_versions::PATH, format_versions::text())
        .host_file("/etc/everboot/everboot.conf", 0o644, &paths::repo().join("initramfs/everboot.conf"))
        .host_file("/etc/everboot/keys/everboot.pub", 0o644, &testbed.key.public)
        .folder("/mnt")
}

/// The same for a Debian, which confirms itself when it has come up without a failed unit.
pub fn debian_overlay(testbed: &Testbed) -> Overlay {
    let units = "/etc/systemd/system";
    agent(testbed)
        .host_file(&format!("{units}/everboot-confirm.service"), 0o644, &package::confirm_unit())
        .file(&format!("{units}/no-failures.service"), CHECK)
        .link(
            &format!("{units}/multi-user.target.wants/everboot-confirm.service"),
            "../everboot-confirm.service",
        )
        .link(&format!("{units}/boot-complete.target.requires/no-failures.service"), "../no-failures.service")
}

/// The bundle of a Debian with everboot, and further files.
pub fn debian(testbed: &Testbed, version: &str, more: &Overlay, words: &[&str]) -> Result<PathBuf> {
    let mut debian = Debian::new(version);
    debian.overlay = debian_overlay(testbed).then(more);
    bundle::pack(testbed, &debian.image(&testbed.kernel)?, version, words)
}

/// A small root with everboot, whose init says the version, then runs these lines of shell.
pub fn mini(testbed: &Testbed, version: &str, init: &str) -> Mini {
    let mut mini = Mini::new(version, &format!("echo UP {version}\n{init}"));
    mini.overlay = agent(testbed);
    mini.mebibytes = MINI_MEBIBYTES;
    mini
}

/// The bundle of a root that [`mini`] made.
pub fn pack(testbed: &Testbed, mini: &Mini, words: &[&str]) -> Result<PathBuf> {
    bundle::pack(testbed, &mini.image(&testbed.kernel)?, &mini.version, words)
}
