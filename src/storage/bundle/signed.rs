//! Who signed a manifest: minisign keys and signatures
//! (<https://jedisct1.github.io/minisign/#signature-format>).

use everboot_core::manifest::{MANIFEST_MAX, Manifest, ManifestError};
use everboot_core::slot::Digest;
use everboot_core::tree::Hasher;
use minisign_verify::{Error as MinisignError, PublicKey, Signature};
use std::fmt;

/// The longest signature file, endorsements included, in bytes.
pub const SIGNATURE_MAX: usize = 4 << 10;
/// The most keys that a machine may trust, and the most that it may have revoked.
pub const KEYS_MAX: usize = 16;
/// The most endorsements that are looked at behind a signature.
pub const ENDORSEMENTS_MAX: usize = 4;
/// The trusted comment of an endorsement: no other signature is one, whatever it is over.
pub const ENDORSEMENT: &str = "everboot endorses this key";
/// What a bundle without a signature has in its place.
pub const UNSIGNED: &[u8] = b"untrusted comment: not signed\n";

/// Lines of a signature, and of a public key.
const SIGNATURE_LINES: usize = 4;
const KEY_LINES: usize = 2;

/// Whom a machine believes: the public keys that it trusts, and those that it never will.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    trusted: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    insecure: bool,
    memo: Option<Memo>,
}

/// Whether somebody trusted stands behind a manifest.
pub type Verdict = Result<(), Doubt>;

/// Finds a verdict by checking the signature.
pub type Find = fn(&Signed, &Keys) -> Verdict;

/// Recalls the verdict about a signature, or has it found by the function that it is given. For a process that meets
/// the same few bundles millions of times; without one, each signature is checked whenever it is read.
#[derive(Debug, Clone, Copy)]
pub struct Memo(pub fn(&Signed, &Keys, Find) -> Verdict);

/// A memo changes no verdict: keys with one are the same keys.
impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}

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
/// [`Signed::verify`]. Behind the signature there may be endorsements: each a public key, and a signature over it by
/// another one, so that a machine which trusts only an older key comes to trust a newer one.
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
    /// The bundle was packed without a signature, and says so.
    Unsigned,
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

/// Why nobody trusted is known to stand behind some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// There is no signature that can be read.
    NoSignature,
    /// The signature names no trusted key.
    UnknownKey,
    /// The signature names a trusted key, and is not by it over these bytes.
    Forged,
}

impl Keys {
    /// The keys in the text of a `.pub` file, or of several such files one after the other.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        keys.add(text)?;
        Ok(keys)
    }

    /// Adds the keys in the text of a `.pub` file. A key that is there already is not added again, and one that is
    /// revoked never. After an error nothing was added.
    pub fn add(&mut self, text: &str) -> Result<(), KeyError> {
        read(text, &mut self.trusted)?;
        without(&self.revoked, &mut self.trusted);
        Ok(())
    }

    /// Revokes the keys in the text of a `.pub` file: none of them is trusted any more, whoever endorses it.
    pub fn revoke(&mut self, text: &str) -> Result<(), KeyError> {
        read(text, &mut self.revoked)?;
        without(&self.revoked, &mut self.trusted);
        Ok(())
    }

    /// Lets verdicts be recalled instead of found again.
    pub fn recall_with(&mut self, memo: Memo) {
        self.memo = Some(memo);
    }

    /// Has [`Signed::accept`] take what no trusted key has signed.
    pub fn allow_insecure(&mut self) {
        self.insecure = true;
    }

    /// Whether it does.
    pub fn allows_insecure(&self) -> bool {
        self.insecure
    }

    /// How many keys are trusted.
    pub fn len(&self) -> usize {
        self.trusted.len()
    }

    /// Whether there is none, and so nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Checks the signature of what is no manifest, such as the list of a channel, as that of a manifest is checked.
    pub fn check(&self, bytes: &[u8], signature: &[u8]) -> Result<(), TrustError> {
        let text = std::str::from_utf8(signature).map_err(|_| TrustError::NoSignature)?;
        self.vouch(bytes, text, ENDORSEMENTS_MAX).map_err(|doubt| match doubt {
            Doubt::NoSignature => TrustError::NoSignature,
            Doubt::UnknownKey => TrustError::UnknownKey { keys: self.len() },
            Doubt::Forged => TrustError::Forged,
        })
    }

    /// Whether somebody trusted stands behind these bytes: who made the signature at the beginning of the text, or
    /// who endorses that key in what follows, with at most so many endorsements.
    fn vouch(&self, bytes: &[u8], text: &str, endorsements: usize) -> Result<(), Doubt> {
        let signature = Signature::decode(text).map_err(|_| Doubt::NoSignature)?;
        if endorsements < ENDORSEMENTS_MAX && signature.trusted_comment() != ENDORSEMENT {
            return Err(Doubt::NoSignature);
        }
        let verdict = made_by(&signature, bytes, &self.trusted);
        if verdict.is_ok() || endorsements == 0 {
            return verdict;
        }
        let (key, behind) = split(split(text, SIGNATURE_LINES).1, KEY_LINES);
        let mut keys = Vec::new();
        let _ = read(key, &mut keys);
        without(&self.revoked, &mut keys);
        let is_endorsed = made_by(&signature, bytes, &keys).is_ok()
            && self.vouch(key.as_bytes(), behind, endorsements - 1).is_ok();
        if is_endorsed { Ok(()) } else { verdict }
    }
}

