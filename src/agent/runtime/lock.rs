//! The lock of this machine: one everboot changes something at a time.

use super::failure::Failure;
use crate::sys::{Lock, Roots};

/// Excludes another everboot from this machine.
pub fn take(roots: &Roots) -> Result<Lock, Failure> {
    Lock::take(&roots.own().join("lock")).map_err(Failure::from)
}
