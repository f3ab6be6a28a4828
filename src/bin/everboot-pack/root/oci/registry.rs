//! An image in a registry: manifests and blobs come over the network, and nothing that comes is believed.

use super::super::scratch::Scratch;
use super::{Store, is_manifest};
use anyhow::{Context, Result, ensure};
use docker_credential::DockerCredential;
use everboot::slot::RootHash;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::io::{Cursor, Read, Seek};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// What a name may stand for.
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Registry<'a> {
    runtime: Runtime,
    client: Client,
    name: Reference,
    auth: RegistryAuth,
    scratch: &'a Scratch,
}

/// What tells an index from a manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

impl<'a> Registry<'a> {
    pub(crate) fn new(name: &str, scratch: &'a Scratch) -> Result<Self> {
        let name: Reference = name.parse().context("expected REGISTRY/NAME[:TAG|@DIGEST]")?;
        let host = name.resolve_registry();
        let plain = if is_here(host) { vec![host.to_owned()] } else { Vec::new() };
        // A second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(plain),
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            user_agent: concat!("everboot-pack/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).context("set up the registry client")?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let auth = auth(host);
        Ok(Self { runtime, client, name, auth, scratch })
    }

    fn manifest(&self, name: &Reference) -> Result<Vec<u8>> {
        let pulled = self.client.pull_manifest_raw(name, &self.auth, &ACCEPTED);
        let (bytes, _) = self.runtime.block_on(pulled)?;
        Ok(bytes.to_vec())
    }
}

impl Store for Registry<'_> {
    fn top(&self) -> Result<Descriptor> {
        let bytes = self.manifest(&self.name)?;
        let digest = format!("sha256:{}", RootHash(Sha256::digest(&bytes).into()));
        if let Some(wanted) = self.name.digest() {
            ensure!(wanted == digest, "expected {wanted}, found {digest}");
        }
        let kind: Kind =
            serde_json::from_slice(&bytes).context("expected an image's manifest or an index")?;
        let usual = if kind.manifests.is_some() { ACCEPTED[0] } else { ACCEPTED[1] };
        let media_type = MediaType::from(kind.media_type.as_deref().unwrap_or(usual));
        Ok(Descriptor::new(media_type, bytes.len() as u64, digest.parse::<Digest>()?))
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>> {
        let digest = blob.digest().to_string();
        let is_text =
            is_manifest(blob.media_type()) || ACCEPTED.contains(&blob.media_type().to_string().as_str());
        if is_text {
            return Ok(Box::new(Cursor::new(self.manifest(&self.name.clone_with_digest(digest))?)));
        }
        let mut file = self.scratch.file()?;
        let out = tokio::fs::File::from_std(file.try_clone()?);
        let pulled = async {
            self.client.store_auth_if_needed(self.name.resolve_registry(), &self.auth).await;
            self.client.pull_blob(&self.name, digest.as_str(), out).await
        };
        self.runtime.block_on(pulled)?;
        file.rewind()?;
        Ok(Box::new(file))
    }
}

/// A registry on this machine itself is spoken to without TLS, as docker does.
fn is_here(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// What `podman login` or `docker login` has kept; nothing is asked for.
fn auth(host: &str) -> RegistryAuth {
    let server = if host == "index.docker.io" { "https://index.docker.io/v1/" } else { host };
    let kept = docker_credential::get_podman_credential(server)
        .or_else(|_| docker_credential::get_credential(server));
    match kept {
        Ok(DockerCredential::UsernamePassword(user, password)) => RegistryAuth::Basic(user, password),
        _ => RegistryAuth::Anonymous,
    }
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for host in ["127.0.0.1:5000", "localhost:5000", "localhost", "[::1]:5000"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["127.0.0.1.example.org", "localhost.example.org:80", "example.org", "10.0.0.1:5000"] {
            assert!(!is_here(host), "{host}");
        }
    }
}
