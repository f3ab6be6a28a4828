//! What verbs say, for programs.

use everboot_agent::command::answer::Said;
use serde_json::{Error, to_string};

/// One line of JSON; lines of text stay as they are.
pub fn json(said: &Said) -> String {
    let line = match said {
        Said::Text(text) => return text.clone(),
        Said::Status(report) => to_string(report),
        Said::Explanation(report) => to_string(report),
        Said::Health(report) => to_string(report),
    };
    // Text and numbers always have a JSON form.
    line.unwrap_or_else(|error: Error| error.to_string()) + "\n"
}
