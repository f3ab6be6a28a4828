//! A tree as files in a folder, for tools that need it so: as root, or with fakeroot in its place.

use super::entry::ATTRIBUTE;
use super::stream;
use super::temp_dir::TempDir;
use super::tool::{gathered, run_on, tool};
use super::tree::Tree;
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Where the tree is unpacked.
pub(crate) fn folder(temp_dir: &TempDir) -> PathBuf {
    temp_dir.path("tree")
}

/// All in one shell: fakeroot forgets owners between one call and the next. Attributes come when all owners are
/// there: Linux takes capabilities away with an owner, and fakeroot loses the kind of a file that has none yet.
const SCRIPT: &str = r#"cd "$1"; shift
tar --extract --file=- --preserve-permissions --same-owner --numeric-owner --warning=no-timestamp
[ ! -s ../attributes ] || setfattr --no-dereference --restore=../attributes
cd ..
exec "$@""#;

/// Unpacks the tree and runs a program on it.
pub(crate) fn unpacked(tree: &Tree, latest: u32, temp_dir: &TempDir, mkfs: &Command) -> Result<()> {
    fs::create_dir(folder(temp_dir))?;
    tool("tar", "tar")?;
    let attributes = attributes(tree)?;
    if !attributes.is_empty() {
        tool("setfattr", "attr")?;
    }
    fs::write(temp_dir.path("attributes"), attributes)?;
    let mut command = as_root()?;
    command.args(["sh", "-euc", SCRIPT, "sh"]).arg(folder(temp_dir));
    command.arg(mkfs.get_program()).args(mkfs.get_args());
    for (name, value) in mkfs.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    run_on(&mut command, temp_dir, |stdin| stream::write(tree, latest, gathered(stdin)))
}

/// What runs a program as root: nothing for root, and for who has called fakeroot already.
fn as_root() -> Result<Command> {
    if rustix::process::geteuid().is_root() || std::env::var_os("FAKEROOTKEY").is_some() {
        return tool("env", "coreutils");
    }
    let Ok(mut fakeroot) = tool("fakeroot", "fakeroot") else {
        bail!("owners and devices take root, or fakeroot: install it, or choose --fs squashfs");
    };
    fakeroot.arg("--");
    Ok(fakeroot)
}

/// All extended attributes, as setfattr reads them.
fn attributes(tree: &Tree) -> Result<String> {
    let mut text = String::new();
    tree.visit(&mut |visit| {
        let all = &visit.node.meta.attributes;
        if all.is_empty() || visit.link.is_some() {
            return Ok(());
        }
        let path = if visit.path.is_empty() { b"." } else { visit.path };
        writeln!(text, "# file: {}", quoted(path)?)?;
        for (key, value) in all {
            write!(text, "{}=0x", quoted(key.trim_start_matches(ATTRIBUTE).as_bytes())?)?;
            value.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
            text.push('\n');
        }
        text.push('\n');
        Ok(())
    })
    .context("extended attributes")?;
    Ok(text)
}

/// What might be taken for something else comes as three octal digits.
fn quoted(name: &[u8]) -> Result<String> {
    let mut text = String::new();
    for byte in name {
        match byte {
            b'\\' | b'=' | 0..=b' ' | 127.. => write!(text, "\\{byte:03o}")?,
            _ => text.push(char::from(*byte)),
        }
    }
    Ok(text)
}
