//! What the running system shows of its installation.

use super::roots::Roots;
use super::small_file::read_value;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Whether there is a watchdog device.
pub fn has_watchdog(roots: &Roots) -> bool {
    ["watchdog", "watchdog0"].iter().any(|name| roots.dev.join(name).exists())
}

/// The initramfs of this kernel release where Debian, Fedora, Arch or kernel-install put it, and whether it is
/// older than the program that runs: than its last change of any kind, for packages keep old times of content.
pub fn initramfs(roots: &Roots, release: &str) -> Option<(String, bool)> {
    let id = read_value(&roots.etc.join("machine-id")).unwrap_or_default();
    let places = [
        format!("boot/initrd.img-{release}"),
        format!("boot/initramfs-{release}.img"),
        format!("boot/{id}/{release}/initrd"),
        format!("efi/{id}/{release}/initrd"),
        "boot/initramfs-linux.img".to_owned(),
    ];
    let there = |place: &String| {
        let path = roots.root.join(place);
        Some((fs::metadata(&path).ok()?.mtime(), path))
    };
    let (made, path) = places.iter().find_map(there)?;
    let program = fs::metadata(roots.proc.join("self/exe")).map_or(0, |program| program.ctime());
    Some((path.to_string_lossy().into_owned(), made < program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;
    use std::time::Duration;

    /// The initramfs that is found for release 6.1, as a path in the root, and whether it is older than the program.
    fn found(temp_dir: &TempDir) -> Option<(String, bool)> {
        let (path, is_older) = initramfs(&Roots::under(temp_dir.path()), "6.1")?;
        Some((path.strip_prefix(temp_dir.path().to_str()?)?.to_owned(), is_older))
    }

    #[test]
    fn a_watchdog_is_there_under_either_name() {
        let temp_dir = TempDir::new("has-watchdog");
        let roots = Roots::under(temp_dir.path());
        assert!(!has_watchdog(&roots));
        let first = temp_dir.file("dev/watchdog0", b"");
        assert!(has_watchdog(&roots));
        fs::remove_file(first).unwrap();
        temp_dir.file("dev/watchdog", b"");
        assert!(has_watchdog(&roots));
    }

    #[test]
    fn an_initramfs_is_found_by_the_release_of_its_kernel() {
        let temp_dir = TempDir::new("initramfs-release");
        assert_eq!(found(&temp_dir), None);
        temp_dir.file("boot/initrd.img-6.2", b"");
        assert_eq!(found(&temp_dir), None);
        for name in ["/boot/initramfs-linux.img", "/boot/initramfs-6.1.img", "/boot/initrd.img-6.1"] {
            temp_dir.file(&name[1..], b"");
            assert_eq!(found(&temp_dir).unwrap().0, name);
        }
    }

    #[test]
    fn an_initramfs_is_found_by_the_id_of_the_machine() {
        let temp_dir = TempDir::new("initramfs-id");
        temp_dir.file("etc/machine-id", b"0123abcd\n");
        temp_dir.file("boot/other/6.1/initrd", b"");
        assert_eq!(found(&temp_dir), None);
        for name in ["/efi/0123abcd/6.1/initrd", "/boot/0123abcd/6.1/initrd"] {
            temp_dir.file(&name[1..], b"");
            assert_eq!(found(&temp_dir).unwrap().0, name);
        }
    }

    #[test]
    fn an_initramfs_is_older_than_a_program_that_changed_after_it() {
        let temp_dir = TempDir::new("initramfs-older");
        temp_dir.file("proc/self/exe", b"");
        let made = fs::File::create(temp_dir.file("boot/initrd.img-6.1", b"")).unwrap();
        let day = Duration::from_secs(86_400);
        let now = fs::metadata(temp_dir.path().join("proc/self/exe")).unwrap().modified().unwrap();
        for (time, is_older) in [(now - day, true), (now + day, false)] {
            made.set_modified(time).unwrap();
            assert_eq!(found(&temp_dir).unwrap().1, is_older);
        }
    }
}
