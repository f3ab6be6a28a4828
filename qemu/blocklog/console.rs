//! The initramfs of a recording, and the shell that it leads to.
//!
//! The agent decides, applies and mounts in it as in the initramfs of a distribution;
//! in place of the init of the root that it chose a shell is started there, whatever that root is.

use super::subject::Subject;
use anyhow::{Context, Result};
use everboot_builder::cpio::Node;
use everboot_builder::initramfs;
use everboot_testbed::Testbed;
use everboot_testbed::vm::PROMPT;
use std::fs;
use std::path::Path;

/// What is said when there is no root to go to.
pub const STUCK: &str = "CANNOT GO ON";
/// Where a second disk may be mounted.
pub const STICK: &str = "/run/campaign/stick";

/// `/run` goes over into the root, whatever that is, and with it all that the shell needs.
const INIT: &str = "\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
while read -r module; do insmod \"$module\"; done < /etc/everboot/modules
/everboot-init boot --sysroot /sysroot || { echo CANNOT GO ON; sleep 99999; }
cp -r /campaign /run/campaign
cp -r /etc/everboot /run/campaign/etc
cp /bin/busybox /everboot /run/campaign
mkdir /run/campaign/bin /run/campaign/stick
for at in dev proc sys run; do mount --move /$at /sysroot/$at; done
exec switch_root /sysroot /run/campaign/init
";
/// The agent, with the machine's settings.
const VERBS: &str = "\
#!/run/campaign/busybox sh
exec /run/campaign/everboot --config /run/campaign/etc \"$@\"
";

/// The first process of the root.
fn shell() -> String {
    format!(
        "\
#!/run/campaign/busybox sh
export PATH=/run/campaign/verbs:/run/campaign/bin PS1='{PROMPT}'
/run/campaign/busybox --install -s /run/campaign/bin
sh -i
poweroff -f
"
    )
}

/// Makes it.
pub fn initramfs(testbed: &Testbed, subject: &Subject, path: &Path) -> Result<()> {
    let settings = &subject.settings;
    let mut archive =
        initramfs::scripted(&testbed.kernel, &testbed.agent, settings, INIT, subject.drivers())?;
    archive.add("campaign/init", 0o755, Node::File(shell().into()));
    archive.add("campaign/verbs/everboot", 0o755, Node::File(VERBS.into()));
    fs::write(path, archive.to_bytes()).with_context(|| format!("write {}", path.display()))
}
