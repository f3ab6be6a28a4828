//! A bundle in a registry: an OCI artifact whose one layer is the bundle's file.

use super::problem::{Problem, Result};
use super::remote::{Known, Remote, Reply, Rest};
use super::web::{broken_off, is_passing};
use anyhow::{Context, anyhow};
use everboot_core::slot::RootHash;
use everboot_core::verbs::Exit;
use everboot_registry::{LAYER, PIN, Registry};
use futures_util::StreamExt;
use oci_client::client::BlobResponse;
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OciDescriptor, OciImageManifest};

/// The layer of an artifact.
pub(crate) struct Blob {
    registry: Registry,
    layer: OciDescriptor,
    known: Known,
}

impl Blob {
    /// Asks what `REGISTRY/NAME[:TAG|@DIGEST]` is.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let named = || format!("oci:{name}");
        let registry = Registry::new(name).with_context(named)?;
        let (manifest, _) = registry.top().map_err(|error| check_digest(error).context(named()))?;
        let layer =
            layer(&manifest).map_err(|error| Problem::lasting(Exit::Untrusted, error).context(named()))?;
        registry.sign_in();
        let sum = layer.digest.strip_prefix("sha256:").and_then(|hex| RootHash::parse(hex).ok());
        let pin = annotation(&layer, PIN).and_then(|hex| RootHash::parse(hex).ok());
        let known = Known { sum, manifest: pin, len: u64::try_from(layer.size).ok() };
        if sum.is_none() {
            let text = format!("{}: expected a layer by its SHA-256, found {}", named(), layer.digest);
            return Err(Problem::lasting(Exit::Untrusted, anyhow!(text)));
        }
        Ok(Self { registry, layer, known })
    }

    /// Whether it is what a channel says that it is. What the channel pins the registry does not.
    pub(crate) fn check(&mut self, expected: &Known) -> Result<()> {
        let wrong = |expected: &dyn ToString, found: &dyn ToString| {
            let text = format!("expected {}, found {}", expected.to_string(), found.to_string());
            Err(Problem::lasting(Exit::Untrusted, anyhow!(text)).context(self.source()))
        };
        match (expected.sum, expected.len, self.known.len) {
            (Some(sum), ..) if Some(sum) != self.known.sum => {
                wrong(&format!("sha256:{sum}"), &self.layer.digest)
            }
            (_, Some(len), Some(found)) if len != found => wrong(&len, &found),
            (sum, ..) => {
                if sum.is_some() {
                    self.known.manifest = expected.manifest;
                }
                Ok(())
            }
        }
    }
}

fn annotation<'a>(layer: &'a OciDescriptor, name: &str) -> Option<&'a str> {
    layer.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The one layer of a bundle's manifest.
fn layer(manifest: &[u8]) -> anyhow::Result<OciDescriptor> {
    let manifest: OciImageManifest =
        serde_json::from_slice(manifest).context("expected the manifest of a bundle")?;
    match <[OciDescriptor; 1]>::try_from(manifest.layers) {
        Ok([layer]) if layer.media_type == LAYER => Ok(layer),
        Ok([layer]) => Err(anyhow!("expected a layer of {LAYER}, found {}", layer.media_type)),
        Err(layers) => Err(anyhow!("expected a bundle, which has one layer, found {} layers", layers.len())),
    }
}

impl Remote for Blob {
    fn source(&self) -> String {
        let name = &self.registry.name;
        format!("oci:{}/{}@{}", name.resolve_registry(), name.repository(), self.layer.digest)
    }

    fn known(&self) -> Known {
        self.known
    }

    fn ask(&mut self, rest: Option<&Rest>, len: Option<usize>) -> Result<Option<Reply<'_>>> {
        let (client, name, from) = (&self.registry.client, &self.registry.name, rest.map(|rest| rest.from));
        // A range from 0 on: so nobody but us compares the sum.
        let asked =
            client.pull_blob_stream_partial(name, &self.layer, from.unwrap_or(0), len.map(|len| len as u64));
        let reply = self.registry.wait(asked).map_err(|error| check_digest(error.into()))?;
        let (from, is_whole, mut stream) = match reply {
            BlobResponse::Full(stream) => (0, true, stream.stream),
            BlobResponse::Partial(stream) => (from.unwrap_or(0), false, stream.stream),
        };
        let registry = &self.registry;
        let body = move || match registry.wait(stream.next()) {
            Some(Ok(bytes)) => Ok(Some(bytes.to_vec())),
            Some(Err(error)) => Err(broken_off(error)),
            None => Ok(None),
        };
        Ok(Some(Reply { from, is_whole, total: self.known.len, validator: None, body: Box::new(body) }))
    }
}

/// Whether a registry may answer otherwise the next time.
fn check_digest(error: anyhow::Error) -> Problem {
    use OciDistributionError::{IoError, RequestError, ServerError};
    match error.downcast_ref() {
        Some(RequestError(_) | IoError(_)) => Problem::passing(error),
        Some(ServerError { code, .. }) if is_passing(*code) => Problem::passing(error),
        Some(OciDistributionError::DigestError(_)) | None => Problem::lasting(Exit::Untrusted, error),
        Some(_) => Problem::lasting(Exit::Failed, error),
    }
}
