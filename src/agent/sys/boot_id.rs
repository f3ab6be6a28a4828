//! Which boot this is.

use super::roots::Roots;
use super::small_file::read_value;
use everboot_core::slot::Uuid;

/// The id that the kernel made up when it started (random(4)); `None` when it cannot be read.
pub(super) fn boot_id(roots: &Roots) -> Option<Uuid> {
    Uuid::parse(&read_value(&roots.proc.join("sys/kernel/random/boot_id"))?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    #[test]
    fn the_boot_id_is_read_below_the_roots() {
        let temp_dir = TempDir::new("boot-id");
        let roots = Roots::under(temp_dir.path());
        assert_eq!(boot_id(&roots), None);
        temp_dir.file("proc/sys/kernel/random/boot_id", b"3c1ba3f1-6b9c-4f0a-8a39-2d7a4a0d9e55\n");
        assert_eq!(boot_id(&roots).unwrap().to_string(), "3c1ba3f1-6b9c-4f0a-8a39-2d7a4a0d9e55");
        temp_dir.file("proc/sys/kernel/random/boot_id", b"none\n");
        assert_eq!(boot_id(&roots), None);
    }
}
