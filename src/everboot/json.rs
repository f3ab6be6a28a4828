//! What verbs say, for programs.

use everboot_agent::command::answer::VerbOutput;
use serde_json::{Error, to_string};

/// One line of JSON; lines of text stay as they are.
pub fn json(said: &VerbOutput) -> String {
    let line = match said {
        VerbOutput::Text(text) => return text.clone(),
        VerbOutput::Status(report) => to_string(report),
        VerbOutput::Explanation(report) => to_string(report),
        VerbOutput::Log(report) => to_string(report),
        VerbOutput::Health(report) => to_string(report),
    };
    // Text and numbers always have a JSON form.
    line.unwrap_or_else(|error: Error| error.to_string()) + "\n"
}
