//! What the builder makes, looked at.
#![expect(clippy::unwrap_used, reason = "a surprise ends the test")]

mod artifacts;
mod hooks;
mod scripts;
