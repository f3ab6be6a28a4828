//! The root that is booted next: where it is mounted, and what is known of it once it is ready.

/// Where the root is mounted before the hand-off, when nobody says otherwise.
pub(super) const NEW_ROOT: &str = "/sysroot";

/// A root that is mounted and passed all checks.
#[derive(Debug)]
pub(super) struct Entered {
    /// The absolute path of its init, as seen from inside.
    pub(super) init: String,
}
