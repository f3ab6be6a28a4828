//! The directories that stand for the machine. Code that reads one of them or writes into it takes a [`Roots`], so
//! that a test passes a directory of its own.

use std::path::{Path, PathBuf};

/// The paths. [`Roots::default`] are those of the machine that runs.
#[derive(Debug, Clone)]
pub struct Roots {
    /// `/`, for what lies in none of the others.
    pub root: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
    /// `/etc`.
    pub etc: PathBuf,
    /// `/run`.
    pub run: PathBuf,
}

impl Roots {
    /// All of them in the directory `root`, by their usual names.
    pub fn under(root: &Path) -> Self {
        let at = |name| root.join(name);
        Self {
            root: root.to_owned(),
            dev: at("dev"),
            sys: at("sys"),
            proc: at("proc"),
            etc: at("etc"),
            run: at("run"),
        }
    }

    /// `/run/everboot`: the lock, the facts of the boot, the mount point of the staging area. It lies in memory, and
    /// the hand-off moves it into the booted system.
    pub fn own(&self) -> PathBuf {
        self.run.join("everboot")
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self::under(Path::new("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_roots_are_those_of_the_machine() {
        let roots = Roots::default();
        let all = [&roots.root, &roots.dev, &roots.sys, &roots.proc, &roots.etc, &roots.run];
        assert_eq!(all.map(|path| path.to_str().unwrap()), ["/", "/dev", "/sys", "/proc", "/etc", "/run"]);
        assert_eq!(roots.own(), Path::new("/run/everboot"));
    }
}
