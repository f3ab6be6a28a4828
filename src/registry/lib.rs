//! An image or a bundle in a registry, over the network: what the tools that read and write there have in common.
//! Neither `everboot` nor `everboot-init` has it. Nothing that comes is believed: a caller compares what it gets with a
//! digest.

use anyhow::{Context, Result, ensure};
use docker_credential::DockerCredential;
use everboot_core::slot::RootHash;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// What kind of artifact a bundle is in a registry.
pub const ARTIFACT: &str = "application/vnd.everboot.bundle.v1";
/// The kind of its one layer, which is the bundle's file.
pub const LAYER: &str = "application/vnd.everboot.bundle.v1+tar";
/// The annotation of that layer that says the SHA-256 of its manifest.
pub const PIN: &str = "vnd.everboot.manifest-sha256";
/// What a name may stand for.
pub const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// How long nothing may come.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// As whom the tools speak.
pub const USER_AGENT: &str = concat!("everboot/", env!("CARGO_PKG_VERSION"));

/// A name in a registry, and a client for it.
pub struct Registry {
    runtime: Runtime,
    /// The client.
    pub client: Client,
    /// The name.
    pub name: Reference,
    /// With what it signs in.
    pub auth: RegistryAuth,
}

impl Registry {
    /// For `REGISTRY/NAME[:TAG|@DIGEST]`. Nothing is sent yet.
    pub fn new(name: &str) -> Result<Self> {
        let name: Reference = name.parse().context("expected REGISTRY/NAME[:TAG|@DIGEST]")?;
        let host = name.resolve_registry();
        let plain = if is_here(host) { vec![host.to_owned()] } else { Vec::new() };
        use_ring();
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(plain),
            connect_timeout: Some(PATIENCE),
            read_timeout: Some(PATIENCE),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).context("set up the registry client")?;
        let auth = auth(host);
        Ok(Self { runtime: runtime()?, client, name, auth })
    }

    /// Waits for what the client does.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The client's requests for blobs ask for no credentials: they have to be there.
    pub fn sign_in(&self) {
        self.wait(self.client.store_auth_if_needed(self.name.resolve_registry(), &self.auth));
    }

    /// The manifest or index under a name.
    pub fn manifest(&self, name: &Reference) -> oci_client::errors::Result<Vec<u8>> {
        let (bytes, _) = self.wait(self.client.pull_manifest_raw(name, &self.auth, &MANIFESTS))?;
        Ok(bytes.to_vec())
    }

    /// The manifest or index under our name, and its digest, which is that of the name where it has one.
    pub fn top(&self) -> Result<(Vec<u8>, String)> {
        let bytes = self.manifest(&self.name)?;
        let digest = digest(&bytes);
        if let Some(wanted) = self.name.digest() {
            ensure!(wanted == digest, "expected {wanted}, found {digest}");
        }
        Ok((bytes, digest))
    }
}

/// How registries write the sum of these bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", RootHash(Sha256::digest(bytes).into()))
}

/// What a client runs on.
pub fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("set up the client")
}

/// Chooses the cryptography of TLS. A second time it is chosen already.
pub fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
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
