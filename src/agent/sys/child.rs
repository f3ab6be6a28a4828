//! Other programs: `/bin/sh` for a person at the console, and `everboot-fetch`.
#![expect(unsafe_code, reason = "system calls that Linux has no safe form of")]

use super::fork::start;
use super::handoff::default_sigpipe;
use super::roots::Roots;
use super::small_file::read_value;
use nix::errno::Errno;
use nix::libc;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

fn sh(roots: &Roots) -> PathBuf {
    roots.root.join("bin/sh")
}

/// Whether there is a `/bin/sh`.
pub fn has_sh(roots: &Roots) -> bool {
    sh(roots).exists()
}

/// Runs `/bin/sh`, and waits until it ends.
pub fn run_sh(roots: &Roots) -> io::Result<()> {
    let (sh, console) = (text(sh(roots))?, console(roots));
    run(&mut || be_sh(&sh, console.as_deref())).map(drop)
}

/// What is behind the path of this program in that of `everboot-fetch`.
const FETCH: &str = "-fetch";

/// Runs `everboot-fetch --for` with the words of a command line, each an argument of its own, and waits until it ends;
/// returns its exit code, 127 when there is none beside this program or in /usr/bin.
pub fn run_fetch(roots: &Roots, words: &[OsString]) -> io::Result<u8> {
    // All memory is allocated before the fork.
    let installed = roots.root.join("usr/bin/everboot-fetch");
    let beside = std::fs::read_link(roots.proc.join("self/exe")).map(|program| {
        let mut name = program.into_os_string();
        name.push(FETCH);
        PathBuf::from(name)
    });
    let programs = [text(beside.unwrap_or_else(|_| installed.clone()))?, text(installed)?];
    let given = words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let own = [c"everboot-fetch", c"--for"].into_iter();
    let words = own.chain(given.iter().map(CString::as_c_str)).map(CStr::as_ptr);
    let words: Vec<_> = words.chain([std::ptr::null()]).collect();
    let status = run(&mut || {
        default_sigpipe();
        for program in &programs {
            // SAFETY: texts that live and end with a zero, and a list of them that ends with none. What fails leaves
            // things as they are.
            unsafe { libc::execv(program.as_ptr(), words.as_ptr()) };
        }
    })?;
    Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) as u8 } else { 1 })
}

/// Starts a child that becomes something else, and waits until it ends; returns its status.
fn run(child: &mut dyn FnMut()) -> io::Result<libc::c_int> {
    let pid = start(child)?;
    let mut status = 0;
    // SAFETY: waits for a child of ours, and gets its status.
    while unsafe { libc::waitpid(pid, &mut status, 0) } == -1 && Errno::last() == Errno::EINTR {}
    Ok(status)
}

fn be_sh(sh: &CStr, console: Option<&CStr>) {
    default_sigpipe();
    // SAFETY: system calls on texts that live; what fails leaves things as they are, and the shell finds the
    // terminal that there is.
    unsafe {
        if let Some(console) = console {
            libc::setsid();
            let terminal = libc::open(console.as_ptr(), libc::O_RDWR);
            for descriptor in 0..3 {
                libc::dup2(terminal, descriptor);
            }
        }
        libc::execv(sh.as_ptr(), [sh.as_ptr(), std::ptr::null()].as_ptr());
    }
}

/// The terminal behind the console, when this process has no controlling terminal: /dev/console can be none,
/// and without one Ctrl-C ends nothing.
fn console(roots: &Roots) -> Option<CString> {
    if std::fs::File::open(roots.dev.join("tty")).is_ok() {
        return None;
    }
    let active = read_value(&roots.sys.join("class/tty/console/active"))?;
    text(roots.dev.join(active.rsplit(' ').next()?)).ok()
}

/// A path as system calls take it.
fn text(path: PathBuf) -> io::Result<CString> {
    Ok(CString::new(path.into_os_string().into_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_shell_is_there_when_the_root_has_one() {
        let temp_dir = TempDir::new("has-sh");
        let roots = Roots::under(temp_dir.path());
        assert!(!has_sh(&roots));
        temp_dir.file("bin/sh", b"");
        assert!(has_sh(&roots));
    }

    #[test]
    fn the_exit_code_of_a_child_is_known() {
        // SAFETY: ends the child.
        let status = run(&mut || unsafe { libc::_exit(7) }).unwrap();
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 7));
        let status = run(&mut || {}).unwrap();
        assert_eq!(libc::WEXITSTATUS(status), 127);
    }

    #[test]
    fn everboot_fetch_is_looked_for_beside_the_program_and_then_in_usr_bin() {
        let temp_dir = TempDir::new("run-fetch");
        let roots = Roots::under(temp_dir.path());
        let exit_code = || run_fetch(&roots, &["stage".into(), "file".into()]).unwrap();
        let folder = |name| std::fs::create_dir_all(temp_dir.path().join(name)).unwrap();
        assert_eq!(exit_code(), 127);
        // Programs of the system stand for it: a new file could be open for writing in a child of another test.
        folder("usr/bin");
        symlink("/bin/true", temp_dir.path().join("usr/bin/everboot-fetch")).unwrap();
        assert_eq!(exit_code(), 0);
        folder("proc/self");
        symlink(temp_dir.path().join("everboot"), temp_dir.path().join("proc/self/exe")).unwrap();
        symlink("/bin/false", temp_dir.path().join("everboot-fetch")).unwrap();
        assert_eq!(exit_code(), 1);
    }

    #[test]
    fn the_shell_gets_the_terminal_behind_the_console_when_it_has_none() {
        let temp_dir = TempDir::new("console");
        let roots = Roots::under(temp_dir.path());
        assert_eq!(console(&roots), None);
        temp_dir.file("sys/class/tty/console/active", b"tty0 ttyS0\n");
        let terminal = temp_dir.path().join("dev/ttyS0");
        assert_eq!(console(&roots).unwrap().as_bytes(), terminal.as_os_str().as_bytes());
        temp_dir.file("dev/tty", b"");
        assert_eq!(console(&roots), None);
    }
}
