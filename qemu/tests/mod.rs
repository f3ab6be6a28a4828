//! What must hold of the things that the harness builds, and of its scripts. Boots nothing.

mod artifacts;
mod block_log;
mod scripts;
