//! The exit codes of all verbs.

/// The exit codes. They are part of the interface: a number never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; also when it had been done before.
    Done = 0,
    /// An I/O error, or anything without a code of its own.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The state of the machine does not allow it. Nothing was changed.
    Refused = 3,
    /// The image does not fit the machine. Nothing was changed.
    Unfit = 4,
    /// The bundle is damaged, or not signed by a trusted key.
    Untrusted = 5,
    /// Another everboot is at work.
    Locked = 6,
    /// The record cannot be used.
    Record = 7,
    /// Blocks of a slot are not what they must be.
    Differs = 8,
    /// No room in the staging area.
    NoSpace = 9,
    /// The installation needs attention.
    Unsound = 10,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Unfit,
        Self::Untrusted,
        Self::Locked,
        Self::Record,
        Self::Differs,
        Self::NoSpace,
        Self::Unsound,
    ];

    /// The meaning, as the help prints it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; a verb that was done before succeeds again",
            Self::Failed => "an I/O error, or another failure",
            Self::Usage => "the command line is wrong",
            Self::Refused => "refused: the state of the machine does not allow it",
            Self::Unfit => "refused: the image does not fit the machine (type, version, modules, size)",
            Self::Untrusted => "the bundle is damaged, or not signed by a trusted key",
            Self::Locked => "another everboot is at work",
            Self::Record => "the boot record cannot be used",
            Self::Differs => "blocks of the slot differ from its image",
            Self::NoSpace => "no room in the staging area",
            Self::Unsound => "the installation needs attention",
        }
    }
}
