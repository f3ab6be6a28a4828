//! The command line: verbs, what they need, and the words for what they found.
//!
//! The table of verbs in the core says what there is. [`parse`] reads words by it, [`session`] opens the machine,
//! [`run`] calls the flow, and [`output`] prints. Nothing is decided here.

pub mod answer;
pub mod arguments;
mod blocks;
mod caller;
mod context;
mod doctor;
mod explain;
mod fetch;
mod health;
pub mod help;
mod history;
mod mount;
pub mod output;
pub mod parse;
mod run;
pub mod session;
mod status;
mod status_text;
mod upgrade;

pub use caller::Caller;
pub use context::{Context, System};
pub use doctor::{check_host, record_faults};
pub use fetch::fetch;
pub use run::{carry_out, confirm};
pub use upgrade::upgrade;
