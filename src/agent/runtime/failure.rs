//! Why a verb failed: its exit code, and the one line that says why.

use crate::flow;
use crate::sys::LockError;
use everboot_core::verbs::{Exit, Verb};
use everboot_storage::bundle::Fault;
use everboot_storage::store::SaveError;
use everboot_storage::{apply, bundle, medium};
use std::io::ErrorKind;

/// Why a verb failed.
#[derive(Debug)]
pub struct Failure {
    /// Its code.
    pub exit: Exit,
    /// The verb that failed, once one is known.
    pub verb: Option<&'static str>,
    /// What was expected, what was found, what to do.
    pub text: String,
}

impl Failure {
    /// A failure with a code.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, verb: None, text: text.into() }
    }

    /// The same, of that verb.
    pub fn of(self, verb: &Verb) -> Self {
        Self { verb: Some(verb.name), ..self }
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
        Error::Refused(_)
        | Error::RecordExists
        | Error::WithoutTree(_)
        | Error::TrailerLost(_)
        | Error::WrongRoot(_) => Exit::Refused,
        Error::Unfit(_)
        | Error::OtherImage
        | Error::Apply(apply::Error::DoesNotFit(_) | apply::Error::Sector { .. }) => Exit::Unfit,
        Error::Bundle(error) | Error::Apply(apply::Error::Bundle(error)) => bundle_code(error),
        Error::Exchanged => Exit::Untrusted,
        Error::NoSpace { .. } => Exit::NoSpace,
        Error::Staging(error) => medium_code(error),
        Error::NoSuchSlot(..) => Exit::Usage,
        Error::NotConfigured | Error::Apply(_) | Error::Slot(..) | Error::SlotMissing(_) => Exit::Failed,
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

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let exit = match &error {
            LockError::Held { .. } => Exit::Locked,
            LockError::Io { .. } => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}
