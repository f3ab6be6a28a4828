//! Roots in a directory, with and without an init that can be run.

use super::*;
use crate::sys::temp_dir::TempDir;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A program of this processor that is its own header: static, or with a loader.
fn elf(loader: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[18..20].copy_from_slice(&MACHINES.first().copied().unwrap_or(0).to_le_bytes());
    let Some(loader) = loader else { return bytes };
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    let mut entry = [0; 56];
    entry[0] = 3;
    entry[8] = 64 + 56;
    entry[32] = loader.len() as u8 + 1;
    bytes.extend(entry);
    bytes.extend(loader.as_bytes());
    bytes.push(0);
    bytes
}

struct Tree(TempDir);

impl Tree {
    fn new(name: &str) -> Self {
        Self(TempDir::new(name))
    }
    fn program(self, path: &str, bytes: &[u8]) -> Self {
        let path = self.0.file(path, bytes);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }
    fn link(self, path: &str, to: &str) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
        self
    }
    #[track_caller]
    fn check(&self, asked: Option<&str>, wanted: Result<&str, &str>) {
        let found = NewRoot::at(self.0.path()).unwrap().init(asked);
        match (&found, wanted) {
            (Ok(path), Ok(wanted)) => assert_eq!(path, wanted),
            (Err(RootError { fault: NoInit, why }), Err(words)) => assert!(why.contains(words), "{why}"),
            _ => panic!("{found:?}, expected {wanted:?}"),
        }
    }
}

#[test]
fn an_init_is_found_through_symlinks_that_mean_the_new_root() {
    let tree = Tree::new("links")
        .program("usr/lib/systemd/systemd", &elf(Some("/lib64/ld.so")))
        .program("usr/lib64/ld-2.so", &elf(None))
        .link("lib64", "usr/lib64")
        .link("usr/lib64/ld.so", "/lib64/ld-2.so")
        .link("sbin/init", "/../../usr/lib/systemd/systemd");
    tree.check(None, Ok("/sbin/init"));
}

#[test]
fn symlinks_lead_nowhere_outside_the_root_and_not_in_a_circle() {
    let outside = Tree::new("outside").program("init", &elf(None));
    let path = outside.0.path().to_str().unwrap().to_owned();
    Tree::new("absolute")
        .link("sbin/init", &format!("{path}/init"))
        .check(None, Err("/sbin/init: No such file"));
    let up = format!("../../../../../../../../{path}/init");
    Tree::new("up").link("sbin/init", &up).check(None, Err("/sbin/init: No such file"));
    Tree::new("circle")
        .link("sbin/init", "/etc/init")
        .link("etc/init", "../sbin/init")
        .check(None, Err("/sbin/init"));
    Tree::new("root").link("sbin/init", "/").check(None, Err("/sbin/init"));
}

/// As Linux before 5.6: one thread has a filter that answers ENOSYS to openat2.
#[test]
#[expect(unsafe_code, reason = "system calls that Linux has no safe form of")]
fn an_init_is_found_by_a_kernel_without_openat2() {
    use nix::libc;
    const OPENAT2: u32 = 437;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let errno = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, OPENAT2),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, errno),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let tree = Tree::new("openat2").program("usr/bin/init", &elf(None)).link("sbin", "/usr/bin");
    std::thread::scope(|scope| {
        let tested = scope.spawn(|| {
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            // SAFETY: the filter is for this thread alone, and lives until it is copied.
            unsafe {
                assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
                assert_eq!(
                    libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
                    0
                );
                assert_eq!(libc::syscall(OPENAT2.into(), 0, 0, 0, 0), -1);
            }
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS));
            tree.check(None, Ok("/sbin/init"));
        });
        tested.join().unwrap();
    });
}

#[test]
fn a_root_without_a_runnable_init_says_why() {
    Tree::new("none").check(None, Err("/sbin/init: No such file"));
    Tree::new("loader")
        .program("sbin/init", &elf(Some("/lib/ld.so")))
        .check(None, Err("interpreter of /sbin/init: /lib/ld.so"));
    Tree::new("noise").program("sbin/init", b"hello").check(None, Err("expected an ELF program or a script"));
    Tree::new("empty").program("sbin/init", b"").check(None, Err("found neither"));
    Tree::new("script").program("sbin/init", b"#!/bin/sh -e\n").check(None, Err("/bin/sh"));
    Tree::new("folder").program("sbin/init/x", b"").check(None, Err("expected an executable file"));
    Tree::new("shell").program("bin/sh", &elf(None)).check(None, Err("/sbin/init"));
    let mut foreign = elf(None);
    foreign[18] = 8;
    Tree::new("foreign").program("sbin/init", &foreign).check(None, Err("for this processor"));
    let tree = Tree::new("mode");
    tree.0.file("sbin/init", &elf(None));
    tree.check(None, Err("found mode 100"));
}

#[test]
fn only_what_the_image_is_like_is_held_against_it() {
    for error in [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::ACCESS, Errno::UCLEAN] {
        assert_eq!(failed(error, "/sbin/init").fault, NoInit, "{error}");
    }
    for error in [Errno::IO, Errno::NOMEM, Errno::NOSYS, Errno::NXIO, Errno::AGAIN, Errno::MFILE] {
        assert_eq!(failed(error, "/sbin/init").fault, Device, "{error}");
    }
    let gone = Path::new("/nowhere/at/all");
    assert!(matches!(NewRoot::at(gone), Err(RootError { fault: Device, .. })));
}

#[test]
fn damaged_headers_are_read_within_their_bounds() {
    let whole = elf(Some("/x"));
    for len in 0..whole.len() {
        let _ = elf_interpreter(&whole[..len]);
    }
    for at in 6..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] = 0xff;
        let _ = elf_interpreter(&bytes);
    }
    let mut bytes = whole.clone();
    bytes[20..120].fill(0xff);
    let _ = elf_interpreter(&bytes);
}

#[test]
fn an_asked_init_is_preferred_and_never_to_blame() {
    let tree = Tree::new("asked")
        .program("sbin/init", b"#! /bin/busybox sh\n")
        .program("bin/busybox", &elf(None))
        .program("my/init", &elf(None));
    tree.check(Some("/my/init"), Ok("/my/init"));
    tree.check(Some("/no/init"), Ok("/sbin/init"));
    tree.check(None, Ok("/sbin/init"));
    Tree::new("neither").check(Some("/no/init"), Err("/sbin/init: No such file"));
}

#[test]
fn the_directories_of_the_hand_off_must_be_there() {
    let tree = Tree::new("moves");
    for name in ["dev", "proc", "sys"] {
        std::fs::create_dir(tree.0.path().join(name)).unwrap();
    }
    let root = NewRoot::at(tree.0.path()).unwrap();
    assert!(root.check_directories().unwrap_err().to_string().contains("/run"));
    let tree = tree.link("run", "/dev");
    assert!(root.check_directories().is_err());
    std::fs::remove_file(tree.0.path().join("run")).unwrap();
    std::fs::create_dir(tree.0.path().join("run")).unwrap();
    root.check_directories().unwrap();
}
