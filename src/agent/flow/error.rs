//! Why a verb failed.

use everboot_core::decide::ApplyFault;
use everboot_core::lifecycle::{Blocked, Refusal, Unfit};
use everboot_core::quoted::Quoted;
use everboot_core::slot::SlotName;
use everboot_storage::{apply, bundle, medium, store};
use std::fmt;
use std::io::ErrorKind;

/// Why a verb failed. Whatever it was, nothing that was good before is lost.
#[derive(Debug)]
pub enum Error {
    /// The record cannot be read or may not be written; the text says why and what to do.
    Record(String),
    /// There is a record that can be read, and nobody forced that it be replaced.
    RecordExists,
    /// There is no configuration that can be used.
    NotConfigured,
    /// The record could not be saved.
    Save(store::SaveError),
    /// The verb does not apply in this state.
    Refused(Refusal),
    /// The image does not fit the machine.
    Unfit(Unfit),
    /// The bundle is not there, damaged, or not signed by a trusted key.
    Bundle(bundle::Error),
    /// Writing or verifying a slot failed.
    Apply(apply::Error),
    /// The staging area failed.
    Staging(medium::Error),
    /// The staging area has too little room.
    NoSpace {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        found: u64,
    },
    /// A slot's medium failed.
    Slot(SlotName, medium::Error),
    /// The partition of a slot is not there.
    SlotMissing(SlotName),
    /// There is no slot of that name; the text lists those that are.
    NoSuchSlot(String, String),
    /// The slot has no trailer, and the record names no image: it was filled by other means.
    WithoutTree(SlotName),
    /// The record names the slot's image, and the slot has no trailer of a trusted key.
    TrailerLost(SlotName),
    /// The bundle holds another image than the slot.
    OtherImage,
    /// The staged bundle is not the one that was recorded.
    Exchanged,
    /// The running system is not in the slot that the record names.
    WrongRoot(SlotName),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(why) => write!(f, "record: {why}"),
            Self::RecordExists => f.write_str(
                "refused: there is a record already; `record repair` repairs a damaged copy, --force makes a new one",
            ),
            Self::NotConfigured => Blocked::NotConfigured.fmt(f),
            Self::Save(error) => error.fmt(f),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Unfit(why) => write!(f, "refused: {why}"),
            Self::Bundle(error) => write!(f, "bundle: {error}"),
            Self::Apply(error) => error.fmt(f),
            Self::Staging(error) => write!(f, "staging area: {error}"),
            Self::NoSpace { needed, found } => {
                write!(f, "staging area: {needed} bytes are needed, {found} are free; remove files there")
            }
            Self::Slot(name, error) => write!(f, "{name}: {error}"),
            Self::SlotMissing(name) => Blocked::SlotMissing(name.clone()).fmt(f),
            Self::NoSuchSlot(name, known) => write!(f, "no slot {}; there are {known}", Quoted(name)),
            Self::WithoutTree(name) => {
                write!(f, "{name}: it was filled by other means, and has no tree to check it by")
            }
            Self::TrailerLost(name) => write!(
                f,
                "{name}: its trailer is damaged, gone, or signed by no trusted key; `verify` and `repair` need it: \
                 install an image; if this is the default slot, reboot first"
            ),
            Self::OtherImage => f.write_str("bundle: it holds another image than the slot"),
            Self::Exchanged => {
                f.write_str("the bundle in the staging area is not the one in the record; stage it again")
            }
            Self::WrongRoot(name) => {
                write!(f, "the record says that {name} was booted, but another partition is the root; \
                 reboot through everboot")
            }
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// How an early apply that ended so has failed: whether another start may end otherwise.
    pub(super) fn apply_fault(&self) -> ApplyFault {
        match self {
            Self::Bundle(error) | Self::Apply(apply::Error::Bundle(error)) => of_bundle(error),
            Self::Save(_)
            | Self::Staging(_)
            | Self::Slot(..)
            | Self::SlotMissing(_)
            | Self::Apply(apply::Error::Target(_) | apply::Error::ReadBack { .. }) => ApplyFault::Device,
            _ => ApplyFault::Image,
        }
    }
}

/// A bundle that ends too early is damaged, although it is the read that says so.
fn of_bundle(error: &bundle::Error) -> ApplyFault {
    match error {
        bundle::Error::Medium(error) if error.source.kind() != ErrorKind::UnexpectedEof => ApplyFault::Device,
        _ => ApplyFault::Image,
    }
}

impl From<Refusal> for Error {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

/// Each reason with the kind of error that it is for every other verb, and so with its exit code.
impl From<Blocked> for Error {
    fn from(why: Blocked) -> Self {
        match why {
            Blocked::NotConfigured => Self::NotConfigured,
            Blocked::Record(trouble) => Self::Record(trouble.to_string()),
            Blocked::SlotMissing(name) => Self::SlotMissing(name),
            why => Self::Refused(why.into()),
        }
    }
}

impl From<Unfit> for Error {
    fn from(why: Unfit) -> Self {
        Self::Unfit(why)
    }
}

impl From<bundle::Error> for Error {
    fn from(error: bundle::Error) -> Self {
        Self::Bundle(error)
    }
}

impl From<apply::Error> for Error {
    fn from(error: apply::Error) -> Self {
        Self::Apply(error)
    }
}

impl From<store::SaveError> for Error {
    fn from(error: store::SaveError) -> Self {
        Self::Save(error)
    }
}