/// Takes the revoked keys out of these.
fn without(revoked: &[PublicKey], keys: &mut Vec<PublicKey>) {
    keys.retain(|key| !revoked.contains(key));
}

/// The first so many lines of a text, and the rest.
fn split(text: &str, lines: usize) -> (&str, &str) {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    text.split_at(ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(text.len()))
}

/// Adds the keys in a text to those that are there.
fn read(text: &str, keys: &mut Vec<PublicKey>) -> Result<(), KeyError> {
    let (mut all, mut any) = (keys.clone(), false);
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
            *keys = all;
            Ok(())
        }
    }
}

/// Whether one of the keys has made the signature over these bytes. Both kinds are accepted, prehashed and legacy.
fn made_by(signature: &Signature, bytes: &[u8], keys: &[PublicKey]) -> Result<(), Doubt> {
    let mut verdict = Err(Doubt::UnknownKey);
    for key in keys {
        match key.verify(bytes, signature, true) {
            Ok(()) => return Ok(()),
            Err(MinisignError::UnexpectedKeyId) => {}
            // Key numbers are not unique: another key may still be the one.
            Err(_) => verdict = Err(Doubt::Forged),
        }
    }
    verdict
}

impl Signed {
    /// SHA-256 of the manifest's bytes: identifies a bundle, and proves nothing.
    pub fn digest(&self) -> Digest {
        Hasher::new(&[]).block(&self.manifest)
    }

    /// Whether somebody stands behind the manifest.
    fn vouched(&self, keys: &Keys) -> Result<(), Doubt> {
        let text = std::str::from_utf8(&self.signature).map_err(|_| Doubt::NoSignature)?;
        keys.vouch(&self.manifest, text, ENDORSEMENTS_MAX)
    }

    /// Checks the signature against the trusted keys, and those that they endorse behind it, and parses the manifest
    /// out of the bytes that were checked.
    pub fn verify(&self, keys: &Keys) -> Result<Manifest, TrustError> {
        self.accept(keys, false)
    }

    /// The same; but with `insecure`, and where the keys allow it, also a manifest that nobody signed, or somebody
    /// unknown. Such a one says so, and its floor binds nobody.
    pub fn accept(&self, keys: &Keys, insecure: bool) -> Result<Manifest, TrustError> {
        within("manifest", self.manifest.len() as u64, MANIFEST_MAX)?;
        within("signature", self.signature.len() as u64, SIGNATURE_MAX)?;
        let verdict = match &keys.memo {
            Some(Memo(recall)) => recall(self, keys, Self::vouched),
            None => self.vouched(keys),
        };
        let insecure = match verdict {
            Ok(()) => false,
            Err(Doubt::Forged) => return Err(TrustError::Forged),
            Err(_) if insecure && keys.insecure => true,
            Err(Doubt::NoSignature) if self.signature == UNSIGNED => return Err(TrustError::Unsigned),
            Err(Doubt::NoSignature) => return Err(TrustError::NoSignature),
            Err(Doubt::UnknownKey) => return Err(TrustError::UnknownKey { keys: keys.len() }),
        };
        let mut manifest = Manifest::parse(&self.manifest).map_err(TrustError::Manifest)?;
        manifest.insecure = insecure;
        if insecure {
            manifest.floor.clear();
        }
        Ok(manifest)
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
            Self::Unsigned => f.write_str(
                "signature: the bundle has none; `--insecure` takes it where everboot.conf says `insecure = yes`",
            ),
            Self::NoSignature => f.write_str("signature: expected one made by minisign"),
            Self::UnknownKey { keys } => {
                write!(
                    f,
                    "signature: not by a trusted key (there are {keys}); if you know who signed it, add that key to keys/, or see --config"
                )
            }
            Self::Forged => f.write_str("signature: it does not belong to this manifest"),
            Self::Manifest(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TrustError {}
