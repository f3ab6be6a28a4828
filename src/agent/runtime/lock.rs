//! The lock of this machine: one everboot changes something at a time.

use super::failure::Failure;
use crate::sys::{Lock, Roots};

/// Excludes another everboot from this machine.
pub fn take() -> Result<Lock, Failure> {
    Lock::take(&Roots::default().own().join("lock")).map_err(Failure::from)
}
