//! The programs that a machine has.

use std::path::PathBuf;

/// The two programs of a machine, static, in `out/`.
#[derive(Debug, Clone)]
pub struct Agent {
    /// `everboot-init`, for the initramfs.
    pub init: PathBuf,
    /// `everboot`, for the running system.
    pub everboot: PathBuf,
}
