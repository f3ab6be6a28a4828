//! Where the kernel's file systems are; tests pass a directory of their own.

use std::path::PathBuf;

/// The paths.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    /// `/dev`.
    pub(super) dev: PathBuf,
    /// `/sys`.
    pub(super) sys: PathBuf,
    /// `/proc`.
    pub(super) proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { dev: "/dev".into(), sys: "/sys".into(), proc: "/proc".into() }
    }
}

/// The text of a small file of the kernel, without its last line end; `None` when it cannot be read.
pub(super) fn read_text(path: PathBuf) -> Option<String> {
    let text = super::read_text(&path).ok()?;
    Some(text.trim_end().to_owned())
}
