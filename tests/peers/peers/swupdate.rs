//! SWUpdate: a signed image, compressed by zstd, written as it is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::tool::Tool;
use super::{Task, certificate};
use everboot_builder::command::{program, run};

pub(super) const NAME: &str = "swupdate, signed";

const IMAGE: &str = "root.img.zst";
/// An archive in the form with checksums; its description comes first.
const ARCHIVE: &str =
    "printf '%s\\n' sw-description sw-description.sig root.img.zst | cpio -o -L -H crc > bench.swu";

struct Swupdate {
    folder: PathBuf,
    certificate: PathBuf,
}

pub(super) fn swupdate<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    let folder = task.folder("swupdate")?;
    let (key, certificate) = certificate(&folder)?;
    let image = folder.join(IMAGE);
    fs::hard_link(task.compressed, &image)?;
    let sum = run(program("sha256sum").arg(&image))?;
    let sum = sum.split_whitespace().next().context("sha256sum prints a sum")?;
    fs::write(folder.join("sw-description"), description(sum, &task.device()))?;
    let mut sign = program("openssl");
    sign.args(["cms", "-sign", "-outform", "DER", "-nosmimecap", "-binary"]);
    sign.arg("-in").arg(folder.join("sw-description")).arg("-out").arg(folder.join("sw-description.sig"));
    run(sign.arg("-signer").arg(&certificate).arg("-inkey").arg(&key))?;
    run(program("sh").current_dir(&folder).args(["-euc", ARCHIVE]))?;
    Ok(Box::new(Swupdate { folder, certificate }))
}

fn description(sum: &str, device: &str) -> String {
    format!(
        "software = {{ version = \"1\"; hardware-compatibility: [ \"1.0\" ]; images: ( {{
    filename = \"{IMAGE}\"; type = \"raw\"; device = \"{device}\"; compressed = \"zstd\";
    installed-directly = true; sha256 = \"{sum}\"; }} ); }}\n"
    )
}

impl Tool for Swupdate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steps(&self) -> Vec<Command> {
        let mut command = program("swupdate");
        command.args(["-H", "bench:1.0", "-k"]).arg(&self.certificate);
        command.arg("-i").arg(self.folder.join("bench.swu"));
        // Its sockets and what it unpacks.
        command.env("TMPDIR", &self.folder).env("RUNTIME_DIRECTORY", &self.folder);
        vec![command]
    }

    fn temp_dir(&self) -> &Path {
        &self.folder
    }
}
