//! `push`: a bundle into a registry, as an OCI artifact of one layer. The same bundle is the same artifact, whose
//! digest pins it.

use crate::source::Source;
use crate::sum::sum;
use anyhow::{Context, Result, ensure};
use everboot_core::slot::RootHash;
use everboot_registry::{ARTIFACT, LAYER, MANIFESTS, PIN, Registry, digest};
use everboot_storage::bundle::Bundle;
use futures_util::stream::unfold;
use oci_client::RegistryOperation;
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// An artifact without a configuration has this one.
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// Bytes that are sent at once.
const STEP: usize = 1 << 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The bundle
    bundle: PathBuf,
    /// Where it goes: oci:REGISTRY/NAME[:TAG]. What podman login or docker login has kept is used; a registry on this
    /// machine itself (127.0.0.1, localhost) is spoken to without TLS
    #[arg(value_name = "oci:NAME")]
    to: String,
}

/// Pushes it; prints the name that pins it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { bundle, to } = arguments;
    let named = || bundle.display().to_string();
    let name = to.strip_prefix("oci:").with_context(|| format!("{to}: expected oci:REGISTRY/NAME:TAG"))?;
    let registry = Registry::new(name).with_context(|| to.clone())?;
    ensure!(registry.name.digest().is_none(), "{to}: expected a tag, found a digest, which only shows later");
    let manifest = describe(bundle).with_context(named)?;
    registry
        .wait(registry.client.auth(&registry.name, &registry.auth, RegistryOperation::Push))
        .with_context(|| to.clone())?;
    push_blob(&registry, bundle, &manifest.layers[0]).with_context(|| format!("{to}: push {}", named()))?;
    let json = serde_json::to_vec(&manifest).context("the artifact's manifest")?;
    let pinned = digest(&json);
    let pushed = async {
        registry.client.push_blob(&registry.name, EMPTY, &manifest.config.digest).await?;
        registry.client.push_manifest_raw(&registry.name, json, MANIFESTS[1].parse()?).await?;
        anyhow::Ok(())
    };
    registry.wait(pushed).with_context(|| to.clone())?;
    println!("oci:{}/{}@{pinned}", registry.name.resolve_registry(), registry.name.repository());
    Ok(())
}

/// The manifest of the artifact.
fn describe(bundle: &Path) -> Result<OciImageManifest> {
    let opened = Bundle::open_untrusted(Source::open(bundle)?)?;
    let (sum, size) = sum(bundle)?;
    let blob = |media_type: &str, digest: String, size: u64| OciDescriptor {
        media_type: media_type.to_owned(),
        digest,
        size: size as i64,
        ..OciDescriptor::default()
    };
    let title = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let layer = OciDescriptor {
        annotations: Some(BTreeMap::from([
            text("org.opencontainers.image.title", &title),
            text(PIN, &RootHash(opened.signed().digest()).to_string()),
        ])),
        ..blob(LAYER, format!("sha256:{sum}"), size)
    };
    Ok(OciImageManifest {
        media_type: Some(MANIFESTS[1].to_owned()),
        artifact_type: Some(ARTIFACT.to_owned()),
        config: blob(EMPTY_TYPE, digest(EMPTY), EMPTY.len() as u64),
        layers: vec![layer],
        annotations: Some(BTreeMap::from([
            text("org.opencontainers.image.version", &opened.manifest().version),
            text("vnd.everboot.compatible", &opened.manifest().compatible),
        ])),
        ..OciImageManifest::default()
    })
}

fn push_blob(registry: &Registry, path: &Path, layer: &OciDescriptor) -> Result<()> {
    let file = File::open(path)?;
    let chunks = unfold(file, |mut file| async move {
        let mut chunk = vec![0; STEP];
        match file.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some((Ok(chunk.into()), file))
            }
            Err(error) => Some((Err(error.into()), file)),
        }
    });
    let (client, name) = (&registry.client, &registry.name);
    let pushed = async {
        if !client.blob_exists(name, &layer.digest).await? {
            client.push_blob_stream(name, chunks, &layer.digest, None).await?;
        }
        anyhow::Ok(())
    };
    registry.wait(pushed)
}
