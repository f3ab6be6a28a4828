//! The initramfs: an init, its configuration and keys, and the few kernel modules that it loads.
//!
//! Byte-identical for the same inputs: nothing of the build's time, place or user gets in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::agent::Agent;
use super::busybox;
use super::cpio::{Archive, Node};
use super::kernel::Kernel;
use super::paths;

/// What Debian's cloud kernel has as modules and a slot's disk or file system needs; each one costs boot time.
/// (ext4 and nvme are built in.)
const MODULES: &[&str] = &["virtio_blk", "virtio_pci"];

/// The list of modules for the init, one path a line, in load order.
const MODULE_LIST: &str = "etc/everboot/modules";

const LEVEL: i32 = 19;

/// Makes `out/initramfs.img`, with the agent as `/init`.
pub fn everboot(kernel: &Kernel, agent: &Path, public_keys: &[&Path]) -> Result<PathBuf> {
    let bytes = everboot_bytes(kernel, agent, public_keys)?;
    let path = paths::out("initramfs.img")?;
    paths::replace(&path, &bytes)?;
    Ok(path)
}

/// The bytes of the same.
pub fn everboot_bytes(kernel: &Kernel, agent: &Path, public_keys: &[&Path]) -> Result<Vec<u8>> {
    compress(&everboot_archive(kernel, agent, public_keys)?)
}

/// The same, before it is compressed.
pub fn everboot_archive(kernel: &Kernel, agent: &Path, public_keys: &[&Path]) -> Result<Archive> {
    let mut archive = base(kernel)?;
    archive.add("init", 0o755, Node::File(read(agent)?));
    // People and scripts call it by that name.
    archive.add("bin/everboot", 0o777, Node::Link("/init".into()));
    let configuration = paths::repo().join("initramfs/everboot.conf");
    if configuration.exists() {
        archive.add("etc/everboot/everboot.conf", 0o644, Node::File(read(&configuration)?));
    }
    for key in public_keys {
        let name = key.file_name().context("a key file has a name")?.to_string_lossy();
        archive.add(&format!("etc/everboot/keys/{name}"), 0o644, Node::File(read(key)?));
    }
    Ok(archive)
}

/// An initramfs whose init is this script, which finds busybox, `/everboot-init` and `/everboot`, a machine's settings,
/// and these drivers beside the usual ones.
pub fn scripted(
    kernel: &Kernel,
    agent: &Agent,
    settings: &Path,
    init: &str,
    drivers: &[&str],
) -> Result<Archive> {
    let mut archive = base(kernel)?;
    add_modules(&mut archive, kernel, drivers)?;
    archive.add("init", 0o755, Node::File(init.into()));
    archive.add("everboot-init", 0o755, Node::File(read(&agent.init)?));
    archive.add("everboot", 0o755, Node::File(read(&agent.everboot)?));
    archive.add("bin/busybox", 0o755, Node::File(read(&busybox::program()?)?));
    for name in files_in(settings)? {
        let bytes = read(&settings.join(&name))?;
        archive.add(&format!("etc/everboot/{name}"), 0o644, Node::File(bytes));
    }
    Ok(archive)
}

/// The files of a machine's settings, by their names below its folder.
fn files_in(settings: &Path) -> Result<Vec<String>> {
    let mut names = vec!["everboot.conf".to_owned()];
    for entry in fs::read_dir(settings.join("keys"))? {
        names.push(format!("keys/{}", entry?.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names)
}

/// What every initramfs of the test bed has, whatever its init: mount points, the console, modules.
pub fn base(kernel: &Kernel) -> Result<Archive> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "run", "sysroot", "etc/everboot/keys"] {
        archive.add(folder, 0o755, Node::Folder);
    }
    archive.add("dev/console", 0o600, Node::Device { major: 5, minor: 1 });
    archive.add("dev/null", 0o666, Node::Device { major: 1, minor: 3 });
    add_modules(&mut archive, kernel, &[])?;
    Ok(archive)
}

/// Adds the modules that every initramfs has and these, with the list of all of them.
pub fn add_modules(archive: &mut Archive, kernel: &Kernel, more: &[&str]) -> Result<()> {
    let mut list = String::new();
    for file in kernel.module_closure(&[MODULES, more].concat())? {
        let name = file.file_name().context("a module has a name")?.to_string_lossy();
        let path = format!("lib/modules/{name}");
        list.push_str(&format!("/{path}\n"));
        archive.add(&path, 0o644, Node::File(read(&kernel.modules().join(&file))?));
    }
    archive.add(MODULE_LIST, 0o644, Node::File(list.into_bytes()));
    Ok(())
}

/// As the kernel unpacks it.
pub fn compress(archive: &Archive) -> Result<Vec<u8>> {
    zstd::bulk::compress(&archive.to_bytes(), LEVEL).context("compress the initramfs")
}

/// Writes an initramfs that is this one with other files: what comes later takes the place of what came before.
pub fn write_with(initramfs: &Path, files: &Archive, to: &Path) -> Result<()> {
    let mut bytes = read(initramfs)?;
    // The kernel wants each archive to begin at a multiple of four.
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(files.to_bytes());
    fs::write(to, bytes).with_context(|| format!("write {}", to.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
