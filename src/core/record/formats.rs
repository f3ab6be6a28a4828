//! Which formats of the record an agent reads and writes: a value, so that one process can hold an old and a new agent.

use super::Record;
use crate::format_versions::RECORD;
use core::fmt;

/// The formats of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats {
    /// The newest format version that it reads. It saves a record in the version in which it was read.
    pub newest: u16,
    /// Kinds of critical extensions that it understands.
    pub extensions: &'static [u16],
}

impl Formats {
    /// The first format version. A record that is made anew has it, because every agent on the machine reads it.
    pub const FIRST: u16 = RECORD.written;
    /// Those of this everboot.
    pub const CURRENT: Self = Self { newest: RECORD.newest, extensions: &[] };

    /// The first critical extension of a record that is not understood.
    pub(super) fn unknown_in(&self, record: &Record) -> Option<Unread> {
        let mut critical = record.extensions.iter().filter(|extension| extension.is_critical);
        let unknown = critical.find(|extension| !self.extensions.contains(&extension.kind));
        unknown.map(|extension| Unread::Extension(extension.kind))
    }
}

/// What an agent does not know of a sound copy, so that it saves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unread {
    /// Its format version.
    Version(u16),
    /// A critical extension of this kind.
    Extension(u16),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => {
                write!(
                    f,
                    "format version {version}, and this everboot knows up to {}",
                    Formats::CURRENT.newest
                )
            }
            Self::Extension(kind) => {
                write!(f, "this everboot does not know its critical extension {kind}")
            }
        }?;
        f.write_str(": a newer one wrote it; use that one, this one saves nothing")
    }
}
