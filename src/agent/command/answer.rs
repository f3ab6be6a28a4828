//! The outcome of a verb: its output and its exit code.

use super::explain::Explanation;
use super::health::HealthReport;
use super::history::LogReport;
use super::status::StatusReport;
pub use crate::runtime::failure::Failure;
pub use everboot_core::verbs::Exit;
use serde::Serialize;

/// What a verb says. A report can be shown to a person or given to a program, as what it is and without the variant;
/// which it is, its caller knows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum VerbOutput {
    /// Lines for a person.
    Text(String),
    /// The state of the machine.
    Status(Box<StatusReport>),
    /// The next boot.
    Explanation(Box<Explanation>),
    /// What happened.
    Log(LogReport),
    /// Whether the installation is sound.
    Health(HealthReport),
}

impl VerbOutput {
    /// For a person.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Status(report) => report.text(),
            Self::Explanation(report) => report.text(),
            Self::Log(report) => report.text(),
            Self::Health(report) => report.text(),
        }
    }
}

/// What a verb that succeeded says, and the code that it ends with.
#[derive(Debug)]
pub struct Answer {
    /// For standard output.
    pub output: VerbOutput,
    /// Not [`Exit::Done`] where the answer itself is bad news.
    pub exit: Exit,
}

/// How a verb ends.
pub type Outcome = Result<Answer, Failure>;

impl Answer {
    /// Done, with these lines.
    pub fn done(text: impl Into<String>) -> Self {
        Self::text(text.into(), Exit::Done)
    }

    /// These lines, and a code.
    pub fn text(text: String, exit: Exit) -> Self {
        Self { output: VerbOutput::Text(text), exit }
    }
}
