//! Signing manifests as minisign does, for the tools that make bundles. No agent has it.
//!
//! The minisign crate makes and reads the keys. It mixes chance into its signatures; ours must be the same
//! for the same bytes, so the signature itself is made here: Ed25519 (RFC 8032) over the BLAKE2b-512 hash.

use blake2::{Blake2b512, Digest};
use ct_codecs::{Base64, Encoder};
use ed25519_compact::SecretKey;
use minisign::{KeyPair, PError, SecretKeyBox};

/// Place of the key number and the key in a minisign secret key's bytes.
const KEY_NUMBER: std::ops::Range<usize> = 54..62;
const KEY: std::ops::Range<usize> = 62..126;

/// A secret key that signs.
pub struct Signer {
    number: [u8; 8],
    key: SecretKey,
}

/// A new pair of keys, as the text of minisign's key files.
pub struct NewKeys {
    /// The secret key, not encrypted.
    pub secret: String,
    /// The public key.
    pub public: String,
}

impl NewKeys {
    /// Makes a new pair.
    pub fn generate() -> Result<Self, PError> {
        let pair = KeyPair::generate_unencrypted_keypair()?;
        let comment = Some("everboot-pack secret key, not encrypted");
        Ok(Self { secret: pair.sk.to_box(comment)?.into_string(), public: pair.pk.to_box()?.into_string() })
    }
}

impl Signer {
    /// Reads the text of a minisign secret key file. For an encrypted one the password is asked on the
    /// terminal.
    pub fn parse(text: &str) -> Result<Self, PError> {
        let boxed = || SecretKeyBox::from_string(text);
        let secret = match boxed()?.into_unencrypted_secret_key() {
            Ok(secret) => secret,
            Err(error) if error.to_string().contains("encrypted") => boxed()?.into_secret_key(None)?,
            Err(error) => return Err(error),
        };
        let (bytes, mut number, mut key) = (secret.to_bytes(), [0; 8], [0; 64]);
        number.copy_from_slice(&bytes[KEY_NUMBER]);
        key.copy_from_slice(&bytes[KEY]);
        Ok(Self { number, key: SecretKey::new(key) })
    }

    /// The text of a minisign signature file over `bytes`, of the prehashed kind. The trusted comment is one
    /// line.
    pub fn sign(&self, bytes: &[u8], trusted_comment: &str) -> Vec<u8> {
        let signature = self.key.sign(Blake2b512::digest(bytes), None);
        let global = self.key.sign([&signature[..], trusted_comment.as_bytes()].concat(), None);
        let first = base64(&[b"ED", &self.number[..], &signature[..]].concat());
        let second = base64(&global[..]);
        let comment = "untrusted comment: signature from everboot-pack";
        format!("{comment}\n{first}\ntrusted comment: {trusted_comment}\n{second}\n").into_bytes()
    }
}

fn base64(bytes: &[u8]) -> String {
    // Encoding into a string that grows cannot fail.
    Base64::encode_to_string(bytes).unwrap_or_default()
}
