//! Why a bundle could not be used.

use super::TrustError;
use crate::medium;
use everboot_core::manifest::ManifestError;
use everboot_core::slot::RootHash;
use everboot_core::tree::TreeError;
use std::fmt;

/// Why a bundle could not be used: what failed on what.
#[derive(Debug)]
pub enum Error {
    /// The medium that holds it could not be read.
    Medium(medium::Error),
    /// Its manifest is not signed by a key that this machine trusts, or says what no manifest may say.
    Trust(TrustError),
    /// The archive has another member at this place.
    Member {
        /// Name of the member that belongs there.
        expected: String,
        /// Name of the one that is there.
        found: String,
    },
    /// The header of an archive member is damaged.
    Header {
        /// Byte offset of the header in the bundle.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A number that can have only one right value has another; or a limit is passed.
    Number {
        /// Which number.
        what: &'static str,
        /// The right value, or the limit.
        expected: u64,
        /// The value that was found.
        found: u64,
    },
    /// Something that this everboot cannot read, though it may be sound.
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// The tree's superblock is not the one that belongs to the manifest.
    Superblock,
    /// A tree block has not the hash that its parent names.
    WrongTree {
        /// Byte offset in the tree.
        offset: u64,
    },
    /// A block of the image has not the hash that the tree names.
    WrongBlock {
        /// Its number in the image.
        block: u64,
    },
    /// The recipe of a group of a delta is damaged.
    Recipe {
        /// Its number.
        group: u64,
    },
    /// A delta needs an image that no slot of this machine has.
    Source {
        /// Its root hash.
        root: RootHash,
    },
    /// With what the slots of this machine hold, a group of a delta does not become what it must.
    WrongSource {
        /// Its number.
        group: u64,
    },
    /// A delta describes another image than its manifest.
    WrongRoot,
    /// Compressed blocks are damaged.
    Frame {
        /// The number of their frame or group.
        frame: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The kinds of failure that are dealt with in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The medium failed; it says nothing about the bundle.
    Io,
    /// No key that this machine trusts signed the bundle.
    Refused,
    /// The bytes are not what was signed, or no bundle.
    Corrupt,
    /// A format or feature that this everboot does not know.
    Unsupported,
}

impl Error {
    /// Which kind of failure it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Medium(_) => Fault::Io,
            Self::Trust(TrustError::Manifest(
                ManifestError::Format { .. } | ManifestError::Kind { .. } | ManifestError::Critical { .. },
            ))
            | Self::Unsupported { .. } => Fault::Unsupported,
            Self::Trust(_) => Fault::Refused,
            _ => Fault::Corrupt,
        }
    }
}

impl From<medium::Error> for Error {
    fn from(error: medium::Error) -> Self {
        Self::Medium(error)
    }
}

impl From<TrustError> for Error {
    fn from(error: TrustError) -> Self {
        Self::Trust(error)
    }
}

impl From<TreeError<medium::Error>> for Error {
    fn from(error: TreeError<medium::Error>) -> Self {
        match error {
            TreeError::Fetch(error) => Self::Medium(error),
            TreeError::Mismatch { offset } => Self::WrongTree { offset },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Medium(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Member { expected, found } => {
                write!(f, "archive: expected member {expected}, found {found}")
            }
            Self::Header { at, what } => write!(f, "archive: header at byte {at}: {what}"),
            Self::Number { what, expected, found } => write!(f, "{what}: expected {expected}, found {found}"),
            Self::Unsupported { what } => write!(f, "unsupported: {what}"),
            Self::Superblock => f.write_str("tree: the superblock is not the one of the signed root hash"),
            Self::WrongTree { offset } => {
                write!(f, "tree: the block at byte {offset} does not have the expected hash")
            }
            Self::WrongBlock { block } => write!(f, "image: block {block} does not have the expected hash"),
            Self::Recipe { group } => write!(f, "delta: group {group} is damaged"),
            Self::Source { root } => {
                write!(
                    f,
                    "delta: it needs the image with root hash {root}, which no slot holds; use the whole bundle"
                )
            }
            Self::WrongSource { group } => {
                write!(
                    f,
                    "delta: the blocks of a slot that group {group} needs have changed; use the whole bundle"
                )
            }
            Self::WrongRoot => f.write_str("delta: it does not make the signed image"),
            Self::Frame { frame, what } => write!(f, "image: frame {frame}: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Medium(error) => Some(error),
            Self::Trust(error) => Some(error),
            _ => None,
        }
    }
}
