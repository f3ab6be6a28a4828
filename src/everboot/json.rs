//! The output of verbs as JSON, for programs.

use everboot_agent::command::answer::VerbOutput;
use serde_json::{Error, to_string};

/// One line of JSON; lines of text stay as they are.
pub fn json(said: &VerbOutput) -> String {
    if let VerbOutput::Text(text) = said {
        return text.clone();
    }
    // Text and numbers always have a JSON form.
    to_string(said).unwrap_or_else(|error: Error| error.to_string()) + "\n"
}
