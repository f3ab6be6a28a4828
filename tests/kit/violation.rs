//! Promises, and how one is found broken: for the search in memory, and for the images of a real disk.

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

/// Whether a promise holds.
pub type Check = Result<(), Violation>;

/// The check of a promise.
pub fn hold(holds: bool, invariant: &'static str, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Violation { invariant, what: what() }) }
}
