//! Two Debians, one an update of the other, in three file systems: what a delta is made of.
//!
//! The first is bookworm as it was released last; the second has what its updates and its security archive brought
//! since, and two packages more. Made once per `out/`, from the mirrors of that day.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use everboot_testbed::rootfs::{debian, image};

use everboot_builder::command::{program, run};
use everboot_builder::overlay::Overlay;
use everboot_builder::overlay::TIME;
use everboot_builder::paths;

/// Raised when a recipe changes.
const KEY: &str = "1";
/// Takes either tree.
const MEBIBYTES: u64 = 320;
const UUID: &str = "e5e7b007-0000-4000-8000-000000000002";
const MORE: &str = "curl,openssh-client";

/// Keeps apt from what came after the release; nothing of it stays in the tree.
const AS_RELEASED: [&str; 2] = [
    r#"--setup-hook=mkdir -p "$1/etc/apt/preferences.d"; for archive in updates security; do
        printf 'Package: *\nPin: release n=bookworm-%s\nPin-Priority: -1\n\n' $archive
    done > "$1/etc/apt/preferences.d/as-released""#,
    r#"--customize-hook=rm "$1/etc/apt/preferences.d/as-released""#,
];

/// The same system before and after an update, in one file system.
pub(super) struct Pair {
    pub(super) format: &'static str,
    pub(super) old: PathBuf,
    pub(super) new: PathBuf,
}

/// One for each file system.
pub(super) fn prepare() -> Result<Vec<Pair>> {
    let old = tree("old", "", &AS_RELEASED)?;
    let new = tree("new", MORE, &[])?;
    let pair = |format, make: fn(&Path, &str) -> Result<PathBuf>| -> Result<Pair> {
        Ok(Pair { format, old: make(&old, "old")?, new: make(&new, "new")? })
    };
    Ok(vec![pair("ext4", ext4)?, pair("erofs", erofs)?, pair("squashfs, zstd", squashfs)?])
}

fn tree(name: &str, packages: &str, words: &[&str]) -> Result<PathBuf> {
    let tree = paths::out(&format!("rootfs/pair-{KEY}-{name}"))?;
    if !tree.exists() {
        println!("bench: making a Debian with mmdebstrap, {name}");
        let fresh = tree.with_extension("new");
        debian::unpack_with("minbase", packages, words, &fresh)?;
        fs::rename(&fresh, &tree).with_context(|| format!("name {}", tree.display()))?;
    }
    Ok(tree)
}

fn ext4(tree: &Path, name: &str) -> Result<PathBuf> {
    image::ext4(&format!("pair-{name}"), MEBIBYTES, KEY, &Overlay::default(), |work| {
        run(program("cp").arg("-al").arg(tree.join(".")).arg(work)).map(drop)
    })
}

fn erofs(tree: &Path, name: &str) -> Result<PathBuf> {
    once(&format!("pair-{name}-{KEY}.erofs"), |fresh| {
        let time = format!("-T{}", TIME.as_secs());
        run(program("mkfs.erofs").args([&time, &format!("-U{UUID}")]).arg(fresh).arg(tree)).map(drop)
    })
}

fn squashfs(tree: &Path, name: &str) -> Result<PathBuf> {
    once(&format!("pair-{name}-{KEY}.squashfs"), |fresh| {
        let mut make = program("mksquashfs");
        make.arg(tree).arg(fresh).args(["-quiet", "-no-progress", "-noappend", "-comp", "zstd"]);
        run(make.args(["-mkfs-time", &TIME.as_secs().to_string()])).map(drop)
    })
}

fn once(name: &str, make: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let path = paths::out(&format!("images/{name}"))?;
    if !path.exists() {
        let fresh = path.with_added_extension("new");
        // What an interrupted run left; mkfs.erofs refuses nothing, mksquashfs would append.
        let _ = fs::remove_file(&fresh);
        make(&fresh)?;
        fs::rename(&fresh, &path)?;
    }
    Ok(path)
}
