//! For which kernels an image has modules: looked up in the image itself.

use crate::root::FileSystem;
use crate::root::tool::tool;
use anyhow::{Context, Result, anyhow, bail};
use backhand::{FilesystemReader, InnerNode};
use ext4_view::Ext4;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Where modules are; the second is the first in a system with a merged /usr.
const PLACES: [&str; 2] = ["/usr/lib/modules", "/lib/modules"];

/// What `--modules` asks for.
#[derive(Clone)]
pub(crate) enum Modules {
    /// Look into the image.
    Auto,
    /// The image needs none.
    None,
    /// These kernel releases.
    List(Vec<String>),
}

impl Modules {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            "" => Err("expected auto, none or kernel releases".into()),
            list => Ok(Self::List(list.split(',').map(str::to_owned).collect())),
        }
    }

    /// The releases for the manifest; `None` when the image needs no modules.
    pub(crate) fn resolve(&self, image: &Path) -> Result<Option<Vec<String>>> {
        match self {
            Self::None => Ok(None),
            Self::List(list) => Ok(Some(list.clone())),
            Self::Auto => find(image)
                .with_context(|| {
                    format!("look for kernel modules in {} (--modules names them)", image.display())
                })
                .map(|found| Some(found.into_iter().collect())),
        }
    }
}

/// The directories under the modules' places that have a `modules.dep`: others are remains.
fn find(image: &Path) -> Result<BTreeSet<String>> {
    match FileSystem::of(image)? {
        Some(FileSystem::Ext4) => ext4(image),
        Some(FileSystem::Squashfs) => squashfs(File::open(image)?),
        Some(FileSystem::Erofs) => erofs(image),
        None => bail!("expected an ext4, squashfs or erofs file system, found another one"),
    }
}

fn ext4(image: &Path) -> Result<BTreeSet<String>> {
    let fs = Ext4::load_from_path(image).map_err(|error| anyhow!("ext4: {error}"))?;
    let mut found = BTreeSet::new();
    for place in PLACES {
        if !fs.exists(place).map_err(|error| anyhow!("ext4: {place}: {error}"))? {
            continue;
        }
        for entry in fs.read_dir(place).map_err(|error| anyhow!("ext4: {place}: {error}"))? {
            let entry = entry.map_err(|error| anyhow!("ext4: {place}: {error}"))?;
            let Ok(name) = entry.file_name().as_str().map(str::to_owned) else { continue };
            let is_entry = name != "." && name != "..";
            if is_entry && fs.exists(format!("{place}/{name}/modules.dep").as_str()).unwrap_or(false) {
                found.insert(name);
            }
        }
    }
    Ok(found)
}

fn squashfs(file: File) -> Result<BTreeSet<String>> {
    let fs =
        FilesystemReader::from_reader(BufReader::new(file)).map_err(|error| anyhow!("squashfs: {error}"))?;
    let mut found = BTreeSet::new();
    for node in fs.files().filter(|node| matches!(node.inner, InnerNode::File(_))) {
        let below = PLACES.iter().find_map(|place| node.fullpath.strip_prefix(place).ok());
        let parts: Vec<_> = below.into_iter().flatten().filter_map(|part| part.to_str()).collect();
        if let [release, "modules.dep"] = parts[..] {
            found.insert(release.to_owned());
        }
    }
    Ok(found)
}

/// Through dump.erofs of erofs-utils, which ends with 0 also where the path is not there.
fn erofs(image: &Path) -> Result<BTreeSet<String>> {
    let dump = |path: &str, list: bool| -> Result<String> {
        let mut command = tool("dump.erofs", "erofs-utils")?;
        if list {
            command.arg("--ls");
        }
        let output = command.arg(format!("--path={path}")).arg(image).output();
        let output = output.context("run dump.erofs")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut found = BTreeSet::new();
    for place in PLACES {
        let listing = dump(place, true)?;
        let names = listing.lines().skip_while(|line| !line.trim_start().starts_with("NID TYPE")).skip(1);
        for name in names.filter_map(|line| line.split_whitespace().nth(2)) {
            let is_entry = name != "." && name != "..";
            if is_entry && dump(&format!("{place}/{name}/modules.dep"), false)?.contains("regular file") {
                found.insert(name.to_owned());
            }
        }
    }
    Ok(found)
}
