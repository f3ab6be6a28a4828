//! OCI images: which one is meant, and its layers, one over the other.
//!
//! A blob is used when its length and its sum are what the one that names it says, a layer when its unpacked sum
//! is what the configuration says: until then it is bytes in a file.

mod files;
mod layout;
mod location;
mod platform;
#[cfg(feature = "registry")]
mod registry;

use super::member;
use super::spool::{Spooled, spool_and_sum};
use super::temp_dir::TempDir;
use super::tree::Tree;
use anyhow::{Context, Result, bail, ensure};
use everboot_core::slot::RootHash;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType};
use sha2::{Digest, Sha256};
use std::io::Read;

pub(crate) use location::Location;
pub(crate) use platform::Platform;

/// What registries take for an index or a manifest at most.
const TEXT_MAX: u64 = 4 << 20;
/// Indices in one another.
const NESTED_MAX: usize = 4;

/// Where the blobs of an image are.
trait Store {
    /// The index or the manifest that is meant.
    fn top(&self) -> Result<Descriptor>;
    /// What it has under this name, unproven.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>>;
}

/// The files of an image.
pub(crate) fn tree(place: &Location, platform: Option<&Platform>, temp_dir: &TempDir) -> Result<Tree> {
    let store: Box<dyn Store> = match place {
        Location::DockerArchive(path, name) => return layout::docker(path, name.as_deref(), temp_dir),
        Location::Folder(path, name) => Box::new(layout::Layout::folder(path, name.as_deref())),
        Location::Archive(path, name) => Box::new(layout::Layout::archive(path, name.as_deref(), temp_dir)?),
        #[cfg(feature = "registry")]
        Location::Registry(name) => Box::new(registry::Remote::new(name, temp_dir)?),
        #[cfg(not(feature = "registry"))]
        Location::Registry(name) => bail!(
            "this everboot-pack was built without the feature registry; skopeo copy docker://{name} oci:DIR, \
            and oci:DIR will do"
        ),
    };
    let manifest = manifest(&*store, platform)?;
    let config = text(&*store, manifest.config()).context("the image's configuration")?;
    let config = ImageConfiguration::from_reader(&config[..])
        .context("expected the configuration of a container image, found something else")?;
    check_platform(&config, platform)?;
    let (layers, diff_ids) = (manifest.layers(), config.rootfs().diff_ids());
    ensure!(
        layers.len() == diff_ids.len(),
        "expected as many layers as the configuration has, {}, found {}",
        diff_ids.len(),
        layers.len()
    );
    let mut tree = Tree::new();
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let named = || format!("layer {}", layer.digest());
        let is_tar = layer.media_type().to_string().contains("tar");
        ensure!(is_tar, "{}: expected a tar, found {}", named(), layer.media_type());
        let packed = spool_and_sum(store.open(layer).with_context(named)?, temp_dir).with_context(named)?;
        check_blob(layer, &packed).with_context(named)?;
        lay(&mut tree, &packed, diff_id).with_context(named)?;
    }
    Ok(tree)
}

/// Lays a layer that is what the configuration says over the others.
fn lay(tree: &mut Tree, layer: &Spooled, diff_id: &str) -> Result<()> {
    let found = format!("sha256:{}", RootHash(layer.digest));
    ensure!(found == *diff_id, "unpacked, expected {diff_id}, found {found}");
    tree.add_layer(member::entries(&layer.file)?)
}

fn check_blob(blob: &Descriptor, found: &Spooled) -> Result<()> {
    let len = found.packed_len;
    ensure!(len == blob.size(), "expected {} bytes, found {len}", blob.size());
    let digest = format!("sha256:{}", RootHash(found.packed_digest));
    ensure!(digest == blob.digest().to_string(), "expected {}, found {digest}", blob.digest());
    Ok(())
}

/// A blob that is read as a whole, proven.
fn text(store: &dyn Store, blob: &Descriptor) -> Result<Vec<u8>> {
    let named = || blob.digest().to_string();
    ensure!(blob.size() <= TEXT_MAX, "{}: expected at most {TEXT_MAX} bytes, found {}", named(), blob.size());
    let mut text = Vec::new();
    store.open(blob).with_context(named)?.take(TEXT_MAX + 1).read_to_end(&mut text).with_context(named)?;
    ensure!(
        text.len() as u64 == blob.size(),
        "{}: expected {} bytes, found {}",
        named(),
        blob.size(),
        text.len()
    );
    let found = format!("sha256:{}", RootHash(Sha256::digest(&text).into()));
    ensure!(found == named(), "expected {}, found {found}", named());
    Ok(text)
}

/// The manifest of the image for a platform.
fn manifest(store: &dyn Store, platform: Option<&Platform>) -> Result<ImageManifest> {
    let mut found = store.top()?;
    for _ in 0..NESTED_MAX {
        let bytes = text(store, &found)?;
        if is_manifest(found.media_type()) {
            return ImageManifest::from_reader(&bytes[..]).context("expected an image's manifest");
        }
        let index = ImageIndex::from_reader(&bytes[..]).context("expected an index of images")?;
        let wanted = platform.cloned().unwrap_or_else(Platform::this);
        found = wanted.choose(index.manifests())?.clone();
    }
    bail!("expected at most {NESTED_MAX} indices in one another")
}

fn is_manifest(media_type: &MediaType) -> bool {
    let text = media_type.to_string();
    *media_type == MediaType::ImageManifest || text == "application/vnd.docker.distribution.manifest.v2+json"
}

/// What was asked for is compared also where there was nothing to choose.
fn check_platform(config: &ImageConfiguration, platform: Option<&Platform>) -> Result<()> {
    let Some(wanted) = platform else { return Ok(()) };
    let found = format!("{}/{}", config.os(), config.architecture());
    ensure!(wanted.is(&found), "expected an image for {wanted}, found one for {found}");
    Ok(())
}
