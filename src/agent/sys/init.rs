//! The first moments of process 1 in an initramfs: the kernel's file systems, the console, modules, and the
//! wait for devices. Nothing here fails: what is missing is a warning, and the boot goes on without it.

use super::boot_facts::read_text;
use super::mounting::mount;
use super::{clock, initramfs};
use nix::errno::Errno;
use nix::mount::MsFlags;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Pause between two looks for a device, in milliseconds.
const LOOK_EVERY: u64 = 10;

/// Mounts /proc, /sys, /dev and /run where they are not yet mounted, and opens the console. Returns warnings
/// instead of logging them, for there is no log before.
pub fn set_up() -> Vec<String> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounts = [
        ("/dev", "devtmpfs", MsFlags::MS_NOSUID, Some("mode=0755")),
        ("/proc", "proc", safe, None),
        ("/sys", "sysfs", safe, None),
        ("/run", "tmpfs", MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755")),
    ];
    let mut warnings = Vec::new();
    for (point, driver, flags, options) in mounts {
        let _ = std::fs::create_dir(point);
        match mount(Path::new(driver), Path::new(point), driver, flags, options) {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(errno) => warnings.push(format!("mount {point}: {}", errno.desc())),
        }
    }
    initramfs::open_console();
    warnings
}

/// Loads the modules that `list` names, one path a line, in that order. No list, no modules; a module that is
/// loaded or built in already is no fault.
pub fn load_modules(list: &Path) {
    let text = match read_text(list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return log::warn!("{}: {error}", list.display()),
    };
    for path in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let loaded = File::open(path).and_then(|file| Ok(rustix::system::finit_module(&file, c"", 0)?));
        match loaded {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                log::warn!("module {path}: {error}")
            }
            _ => {}
        }
    }
}

/// The kernel command line; empty when it cannot be read.
pub fn kernel_command_line() -> String {
    read_text(Path::new("/proc/cmdline")).unwrap_or_default()
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
