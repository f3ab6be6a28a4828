//! The signing key of the test bed, made once per `out/`.

use std::path::PathBuf;

use anyhow::Result;

use super::command::{program, run};
use super::paths;

/// A minisign key pair without a password.
pub struct Key {
    /// Signs.
    pub secret: PathBuf,
    /// Goes into the initramfs and the images.
    pub public: PathBuf,
}

impl Key {
    /// The key that the initramfs trusts.
    pub fn prepare() -> Result<Key> {
        Key::named("everboot")
    }

    /// Any other one, for signatures that must be refused.
    pub fn named(name: &str) -> Result<Key> {
        let _one_at_a_time = paths::lock("keys")?;
        let secret = paths::out(&format!("keys/{name}.key"))?;
        let public = secret.with_extension("pub");
        if !(secret.exists() && public.exists()) {
            run(program("minisign").args(["-G", "-f", "-W", "-p"]).arg(&public).arg("-s").arg(&secret))?;
        }
        Ok(Key { secret, public })
    }
}
