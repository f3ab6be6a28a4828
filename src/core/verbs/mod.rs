//! The one table of the command line: the parser obeys it; help, man pages and completions are made from it.

mod exit;
mod table;
mod verb;

pub use exit::Exit;
pub use table::{GLOBAL, VERBS};
pub use verb::{Action, Availability, Flag, Needs, Programs, Verb};
