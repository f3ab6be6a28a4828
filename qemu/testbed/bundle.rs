//! Bundles, made by `everboot-pack` once per content.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use everboot_agent::machine::Access;
use everboot_agent::sys::FileMedium;
use everboot_storage::bundle::Bundle;
use everboot_storage::bundle::sign::Signer;
use everboot_storage::bundle::write::{member, member_len};

use super::Testbed;
use everboot_builder::command::run;
use everboot_builder::paths;

/// The machine type of the test bed, as `initramfs/everboot.conf` says it.
pub const COMPATIBLE: &str = "demo-x86_64";

/// Fast rather than small: bundles of the test bed do not travel far.
pub const LEVEL: &str = "3";

/// Packs an image that is named after its content, as those of `rootfs` are.
pub fn pack(testbed: &Testbed, image: &Path, version: &str, words: &[&str]) -> Result<PathBuf> {
    pack_for(COMPATIBLE, testbed, image, version, words)
}

/// The same for a machine of another type.
pub fn pack_for(
    compatible: &str,
    testbed: &Testbed,
    image: &Path,
    version: &str,
    words: &[&str],
) -> Result<PathBuf> {
    let packer = testbed.tool("everboot-pack")?;
    let name = image.file_stem().context("an image has a name")?.to_string_lossy();
    let mut hash = Sha256::new();
    hash.update(fs::read(packer)?);
    hash.update(fs::read(&testbed.key.public)?);
    hash.update(format!("{compatible} {version} {words:?}"));
    let digest: String = hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let bundle = paths::out(&format!("bundles/{name}-{version}-{digest}.everboot"))?;
    let _one_at_a_time = paths::lock("bundles")?;
    if !bundle.exists() {
        let mut command = Command::new(packer);
        command.arg("image").arg(image).arg("-o").arg(&bundle);
        command.args(["--version", version, "--compatible", compatible, "--level", LEVEL]);
        run(command.arg("--key").arg(&testbed.key.secret).args(words))?;
    }
    Ok(bundle)
}

/// Writes a copy of a bundle whose manifest the test bed's key has signed, in place of another's.
pub fn signed_anew(testbed: &Testbed, from: &Path, to: &Path) -> Result<()> {
    let opened = Bundle::open_untrusted(FileMedium::open(from, Access::Read)?)?;
    let signed = opened.signed();
    let key = Signer::parse(&fs::read_to_string(&testbed.key.secret)?).context("read the test bed's key")?;
    let head = member_len(signed.manifest.len() as u64) + member_len(signed.signature.len() as u64);
    let all = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    let rest = all.get(usize::try_from(head)?..).context("a bundle has more than its manifest")?;
    let signature = key.sign(&signed.manifest, "everboot's test bed");
    let head = [member("manifest.json", &signed.manifest), member("manifest.json.minisig", &signature)];
    fs::write(to, [&head.concat()[..], rest].concat()).with_context(|| format!("write {}", to.display()))
}
