//! From the initramfs into the root of a slot.
//!
//! [`LinuxMachine::enter`] mounts the root and checks all that can be checked; what it returns is a hand-off
//! that is prepared. Nothing that cannot be undone is done before [`HandOff::go`], which returns only when it failed.

use super::file_medium::FileMedium;
use super::file_system::{self, FileSystem};
use super::init_check::{MOVED, NewRoot};
use super::initramfs;
use super::linux::LinuxMachine;
use super::mounting::{in_words, mount, move_mount, unmount};
use super::roots::Roots;
use crate::machine::{Access, Root, RootError};
use everboot_core::slot::RootFault::{Device, NotMountable};
use nix::libc::{EBADMSG, EFBIG, EINVAL, EUCLEAN};
use nix::mount::MsFlags;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A hand-off that is prepared: the mounted root and its init.
#[derive(Debug)]
pub enum HandOff {
    /// By the kernel that runs: the root becomes `/`, and its init this process.
    SwitchRoot(SwitchRoot),
}

impl HandOff {
    /// Hands off: the system in the root goes on with this process, `arguments` after the name of its init. Returns
    /// only when that failed, with what failed.
    pub fn go(self, arguments: &[String]) -> io::Error {
        let gone = match self {
            Self::SwitchRoot(ready) => ready.go(arguments),
        };
        match gone {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }
}

/// A root that is mounted and passed all checks.
#[derive(Debug)]
pub struct SwitchRoot {
    roots: Roots,
    /// Where it is mounted.
    sysroot: PathBuf,
    /// The absolute path of its init, as seen from inside.
    init: String,
}

impl LinuxMachine {
    fn check_entered(&self) -> Result<SwitchRoot, RootError> {
        let root = NewRoot::at(&self.sysroot)?;
        root.check_directories()?;
        if is_of_systemd(&self.roots) {
            root.check_os_release()?;
        }
        let init = root.init(self.init.as_deref())?;
        Ok(SwitchRoot { roots: self.roots.clone(), sysroot: self.sysroot.clone(), init })
    }

    /// [`EarlyBoot::enter`].
    ///
    /// [`EarlyBoot::enter`]: crate::machine::EarlyBoot::enter
    pub fn enter(&mut self, root: &Root) -> Result<HandOff, RootError> {
        let node = self.node(root.at).map_err(RootError::device)?.path.clone();
        let part = FileMedium::open(&node, Access::Read).map_err(RootError::device)?;
        let found = file_system::detect(&part).map_err(RootError::device)?;
        let name = node.display();
        let none = || RootError::new(NotMountable, format!("{name} holds no known file system"));
        // Where the kernel does not know how, the root is mounted read-only all the same.
        if (root.sealed || root.open)
            && let Err(error) = part.set_read_only(root.sealed)
        {
            log::warn!("set {name} read-only: {error}");
        }
        mount_root(&node, &self.sysroot, found.ok_or_else(none)?, root.open).map_err(|(driver, error)| {
            let fault = if is_fault_of_image(&error) { NotMountable } else { Device };
            RootError::new(fault, format!("mount {name} as {driver}: {}", in_words(error)))
        })?;
        let entered = self.check_entered();
        if entered.is_err()
            && let Err(error) = unmount(&self.sysroot)
        {
            log::warn!("unmount {}: {error}", self.sysroot.display());
        }
        entered.map(HandOff::SwitchRoot)
    }
}

/// Whether this is an initramfs in which systemd switches to the root, and so checks it.
fn is_of_systemd(roots: &Roots) -> bool {
    roots.etc.join("initrd-release").exists() && roots.root.join("usr/lib/systemd/systemd").exists()
}

/// Whether a mount that failed so holds something against the image: these are the words of the file systems
/// for a bad or unknown superblock and for damage (EFSCORRUPTED, EFSBADCRC). All others may come from the
/// device, from the machine or from a driver that the initramfs lacks; EIO too, though squashfs and btrfs
/// also mean damage by it. A trial that fails so is condemned no less, when its tries are used up.
fn is_fault_of_image(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EINVAL | EUCLEAN | EBADMSG | EFBIG))
}

/// Sealed: read-only without replaying a journal, so that not a byte of the slot changes.
fn mount_root(
    node: &Path,
    at: &Path,
    found: FileSystem,
    open: bool,
) -> Result<(), (&'static str, io::Error)> {
    let (flags, options) =
        if open { (MsFlags::empty(), found.usual) } else { (MsFlags::MS_RDONLY, found.no_replay) };
    let _ = std::fs::create_dir(at);
    mount(node, at, found.driver, flags, options).map_err(|error| (found.driver, error))
}

