//! The tools that everboot is compared with, each as its own documentation has it used.

mod casync;
mod copy;
mod rauc;
mod swupdate;
mod zchunk;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::test_disk::TestDisk;
use super::tool::Tool;
use everboot_builder::command::{program, run};
use everboot_builder::paths;

/// What a peer is given.
pub(super) struct Task<'a> {
    pub(super) test_disk: &'a TestDisk,
    /// The image, in memory.
    pub(super) image: &'a Path,
    /// The same, compressed by zstd as everboot's image is.
    pub(super) compressed: &'a Path,
}

/// Makes of an image what a peer ships.
pub(super) type Maker = for<'a> fn(&Task<'a>) -> Result<Box<dyn Tool + 'a>>;

/// Name in the tables, the program it needs, and how it is made.
pub(super) const PEERS: &[(&str, &str, Maker)] = &[
    (copy::DD, "dd", copy::dd),
    (copy::ZSTD, "zstd", copy::zstd),
    (copy::BMAPTOOL, "bmaptool", copy::bmaptool),
    (swupdate::NAME, "swupdate", swupdate::swupdate),
    (rauc::NAME, "rauc", rauc::rauc),
    (casync::NAME, "casync", casync::casync),
    (zchunk::NAME, "unzck", zchunk::zchunk),
];

/// A peer that is installed, with what it ships; or why it is not there.
pub(super) fn make<'a>(program: &str, maker: Maker, task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    ensure!(paths::program(program).is_some(), "{program} is not installed");
    maker(task)
}

impl Task<'_> {
    /// A folder of the peer's own.
    fn folder(&self, peer: &str) -> Result<PathBuf> {
        let folder = self.test_disk.folder.join(peer);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// The slot's device.
    fn device(&self) -> String {
        self.test_disk.slot.path.to_string_lossy().into_owned()
    }
}

/// A key and its certificate, for signatures that are checked: `key.pem`, `cert.pem`.
fn certificate(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    let mut openssl = program("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bench"]);
    run(openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate))?;
    Ok((key, certificate))
}
