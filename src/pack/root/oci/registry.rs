//! An image in a registry: manifests and blobs come over the network, and each is checked by its digest.

use super::super::temp_dir::TempDir;
use super::{Store, is_manifest};
use anyhow::{Context, Result};
use everboot_registry::{MANIFESTS, Registry};
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde::Deserialize;
use std::io::{Cursor, Read, Seek};

pub(crate) struct Remote<'a> {
    registry: Registry,
    temp_dir: &'a TempDir,
}

/// Distinguishes an index from a manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(name: &str, temp_dir: &'a TempDir) -> Result<Self> {
        Ok(Self { registry: Registry::new(name)?, temp_dir })
    }
}

impl Store for Remote<'_> {
    fn top(&self) -> Result<Descriptor> {
        let (bytes, digest) = self.registry.top()?;
        let kind: Kind =
            serde_json::from_slice(&bytes).context("expected an image's manifest or an index")?;
        let usual = if kind.manifests.is_some() { MANIFESTS[0] } else { MANIFESTS[1] };
        let media_type = MediaType::from(kind.media_type.as_deref().unwrap_or(usual));
        Ok(Descriptor::new(media_type, bytes.len() as u64, digest.parse::<Digest>()?))
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>> {
        let (registry, digest) = (&self.registry, blob.digest().to_string());
        let is_text =
            is_manifest(blob.media_type()) || MANIFESTS.contains(&blob.media_type().to_string().as_str());
        if is_text {
            return Ok(Box::new(Cursor::new(registry.manifest(&registry.name.clone_with_digest(digest))?)));
        }
        let mut file = self.temp_dir.file()?;
        let out = tokio::fs::File::from_std(file.try_clone()?);
        registry.sign_in();
        registry.wait(registry.client.pull_blob(&registry.name, digest.as_str(), out))?;
        file.rewind()?;
        Ok(Box::new(file))
    }
}
