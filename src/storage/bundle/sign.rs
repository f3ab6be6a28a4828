//! Signing manifests as minisign does, for the tools that make bundles. No agent has it.
//!
//! The minisign crate makes and reads the keys. It mixes chance into its signatures; ours must be the same
//! for the same bytes, so the signature itself is made here: Ed25519 (RFC 8032) over the BLAKE2b-512 hash.

use super::ENDORSEMENT;
pub use super::signed::UNSIGNED;
use blake2::{Blake2b512, Digest};
use ct_codecs::{Base64, Decoder, Encoder};
use ed25519_compact::SecretKey;
use minisign::{ErrorKind, KeyPair, PError, SecretKeyBox};

/// Bytes of a minisign secret key, and the places of what matters in them.
const KEY_FILE: usize = 158;
const KDF: std::ops::Range<usize> = 2..4;
const CHECKSUM: std::ops::Range<usize> = 126..158;
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
        let bytes = secret_bytes(text)?;
        let (mut number, mut key) = ([0; 8], [0; 64]);
        number.copy_from_slice(&bytes[KEY_NUMBER]);
        key.copy_from_slice(&bytes[KEY]);
        Ok(Self { number, key: SecretKey::new(key) })
    }

    /// The number of the key.
    pub fn number(&self) -> [u8; 8] {
        self.number
    }

    /// The endorsement of the key in the text of a `.pub` file: that text, and the signature over it.
    pub fn endorse(&self, public: &str) -> Vec<u8> {
        [public.as_bytes(), &self.sign(public.as_bytes(), ENDORSEMENT)].concat()
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

/// The number of the key that an endorsement is for, and of the one that made it; absent when the text is none.
pub fn endorsement(text: &str) -> Option<[[u8; 8]; 2]> {
    let lines: Vec<&str> = text.lines().collect();
    let [_, key, _, signature, comment, _] = lines[..] else { return None };
    let is_one = comment.strip_prefix("trusted comment: ") == Some(ENDORSEMENT) && text.ends_with('\n');
    let number = |line| Base64::decode_to_vec(line, None).ok()?.get(2..10)?.try_into().ok();
    is_one.then_some([number(key)?, number(signature)?])
}

/// The bytes of a secret key, decrypted.
fn secret_bytes(text: &str) -> Result<Vec<u8>, PError> {
    let line = text.lines().nth(1).unwrap_or_default().trim();
    let bytes = Base64::decode_to_vec(line, None).unwrap_or_default();
    if bytes.len() != KEY_FILE {
        return Err(PError::new(ErrorKind::Io, "expected a minisign secret key"));
    }
    // minisign -W leaves the checksum of a key that is not encrypted empty, and asks for none.
    if bytes[KDF] == [0, 0] && bytes[CHECKSUM] == [0; 32] {
        return Ok(bytes);
    }
    let boxed = SecretKeyBox::from_string(text)?;
    let secret = match bytes[KDF] == [0, 0] {
        true => boxed.into_unencrypted_secret_key()?,
        false => boxed.into_secret_key(None)?,
    };
    Ok(secret.to_bytes())
}

fn base64(bytes: &[u8]) -> String {
    // Encoding into a string that grows cannot fail.
    Base64::encode_to_string(bytes).unwrap_or_default()
}
