//! The operator's command: the table of verbs as clap reads it, and JSON.

mod command;
mod json;
mod parse;

pub use command::command;
pub use json::json;
pub use parse::parse;
