//! Images in files: the layout of OCI, and the archives that `docker save` writes.

use super::super::spool::spool_and_sum;
use super::super::temp_dir::TempDir;
use super::super::tree::Tree;
use super::files::Files;
use super::{Store, TEXT_MAX, lay};
use anyhow::{Context, Result, bail, ensure};
use everboot_core::slot::RootHash;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;

/// Under which an index in a layout keeps the names of its images.
const NAME: &str = "org.opencontainers.image.ref.name";

pub(crate) struct Layout {
    files: Files,
    name: Option<String>,
}

impl Layout {
    pub(crate) fn folder(path: &Path, name: Option<&str>) -> Self {
        Self { files: Files::Folder(path.to_owned()), name: name.map(str::to_owned) }
    }

    pub(crate) fn archive(path: &Path, name: Option<&str>, temp_dir: &TempDir) -> Result<Self> {
        Ok(Self { files: Files::archive(path, temp_dir)?, name: name.map(str::to_owned) })
    }
}

impl Store for Layout {
    fn top(&self) -> Result<Descriptor> {
        let index = ImageIndex::from_reader(&read(&self.files, "index.json")?[..]);
        let index = index.context("index.json: expected an index of images")?;
        let name = |image: &Descriptor| image.annotations().as_ref().and_then(|all| all.get(NAME).cloned());
        let known = || index.manifests().iter().filter_map(name).collect::<Vec<_>>().join(", ");
        match (&self.name, &index.manifests()[..]) {
            (Some(wanted), all) => {
                let found = all.iter().find(|image| name(image).as_ref() == Some(wanted));
                found.cloned().with_context(|| format!("expected an image {wanted:?}, found {}", known()))
            }
            (None, [only]) => Ok(only.clone()),
            (None, all) => bail!("expected one image or a name, found {} images: {}", all.len(), known()),
        }
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>> {
        self.files.open(&format!("blobs/sha256/{}", hex(blob.digest().as_ref())?))
    }
}

/// The digits of a digest: they become a file's name.
fn hex(digest: &str) -> Result<&str> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| RootHash::parse(hex).is_ok());
    hex.with_context(|| format!("expected a digest sha256:..., found {digest:?}"))
}

fn read(files: &Files, name: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    files.open(name)?.take(TEXT_MAX + 1).read_to_end(&mut text).with_context(|| name.to_owned())?;
    ensure!(text.len() as u64 <= TEXT_MAX, "{name}: expected at most {TEXT_MAX} bytes");
    Ok(text)
}

/// One image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The files of an image that `docker save` wrote. Only its configuration names sums, those of unpacked layers.
pub(crate) fn docker(path: &Path, name: Option<&str>, temp_dir: &TempDir) -> Result<Tree> {
    let files = Files::archive(path, temp_dir)?;
    let images: Vec<Saved> = serde_json::from_slice(&read(&files, "manifest.json")?)
        .context("manifest.json: expected a list of images")?;
    let has = |image: &&Saved, name: &str| image.repo_tags.iter().flatten().any(|tag| tag == name);
    let image = match (name, &images[..]) {
        (Some(name), all) => all.iter().find(|image| has(image, name)),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let image = image.with_context(|| {
        let known: Vec<_> =
            images.iter().filter_map(|image| image.repo_tags.as_ref()).flatten().cloned().collect();
        format!("expected one image or a name, found {} images: {}", images.len(), known.join(", "))
    })?;
    let config = ImageConfiguration::from_reader(&read(&files, &image.config)?[..])
        .with_context(|| format!("{}: expected the configuration of a container image", image.config))?;
    let diff_ids = config.rootfs().diff_ids();
    ensure!(
        image.layers.len() == diff_ids.len(),
        "expected as many layers as the configuration has, {}, found {}",
        diff_ids.len(),
        image.layers.len()
    );
    let mut tree = Tree::new();
    for (layer, diff_id) in image.layers.iter().zip(diff_ids) {
        let named = || format!("layer {layer}");
        let packed = spool_and_sum(files.open(layer).with_context(named)?, temp_dir).with_context(named)?;
        lay(&mut tree, &packed, diff_id).with_context(named)?;
    }
    Ok(tree)
}
