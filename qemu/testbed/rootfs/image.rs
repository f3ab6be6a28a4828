//! ext4 images from folders, without mounting anything and without root.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use everboot_builder::command::{program, run};
use everboot_builder::overlay::{Overlay, TIME};
use everboot_builder::{paths, setup};

const BLOCK: usize = 4096;

/// Fixed, so that images of nearly equal trees are nearly equal.
const UUID: &str = "e5e7b007-0000-4000-8000-000000000001";

/// Makes (or finds, when it was made before) the image of a tree with an overlay.
/// `tree` fills an empty folder with the base, quickly; `key` names the base's content.
pub fn ext4(
    name: &str,
    mebibytes: u64,
    key: &str,
    overlay: &Overlay,
    tree: impl Fn(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let image = paths::out(&format!("images/{name}-{key}-{}-{mebibytes}.ext4", overlay.digest()?))?;
    let _one_at_a_time = paths::lock("images")?;
    if image.exists() {
        return Ok(image);
    }
    let work = paths::work(&format!("tree-{name}"))?;
    tree(&work)?;
    overlay.lay(&work)?;
    make(&work, mebibytes, &image)?;
    paths::remove_tree(&work)?;
    Ok(image)
}

/// An empty file system, such as a data partition starts with.
pub fn empty(mebibytes: u64) -> Result<PathBuf> {
    ext4("empty", mebibytes, "0", &Overlay::default(), |_| Ok(()))
}

/// A file whose every 16th block is not zero.
pub fn sparse(mebibytes: u64) -> Result<PathBuf> {
    let write = |file: &File| {
        (0..mebibytes << 20)
            .step_by(16 * BLOCK)
            .try_for_each(|at| file.write_all_at(&at.to_le_bytes().repeat(BLOCK / 8), at))
    };
    raw(&format!("sparse-{mebibytes}"), mebibytes, write)
}

/// A file in which one MiB is random, the same each time, and the next one zero.
pub fn half_random(mebibytes: u64) -> Result<PathBuf> {
    let write = |file: &File| {
        (0..mebibytes << 20).step_by(2 << 20).try_for_each(|at| {
            let hashes =
                (at..at + (1 << 20)).step_by(32).flat_map(|place| Sha256::digest(place.to_le_bytes()));
            file.write_all_at(&hashes.collect::<Vec<u8>>(), at)
        })
    };
    raw(&format!("half-random-{mebibytes}"), mebibytes, write)
}

/// A file that is no file system: made once, of holes and what is written.
fn raw(name: &str, mebibytes: u64, write: impl Fn(&File) -> std::io::Result<()>) -> Result<PathBuf> {
    let path = paths::out(&format!("images/{name}.bin"))?;
    if !path.exists() {
        let fresh = path.with_extension("new");
        let file = File::create(&fresh)?;
        file.set_len(mebibytes << 20)?;
        write(&file).with_context(|| format!("write {}", fresh.display()))?;
        fs::rename(&fresh, &path)?;
    }
    Ok(path)
}

fn make(tree: &Path, mebibytes: u64, image: &Path) -> Result<()> {
    let fresh = image.with_added_extension("new");
    File::create(&fresh)?.set_len(mebibytes << 20)?;
    let mut mke2fs = as_root(program("mke2fs"))?;
    mke2fs.env("E2FSPROGS_FAKE_TIME", TIME.as_secs().to_string());
    mke2fs.args(["-q", "-t", "ext4", "-b", "4096", "-m", "0", "-L", "root", "-U", UUID]);
    mke2fs.arg("-E").arg(format!("root_owner=0:0,hash_seed={UUID}"));
    run(mke2fs.arg("-d").arg(tree).arg(&fresh))?;
    fs::rename(&fresh, image).with_context(|| format!("name {}", image.display()))
}

/// The file that remembers owners and modes that only root could give.
fn fake_owners() -> Result<PathBuf> {
    paths::out("rootfs/owners.fakeroot")
}

/// Lets a command see a tree that belongs to root, whoever runs it.
pub fn as_root(command: Command) -> Result<Command> {
    if setup::is_root() {
        return Ok(command);
    }
    let owners = fake_owners()?;
    if !owners.exists() {
        fs::write(&owners, b"")?;
    }
    let mut fake = Command::new("fakeroot");
    fake.arg("-i").arg(&owners).arg("-s").arg(&owners).arg("--");
    fake.arg(command.get_program()).args(command.get_args());
    Ok(fake)
}