impl SwitchRoot {
    /// What `switch_root`(8) does, in its order: move the mounts, make the root the root, free the initramfs, run
    /// init. While `sysroot` is still a mount nothing has changed that the boot needs; after that there is nothing to
    /// go back to.
    fn go(self, arguments: &[String]) -> io::Result<std::convert::Infallible> {
        let Self { roots, sysroot, init } = self;
        let mut words = vec![init.as_str()];
        words.extend(arguments.iter().map(String::as_str));
        let words: Result<Vec<CString>, _> = words.into_iter().map(CString::new).collect();
        let words = words?;
        let old = File::open(&roots.root)?;
        let is_initramfs = initramfs::is_in_memory(&old)?;
        if old.metadata()?.dev() == std::fs::metadata(&sysroot)?.dev() {
            return Err(io::Error::other("expected a file system to switch to, found the initramfs"));
        }
        move_all(&roots, &sysroot, old.metadata()?.dev())?;
        nix::unistd::chdir(&sysroot)?;
        move_mount(Path::new("."), Path::new("/"))?;
        nix::unistd::chroot(".")?;
        nix::unistd::chdir("/")?;
        // From here on the old root is reached by its descriptor alone.
        if is_initramfs {
            initramfs::free(&old);
        }
        drop(old);
        initramfs::open_console(&roots);
        default_sigpipe();
        Ok(nix::unistd::execv(&words[0], &words)?)
    }
}

/// Rust's runtime ignores SIGPIPE, and execve(2) leaves an ignored signal ignored. The signal mask needs no
/// such care: nothing here changes the one that the kernel started us with.
#[expect(unsafe_code, reason = "system calls that Linux has no safe form of")]
pub(super) fn default_sigpipe() {
    use nix::libc::{SIG_DFL, SIGPIPE, signal};
    // SAFETY: no handler is installed, and no other one is taken away than the runtime's SIG_IGN.
    unsafe { signal(SIGPIPE, SIG_DFL) };
}

/// Moves what is mounted at the usual places into the new root, or nothing.
fn move_all(roots: &Roots, sysroot: &Path, initramfs: u64) -> io::Result<()> {
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    for name in MOVED {
        let (from, to) = (roots.root.join(name), sysroot.join(name));
        if std::fs::metadata(&from).map_or(true, |found| found.dev() == initramfs) {
            continue;
        }
        if let Err(error) = move_mount(&from, &to) {
            for (from, to) in moved.iter().rev() {
                let _ = move_mount(to, from);
            }
            return Err(io::Error::other(format!("move the mount {}: {error}", from.display())));
        }
        moved.push((from, to));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;
    use nix::libc::{EACCES, EBUSY, EIO, ENODEV, ENOMEM, EROFS};

    #[test]
    fn an_initramfs_is_of_systemd_when_it_says_so_and_has_it() {
        let temp_dir = TempDir::new("of-systemd");
        let roots = Roots::under(temp_dir.path());
        temp_dir.file("etc/initrd-release", b"");
        assert!(!is_of_systemd(&roots));
        temp_dir.file("usr/lib/systemd/systemd", b"");
        assert!(is_of_systemd(&roots));
    }

    /// Whether this process ignores SIGPIPE.
    fn ignores_sigpipe() -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << (nix::libc::SIGPIPE - 1) != 0
    }

    #[test]
    #[expect(unsafe_code, reason = "system calls that Linux has no safe form of")]
    fn init_does_not_inherit_an_ignored_sigpipe() {
        assert!(ignores_sigpipe());
        default_sigpipe();
        let ignored = ignores_sigpipe();
        // SAFETY: as the runtime had it.
        unsafe { nix::libc::signal(nix::libc::SIGPIPE, nix::libc::SIG_IGN) };
        assert!(!ignored);
    }

    /// Nothing is mounted at the root, so there is nowhere to go.
    #[test]
    fn a_hand_off_that_cannot_go_says_why_and_moves_nothing() {
        let temp_dir = TempDir::new("no-way");
        for name in MOVED {
            std::fs::create_dir_all(temp_dir.path().join("sysroot").join(name)).unwrap();
        }
        temp_dir.file("dev/null", b"");
        let (roots, sysroot) = (Roots::under(temp_dir.path()), temp_dir.path().join("sysroot"));
        let ready = |init: &str| {
            let (roots, sysroot) = (roots.clone(), sysroot.clone());
            HandOff::SwitchRoot(SwitchRoot { roots, sysroot, init: init.to_owned() })
        };
        let error = ready("/sbin/init").go(&["quiet".to_owned()]).to_string();
        assert!(error.contains("found the initramfs"), "{error}");
        assert_eq!(ready("/sbin/init").go(&["a\0b".to_owned()]).kind(), io::ErrorKind::InvalidInput);
        assert!(temp_dir.path().join("dev/null").exists() && !sysroot.join("dev/null").exists());
    }

    #[test]
    fn a_failed_mount_is_held_against_the_image_only_for_what_the_image_is_like() {
        let blames = |errno| is_fault_of_image(&io::Error::from_raw_os_error(errno));
        for errno in [EINVAL, EUCLEAN, EBADMSG, EFBIG] {
            assert!(blames(errno), "{errno}");
        }
        for errno in [EIO, EROFS, EACCES, EBUSY, ENOMEM, ENODEV] {
            assert!(!blames(errno), "{errno}");
        }
    }
}
