//! Why the record cannot be used as it is.

use crate::record::Unread;
use crate::slot::Uuid;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What stands between the record and its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordFault {
    /// No partition for it.
    NoPartition,
    /// Several disks have one, and nothing says which is meant.
    Ambiguous(Vec<String>),
    /// Only disks that can be taken out have one, and the machine is locked and does not name it by its GUID.
    Removable(Vec<String>),
    /// Its disk has partitions that overlap, or that cannot be told apart: why.
    Partitions(String),
    /// The partition cannot be opened, or is too small.
    Unusable(String),
    /// The partition cannot be opened for writing.
    ReadOnly(String),
    /// Both copies are bad. What the slots say of themselves serves instead.
    Lost(String),
    /// One copy can be used, and the other one cannot be read at the moment. It may be the newer one.
    OneCopy(String),
    /// No copy can be used, and at least one cannot be read at the moment.
    Unreadable(String),
    /// The record belongs to another disk.
    OtherDisk(Uuid),
    /// A newer everboot wrote it, and this one does not understand it.
    Newer(Unread),
}

impl RecordFault {
    /// The code of [`super::Blocked`]; part of the interface.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NoPartition => "record-missing",
            Self::Ambiguous(_) => "record-ambiguous",
            Self::Removable(_) => "record-removable",
            Self::Partitions(_) => "record-partitions",
            Self::Unusable(_) => "record-unusable",
            Self::ReadOnly(_) => "record-read-only",
            Self::Lost(_) => "record-lost",
            Self::OneCopy(_) => "record-one-copy",
            Self::Unreadable(_) => "record-unreadable",
            Self::OtherDisk(_) => "record-other-disk",
            Self::Newer(_) => "record-newer",
        }
    }
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartition => f.write_str("no disk has its partition; see `record` in everboot.conf"),
            Self::Ambiguous(disks) => {
                write!(
                    f,
                    "its partition is on {}, and nothing says which one is meant: nothing is written; unplug one, or set `record = PARTUUID=...`",
                    disks.join(" and ")
                )
            }
            Self::Removable(disks) => {
                write!(
                    f,
                    "its partition is on {} alone, which is removable and not used under `lock`; to use it, set `record = PARTUUID=...`",
                    disks.join(" and ")
                )
            }
            Self::Partitions(why) => {
                write!(
                    f,
                    "{why}, on the disk of the record: nothing is written there; correct the partition table or everboot.conf"
                )
            }
            Self::Unusable(why) => {
                write!(f, "its partition cannot be used: {why}; `everboot doctor` says more")
            }
            Self::ReadOnly(why) => write!(f, "cannot be opened for writing: {why}"),
            Self::Lost(why) => {
                write!(
                    f,
                    "both copies are bad ({why}); run `everboot record repair`, or on a new disk `record init`"
                )
            }
            Self::OneCopy(why) => {
                write!(
                    f,
                    "a copy cannot be read ({why}), so nothing new is tried; `everboot confirm` or `record repair` writes it anew"
                )
            }
            Self::Unreadable(why) => {
                write!(f, "cannot be read ({why}); `everboot record repair --force` writes it anew")
            }
            Self::OtherDisk(disk) => {
                write!(f, "was made for another disk, {disk}; run `everboot record repair`")
            }
            Self::Newer(unread) => unread.fmt(f),
        }
    }
}
