//! Debian's kernels, unpacked (not installed) under `out/`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::command::{program, run};
use super::paths;

/// The package that names today's kernel for virtual machines.
const CLOUD: &str = "linux-image-cloud-amd64";
/// The one that names the kernel for all machines.
const GENERIC: &str = "linux-image-amd64";

/// An unpacked kernel with its modules.
pub struct Kernel {
    /// As `uname -r` will say.
    pub release: String,
    /// What QEMU boots.
    pub vmlinuz: PathBuf,
    /// Modules are in `lib/modules/RELEASE` here.
    pub root: PathBuf,
}

impl Kernel {
    /// The kernel for virtual machines; downloads and unpacks it on the first run.
    pub fn prepare() -> Result<Kernel> {
        Kernel::unpacked(CLOUD, "kernel")
    }

    /// The same of the kernel for all machines, with the drivers of their hardware.
    pub fn generic() -> Result<Kernel> {
        Kernel::unpacked(GENERIC, "kernel-generic")
    }

    fn unpacked(meta: &str, folder: &str) -> Result<Kernel> {
        let _one_at_a_time = paths::lock("kernel")?;
        let root = paths::out(folder)?;
        // Its release is written last: a folder that has it is whole.
        let done = root.join("release");
        if !done.exists() {
            let release = fetch(meta, &root)?;
            fs::write(&done, release)?;
        }
        let release = fs::read_to_string(&done)?;
        let vmlinuz = root.join(format!("boot/vmlinuz-{release}"));
        Ok(Kernel { release, vmlinuz, root })
    }

    /// The folder of the modules.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// The files of these modules and of all that they depend on, each after what it needs.
    /// Paths are relative to `modules()`.
    pub fn module_closure(&self, names: &[&str]) -> Result<Vec<PathBuf>> {
        let index = self.modules().join("modules.dep");
        let text = fs::read_to_string(&index).with_context(|| format!("read {}", index.display()))?;
        closure(&text, names)
    }
}

/// What `modules.dep` says: a line is `file: dependencies`, the farthest dependency last.
fn closure(modules_dep: &str, names: &[&str]) -> Result<Vec<PathBuf>> {
    let lines: HashMap<String, (&str, &str)> = modules_dep
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(file, needs)| (module_name(file), (file, needs)))
        .collect();
    let mut files: Vec<PathBuf> = Vec::new();
    for name in names {
        let Some((file, needs)) = lines.get(&name.replace('-', "_")) else {
            bail!("this kernel has no module {name}");
        };
        for path in needs.split_whitespace().rev().chain([*file]).map(PathBuf::from) {
            if !files.contains(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn module_name(file: &str) -> String {
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

fn fetch(meta: &str, root: &Path) -> Result<String> {
    let package = newest_package(meta)?;
    let release = package.trim_start_matches("linux-image-").to_owned();
    println!("kernel: downloading Debian package {package}");
    paths::remove_tree(root)?;
    fs::create_dir_all(root)?;
    run(program("apt-get").args(["download", "-qq", &package]).current_dir(root))?;
    let deb = fs::read_dir(root)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("`apt-get download {package}` left no .deb"))?;
    run(program("dpkg-deb").arg("-x").arg(&deb).arg(root))?;
    fs::remove_file(&deb)?;
    // The package has no modules.dep: its installation would make it.
    run(program("depmod").arg("-b").arg(root).arg(&release))?;
    Ok(release)
}

fn newest_package(meta: &str) -> Result<String> {
    let dependency = || -> Result<Option<String>> {
        let text = run(program("apt-cache").args(["depends", meta]))?;
        let named = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(named.map(str::to_owned).find(|name| name.starts_with("linux-image-")))
    };
    if let Ok(Some(package)) = dependency() {
        return Ok(package);
    }
    // A fresh machine has no package lists yet.
    super::setup::update()?;
    dependency()?.with_context(|| format!("Debian package {meta} names no kernel"))
}
