//! The lock of this machine: one everboot changes something at a time.

use super::failure::Failure;
use crate::sys::Lock;
use std::path::Path;

/// Its file.
const LOCK: &str = "/run/everboot/lock";

/// Excludes another everboot from this machine.
pub fn take() -> Result<Lock, Failure> {
    Lock::take(Path::new(LOCK)).map_err(Failure::from)
}
