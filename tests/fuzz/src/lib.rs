//! What each fuzz target does with bytes that anybody may have made. The libFuzzer targets call it, and so does an
//! ordinary test, for every file of the corpus.
//!
//! Beyond that nothing panics: what is read and written again reads the same, and nothing takes more memory than
//! its input justifies. Checksums are repaired first, since no fuzzer guesses them.

mod bundles;
mod bytes;
mod disks;
mod heap;
mod records;
mod texts;

pub use bundles::{archive, delta, frames, manifest, signature};
pub use disks::{gpt, tree};
pub use records::{record, trailer};
pub use texts::{cmdline, config};

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("record", record),
    ("trailer", trailer),
    ("manifest", manifest),
    ("signature", signature),
    ("archive", archive),
    ("frames", frames),
    ("delta", delta),
    ("tree", tree),
    ("gpt", gpt),
    ("cmdline", cmdline),
    ("config", config),
];
