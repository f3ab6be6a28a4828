//! What the builder makes, looked at.

mod artifacts;
mod scripts;
