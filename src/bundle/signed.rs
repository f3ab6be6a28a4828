//! Who stands behind a manifest: minisign keys and signatures
//! (<https://jedisct1.github.io/minisign/#signature-format>).

use crate::manifest::{MANIFEST_MAX, Manifest, ManifestError};
use crate::slot::Digest;
use crate::tree::Hasher;
use minisign_verify::{Error as MinisignError, PublicKey, Signature};
use std::fmt;

/// The longest signature file, in bytes.
pub const SIGNATURE_MAX: usize = 1 << 10;
/// The most keys that a machine may trust.
pub const KEYS_MAX: usize = 16;

/// The public keys that a machine trusts.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<PublicKey>);

/// Why text gives no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// A line is no minisign public key.
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// The text has no key at all.
    None,
    /// More keys than [`KEYS_MAX`].
    TooMany,
}

/// A manifest's bytes and the signature over them, as found: nothing in it is to be believed before
/// [`Signed::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The bytes of `manifest.json`.
    pub manifest: Vec<u8>,
    /// The bytes of `manifest.json.minisig`.
    pub signature: Vec<u8>,
}

/// Why a manifest is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustError {
    /// More bytes than are read.
    TooLong {
        /// Of what: `manifest` or `signature`.
        what: &'static str,
        /// The most that is allowed, in bytes.
        limit: u64,
        /// How many there are.
        found: u64,
    },
    /// The signature's bytes are no minisign signature.
    NoSignature,
    /// The signature was made with a key that this machine does not trust.
    UnknownKey {
        /// How many keys it trusts.
        keys: usize,
    },
    /// The signature names a trusted key, and was not made with it for these bytes.
    Forged,
    /// Well signed, and no manifest that everboot can use.
    Manifest(ManifestError),
}

impl Keys {
    /// The keys in the text of a `.pub` file, or of several such files one after the other.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        keys.add(text)?;
        Ok(keys)
    }

    /// Adds the keys in the text of a `.pub` file. A key that is there already is not added again. After an
    /// error nothing was added.
    pub fn add(&mut self, text: &str) -> Result<(), KeyError> {
        let (mut all, mut any) = (self.0.clone(), false);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("untrusted comment:") {
                continue;
            }
            let key = PublicKey::from_base64(line).map_err(|_| KeyError::Line { line: number + 1 })?;
            any = true;
            if !all.contains(&key) {
                all.push(key);
            }
        }
        match (any, all.len()) {
            (false, _) => Err(KeyError::None),
            (true, count) if count > KEYS_MAX => Err(KeyError::TooMany),
            (true, _) => {
                self.0 = all;
                Ok(())
            }
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, and so nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Signed {
    /// SHA-256 of the manifest's bytes: tells one bundle from another, and proves nothing.
    pub fn digest(&self) -> Digest {
        Hasher::new(&[]).block(&self.manifest)
    }

    /// Checks the signature against the keys and parses the manifest out of the bytes that were checked.
    /// Both kinds of minisign signature are accepted, prehashed and legacy.
    pub fn verify(&self, keys: &Keys) -> Result<Manifest, TrustError> {
        within("manifest", self.manifest.len() as u64, MANIFEST_MAX)?;
        within("signature", self.signature.len() as u64, SIGNATURE_MAX)?;
        let text = std::str::from_utf8(&self.signature).map_err(|_| TrustError::NoSignature)?;
        let signature = Signature::decode(text).map_err(|_| TrustError::NoSignature)?;
        let mut verdict = Err(TrustError::UnknownKey { keys: keys.len() });
        for key in &keys.0 {
            match key.verify(&self.manifest, &signature, true) {
                Ok(()) => return Manifest::parse(&self.manifest).map_err(TrustError::Manifest),
                Err(MinisignError::UnexpectedKeyId) => {}
                // Key numbers are not unique: another key may still be the one.
                Err(_) => verdict = Err(TrustError::Forged),
            }
        }
        verdict
    }
}

pub(super) fn within(what: &'static str, found: u64, limit: usize) -> Result<(), TrustError> {
    let limit = limit as u64;
    if found > limit { Err(TrustError::TooLong { what, limit, found }) } else { Ok(()) }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line } => write!(f, "line {line}: expected a minisign public key"),
            Self::None => f.write_str("expected a minisign public key, found none"),
            Self::TooMany => write!(f, "expected at most {KEYS_MAX} keys"),
        }
    }
}

impl std::error::Error for KeyError {}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { what, limit, found } => {
                write!(f, "{what}: expected at most {limit} bytes, found {found}")
            }
            Self::NoSignature => f.write_str("signature: expected one made by minisign, found other bytes"),
            Self::UnknownKey { keys } => {
                write!(
                    f,
                    "signature: expected one by a trusted key (there are {keys}), found another's; see --config"
                )
            }
            Self::Forged => f.write_str("signature: it does not belong to this manifest"),
            Self::Manifest(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TrustError {}
