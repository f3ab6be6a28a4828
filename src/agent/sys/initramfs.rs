//! The initramfs itself: how it is left behind, and the console.

use super::mountinfo;
use super::roots::Roots;
use super::small_file::read_text;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, fstatfs, openat, statat, unlinkat};
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Deepest folder that is emptied; an initramfs is flat, and pid 1's stack is not endless.
const DEEPEST: u32 = 32;

/// Whether `root` lies in memory, and so is an initramfs that may be emptied.
pub(super) fn is_in_memory(root: &File) -> io::Result<bool> {
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    const TMPFS_MAGIC: u32 = 0x0102_1994;
    let kind = fstatfs(root)?.f_type as u32;
    Ok(kind == RAMFS_MAGIC || kind == TMPFS_MAGIC)
}

/// Whether this process runs in an initramfs, before the system: its root lies in memory, and it is the kernel's first
/// root (`rootfs`) or says of itself that it is one (/etc/initrd-release, os-release(5)). A system may have its root in
/// memory, too, as with systemd.volatile=yes.
pub fn is_in_initramfs(roots: &Roots) -> bool {
    let is_in_memory = File::open(&roots.root).is_ok_and(|root| is_in_memory(&root).unwrap_or(false));
    is_in_memory && says_initramfs(roots)
}

fn says_initramfs(roots: &Roots) -> bool {
    let mounts = read_text(&roots.proc.join("self/mountinfo")).map(|text| mountinfo::parse(&text));
    // Before /proc is mounted no system runs.
    let Ok(mounts) = mounts else { return true };
    let root = mounts.iter().rev().find(|mount| mount.point == "/");
    root.is_none_or(|root| root.kind == "rootfs") || roots.etc.join("initrd-release").exists()
}

/// Removes all files of the file system that `root` is of, to give their memory back. Other file systems
/// that are mounted in it are not entered. What cannot be removed stays: it costs memory and no more.
pub(super) fn free(root: &File) {
    if let Ok(stat) = fstat(root) {
        empty(root.as_fd(), stat.st_dev, 0);
    }
}

fn empty(folder: BorrowedFd<'_>, device: u64, depth: u32) {
    let Ok(entries) = Dir::read_from(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name != c"." && name != c".." {
            remove(folder, name, device, depth);
        }
    }
}

fn remove(folder: BorrowedFd<'_>, name: &CStr, device: u64, depth: u32) {
    let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
    if stat.st_dev != device {
        return;
    }
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        let _ = unlinkat(folder, name, AtFlags::empty());
        return;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if let Ok(inner) = openat(folder, name, flags, Mode::empty())
        && depth < DEEPEST
        && fstat(&inner).is_ok_and(|stat| stat.st_dev == device)
    {
        empty(inner.as_fd(), device, depth + 1);
    }
    let _ = unlinkat(folder, name, AtFlags::REMOVEDIR);
}

/// Makes the console our standard input, output and error. Without a console they stay as they are.
pub fn open_console(roots: &Roots) {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(console) = openat(CWD, roots.dev.join("console"), flags, Mode::empty()) else { return };
    let _ = nix::unistd::dup2_stdin(&console);
    let _ = nix::unistd::dup2_stdout(&console);
    let _ = nix::unistd::dup2_stderr(&console);
    super::terminal::never_stop_output();
    super::output::never_wait_for_output();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    #[test]
    fn a_system_whose_root_is_in_memory_is_no_initramfs() {
        let temp_dir = TempDir::new("says-initramfs");
        let roots = Roots::under(temp_dir.path());
        assert!(says_initramfs(&roots));
        for (kind, expected) in [("rootfs rootfs", true), ("tmpfs tmpfs", false), ("ramfs none", false)] {
            temp_dir.file("proc/self/mountinfo", format!("1 1 0:2 / / rw - {kind} rw\n").as_bytes());
            assert_eq!(says_initramfs(&roots), expected, "{kind}");
        }
        temp_dir.file("etc/initrd-release", b"");
        assert!(says_initramfs(&roots));
    }

    #[test]
    fn all_files_are_removed_and_what_symlinks_name_is_not() {
        let temp_dir = TempDir::new("free");
        let kept = temp_dir.file("kept/file", b"x");
        temp_dir.file("old/a/b/c", b"x");
        std::os::unix::fs::symlink(temp_dir.path().join("kept"), temp_dir.path().join("old/a/link")).unwrap();
        let old = temp_dir.path().join("old");
        free(&File::open(&old).unwrap());
        assert_eq!(std::fs::read_dir(&old).unwrap().count(), 0);
        assert!(kept.exists());
    }
}
