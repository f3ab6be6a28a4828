//! Bundles, made by `everboot-pack` once per content.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::command::run;
use super::{Bed, paths};

/// The machine type of the test bed, as `initramfs/everboot.conf` says it.
pub const COMPATIBLE: &str = "demo-x86_64";

/// Fast rather than small: bundles of the test bed do not travel far.
const LEVEL: &str = "3";

/// Packs an image that is named after its content, as those of `rootfs` are.
pub fn pack(bed: &Bed, image: &Path, version: &str, words: &[&str]) -> Result<PathBuf> {
    let packer = bed.tool("everboot-pack")?;
    let name = image.file_stem().context("an image has a name")?.to_string_lossy();
    let mut hash = Sha256::new();
    hash.update(fs::read(packer)?);
    hash.update(fs::read(&bed.key.public)?);
    hash.update(format!("{version} {words:?}"));
    let digest: String = hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let bundle = paths::out(&format!("bundles/{name}-{version}-{digest}.everboot"))?;
    let _one_at_a_time = paths::lock("bundles")?;
    if !bundle.exists() {
        let mut command = Command::new(packer);
        command.arg("image").arg(image).arg("-o").arg(&bundle);
        command.args(["--version", version, "--compatible", COMPATIBLE, "--level", LEVEL]);
        run(command.arg("--key").arg(&bed.key.secret).args(words))?;
    }
    Ok(bundle)
}
