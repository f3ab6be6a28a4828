//! A directory for one test.

use std::path::{Path, PathBuf};

/// Removed when it goes out of scope.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// An empty directory whose path contains `name`, which no other test of the process uses.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("everboot-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, with the directories that it needs.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
