//! The start of process 1 in an initramfs: the kernel's file systems, the console, modules, and the
//! wait for devices. Nothing here fails: what is missing is a warning, and the boot goes on without it.

use super::mounting::mount;
use super::roots::Roots;
use super::small_file::read_text;
use super::{clock, initramfs};
use everboot_core::config::module_parameters;
use nix::mount::MsFlags;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Pause between two looks for a device, in milliseconds.
const LOOK_EVERY: u64 = 10;

/// Mounts /proc, /sys, /dev and /run where they are not yet mounted, and opens the console. Returns warnings
/// instead of logging them, for there is no log before.
pub fn set_up(roots: &Roots) -> Vec<String> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounts = [
        (&roots.dev, "devtmpfs", MsFlags::MS_NOSUID, Some("mode=0755")),
        (&roots.proc, "proc", safe, None),
        (&roots.sys, "sysfs", safe, None),
        (&roots.run, "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755")),
    ];
    let mut warnings = Vec::new();
    for (point, driver, flags, options) in mounts {
        let _ = std::fs::create_dir(point);
        match mount(Path::new(driver), point, driver, flags, options) {
            Err(error) if error.kind() != io::ErrorKind::ResourceBusy => {
                warnings.push(format!("mount {}: {error}", point.display()));
            }
            _ => {}
        }
    }
    initramfs::open_console(roots);
    warnings
}

/// Loads the modules that `list` names, one path a line, in that order. No list, no modules; a module that is
/// loaded or built in already is no fault. Each gets the parameters that the kernel command line has for it.
pub fn load_modules(list: &Path, command_line: &str) {
    let text = match read_text(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return log::warn!("{}: {error}", list.display()),
    };
    for path in module_paths(&text) {
        let name = path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or("");
        let parameters = CString::new(module_parameters(command_line, name)).unwrap_or_default();
        let loaded =
            File::open(path).and_then(|file| Ok(rustix::system::finit_module(&file, &parameters, 0)?));
        match loaded {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                log::warn!("module {path}: {error}")
            }
            _ => {}
        }
    }
}

/// The lines of a list that name a module; the others are empty, or comments that begin with `#`.
fn module_paths(list: &str) -> impl Iterator<Item = &str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The kernel command line; empty when it cannot be read.
pub fn kernel_command_line(roots: &Roots) -> String {
    read_text(&roots.proc.join("cmdline")).unwrap_or_default()
}

/// Looks every 10 ms until `ready` says so, for at most `seconds`. Whether it did.
pub fn wait_until(seconds: u32, ready: &mut dyn FnMut() -> bool) -> bool {
    let end = clock::monotonic_ms().saturating_add(u64::from(seconds) * 1000);
    loop {
        if ready() {
            return true;
        }
        if clock::monotonic_ms() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(LOOK_EVERY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    #[test]
    fn the_kernel_command_line_is_empty_where_it_cannot_be_read() {
        let temp_dir = TempDir::new("cmdline");
        let roots = Roots::under(temp_dir.path());
        assert_eq!(kernel_command_line(&roots), "");
        temp_dir.file("proc/cmdline", b"quiet everboot.slot=slot-a\n");
        assert_eq!(kernel_command_line(&roots), "quiet everboot.slot=slot-a\n");
    }

    #[test]
    fn a_list_of_modules_may_have_comments_and_empty_lines() {
        let list = "# made by a hook\n\n/lib/modules/a.ko\n  /lib/modules/b.ko \n#/lib/modules/c.ko\n";
        assert_eq!(module_paths(list).collect::<Vec<_>>(), ["/lib/modules/a.ko", "/lib/modules/b.ko"]);
    }

    #[test]
    fn modules_that_are_missing_or_damaged_do_not_stop_the_boot() {
        let temp_dir = TempDir::new("modules");
        load_modules(&temp_dir.path().join("none"), "");
        let damaged = temp_dir.file("damaged.ko", b"not a module");
        let list = format!("{}\n{}\n", temp_dir.path().join("missing.ko").display(), damaged.display());
        load_modules(&temp_dir.file("modules", list.as_bytes()), "damaged.x=1");
    }

    #[test]
    fn a_wait_ends_as_soon_as_all_is_ready() {
        let mut looks = 0;
        let mut third_look = || {
            looks += 1;
            looks == 3
        };
        assert!(wait_until(3600, &mut third_look));
        assert_eq!(looks, 3);
    }

    #[test]
    fn a_wait_for_what_never_comes_is_bounded() {
        let begin = clock::monotonic_ms();
        assert!(!wait_until(1, &mut || false));
        assert!((1000..60_000).contains(&(clock::monotonic_ms() - begin)));
    }

    #[test]
    fn a_wait_of_0_s_looks_once() {
        let mut looks = 0;
        assert!(!wait_until(0, &mut || {
            looks += 1;
            false
        }));
        assert_eq!(looks, 1);
    }
}
