//! What a verb ends with: its exit code, and the one line that says why.

use everboot::bundle::Fault;
use everboot::store::SaveError;
use everboot::{apply, bundle, flow, medium};
use std::io::ErrorKind;

/// The exit codes. They are part of the interface: a number never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
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
    /// The verification found differences.
    Differs = 8,
    /// No room in the staging area.
    NoSpace = 9,
}

impl Exit {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 10] = [
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
    ];

    /// The meaning, as the help prints it.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; a verb that was done before succeeds again",
            Self::Failed => "an I/O error, or another failure",
            Self::Usage => "the command line is wrong",
            Self::Refused => "refused: the state of the machine does not allow it",
            Self::Unfit => "refused: the image does not fit the machine (type, version, modules, size)",
            Self::Untrusted => "the bundle is damaged, or not signed by a trusted key",
            Self::Locked => "another everboot is at work",
            Self::Record => "the boot record cannot be used",
            Self::Differs => "the verification found differences",
            Self::NoSpace => "no room in the staging area",
        }
    }
}

/// What a verb that succeeded prints, and the code that it ends with.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Lines for standard output.
    pub(crate) text: String,
    /// Not [`Exit::Done`] where the answer itself is bad news.
    pub(crate) exit: Exit,
}

impl Answer {
    /// Done.
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self { text: text.into(), exit: Exit::Done }
    }
}

/// Why a verb failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its code.
    pub(crate) exit: Exit,
    /// The verb that failed, once one is known.
    pub(crate) verb: Option<&'static str>,
    /// What was expected, what was found, what to do.
    pub(crate) text: String,
}

impl Failure {
    /// A failure with a code.
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, verb: None, text: text.into() }
    }
}

impl From<flow::Error> for Failure {
    fn from(error: flow::Error) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

fn code(error: &flow::Error) -> Exit {
    use flow::Error;
    match error {
        Error::Record(_) => Exit::Record,
        Error::Save(SaveError::Medium(_) | SaveError::ReadBack) => Exit::Failed,
        Error::Save(_) => Exit::Record,
        Error::Refused(_) | Error::RecordExists | Error::Untreed(_) | Error::WrongRoot(_) => Exit::Refused,
        Error::Unfit(_) | Error::Apply(apply::Error::DoesNotFit(_)) => Exit::Unfit,
        Error::Bundle(error) | Error::Apply(apply::Error::Bundle(error)) => bundle_code(error),
        Error::Exchanged => Exit::Untrusted,
        Error::NoSpace { .. } => Exit::NoSpace,
        Error::Staging(error) => medium_code(error),
        Error::NoSuchSlot(..) => Exit::Usage,
        Error::Apply(_) | Error::Slot(..) | Error::SlotMissing(_) => Exit::Failed,
    }
}

fn bundle_code(error: &bundle::Error) -> Exit {
    match error.fault() {
        // A bundle that ends too early is damaged, although it is the read that says so.
        Fault::Io => match error {
            bundle::Error::Medium(error) if error.source.kind() == ErrorKind::UnexpectedEof => {
                Exit::Untrusted
            }
            _ => Exit::Failed,
        },
        Fault::Refused | Fault::Corrupt | Fault::Unsupported => Exit::Untrusted,
    }
}

fn medium_code(error: &medium::Error) -> Exit {
    match error.source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Exit::NoSpace,
        _ => Exit::Failed,
    }
}
