//! What the running system shows of its installation.

use super::roots::read_text;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Whether there is a watchdog device.
pub fn has_watchdog() -> bool {
    ["/dev/watchdog", "/dev/watchdog0"].iter().any(|path| Path::new(path).exists())
}

/// The initramfs of this kernel release where Debian, Fedora, Arch or kernel-install put it, and whether it is
/// older than the program that runs: than its last change of any kind, for packages keep old times of content.
pub fn initramfs(release: &str) -> Option<(String, bool)> {
    let id = read_text("/etc/machine-id".into()).unwrap_or_default();
    let places = [
        format!("/boot/initrd.img-{release}"),
        format!("/boot/initramfs-{release}.img"),
        format!("/boot/{id}/{release}/initrd"),
        format!("/efi/{id}/{release}/initrd"),
        "/boot/initramfs-linux.img".to_owned(),
    ];
    let there = |path: String| Some((fs::metadata(&path).ok()?.mtime(), path));
    let (made, path) = places.into_iter().find_map(there)?;
    let program = fs::metadata("/proc/self/exe").map_or(0, |program| program.ctime());
    Some((path, made < program))
}
