//! Which file system a partition holds, by its magic number, and how it is mounted.
//!
//! The magic is looked at instead of trying one driver after the other: a driver that is offered foreign
//! bytes fills the kernel log, and the first that accepts need not be the right one.

use everboot_storage::medium::{self, Medium};

/// A file system that the kernel may be asked to mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileSystem {
    /// The name of its driver.
    pub(super) driver: &'static str,
    /// The options of a mount that may write. An ext4 may say of itself that the kernel should panic on damage:
    /// then a machine would restart for ever, and nothing else on it would be tried.
    pub(super) usual: Option<&'static str>,
    /// The options with which a read-only mount replays no journal and so writes nothing.
    pub(super) no_replay: Option<&'static str>,
}

struct Magic {
    at: usize,
    bytes: &'static [u8],
    is: FileSystem,
}

const fn magic(
    at: usize,
    bytes: &'static [u8],
    driver: &'static str,
    usual: Option<&'static str>,
    no_replay: Option<&'static str>,
) -> Magic {
    Magic { at, bytes, is: FileSystem { driver, usual, no_replay } }
}

/// From the kernel's include/uapi/linux/magic.h and the file systems' own headers. The ext4 driver takes ext2
/// and ext3 too. vfat comes last: its magic is no more than a text in a boot sector.
const KNOWN: [Magic; 9] = [
    magic(1080, &[0x53, 0xef], "ext4", Some("errors=remount-ro"), Some("noload,errors=remount-ro")),
    magic(0, b"hsqs", "squashfs", None, None),
    magic(1024, &[0xe2, 0xe1, 0xf5, 0xe0], "erofs", None, None),
    magic(0, b"XFSB", "xfs", None, Some("norecovery")),
    magic(65536 + 64, b"_BHRfS_M", "btrfs", None, Some("rescue=nologreplay")),
    magic(1024, &[0x10, 0x20, 0xf5, 0xf2], "f2fs", None, Some("norecovery")),
    magic(82, b"FAT32   ", "vfat", None, None),
    magic(54, b"FAT16   ", "vfat", None, None),
    magic(54, b"FAT12   ", "vfat", None, None),
];

/// Bytes from the beginning that are looked at.
const PROBED: usize = 65536 + 4096;

/// The file system in `part`; `None` when it holds none that is known. An error is the device's.
pub(super) fn detect(part: &impl Medium) -> Result<Option<FileSystem>, medium::Error> {
    let len = part.len().min(PROBED as u64) as usize;
    let mut head = vec![0; len];
    part.read_at(0, &mut head)?;
    let holds = |known: &&Magic| head.get(known.at..).is_some_and(|rest| rest.starts_with(known.bytes));
    Ok(KNOWN.iter().find(holds).map(|known| known.is))
}

/// The page in which a hibernation image may begin in a file system, if the kernel command line has one: that of a swap
/// file (`resume_offset=`, in pages).
pub(super) fn resume_offset(command_line: &str) -> Option<u64> {
    let mut offsets =
        command_line.split_ascii_whitespace().filter_map(|word| word.strip_prefix("resume_offset="));
    offsets.next_back()?.parse().ok()
}

/// Whether the kernel left a hibernation image in `part`: the signature at the end of the first page of the swap space
/// (kernel/power/swap.c), which begins at this page. Mounting a file system that the image also has mounted destroys
/// it.
pub(super) fn hibernated(part: &impl Medium, at: u64) -> Result<bool, medium::Error> {
    const SIGNATURE: &[u8; 9] = b"S1SUSPEND";
    let mut page = [0; 4096];
    let len = page.len() as u64;
    let Some(start) = at.checked_mul(len).filter(|start| part.len().saturating_sub(*start) >= len) else {
        return Ok(false);
    };
    part.read_at(start, &mut page)?;
    Ok(page[4086..].starts_with(SIGNATURE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Access;
    use crate::sys::FileMedium;
    use crate::sys::temp_dir::TempDir;

    fn check(at: usize, bytes: &[u8], driver: Option<&str>, hibernation: bool) {
        let temp_dir = TempDir::new("magic");
        let mut image = vec![0; 128 * 1024];
        image[at..at + bytes.len()].copy_from_slice(bytes);
        let part = FileMedium::open(&temp_dir.file("part", &image), Access::Read).unwrap();
        assert_eq!(detect(&part).unwrap().map(|found| found.driver), driver);
        assert_eq!(hibernated(&part, 0).unwrap(), hibernation);
    }

    #[test]
    fn a_hibernation_image_is_seen_in_a_swap_file() {
        assert_eq!(resume_offset("resume=/dev/vda2 resume_offset=1 resume_offset=2 ro"), Some(2));
        assert_eq!((resume_offset("quiet"), resume_offset("resume_offset=x")), (None, None));
        let temp_dir = TempDir::new("swap-file");
        let mut image = vec![0; 4 * 4096];
        image[2 * 4096 + 4086..][..9].copy_from_slice(b"S1SUSPEND");
        let part = FileMedium::open(&temp_dir.file("part", &image), Access::Read).unwrap();
        let seen = [0, 1, 2, 3, 4, u64::MAX].map(|at| hibernated(&part, at).unwrap());
        assert_eq!(seen, [false, false, true, false, false, false]);
    }

    #[test]
    fn file_systems_are_known_by_their_magic() {
        check(0, b"", None, false);
        check(1080, &[0x53, 0xef], Some("ext4"), false);
        check(0, b"hsqs", Some("squashfs"), false);
        check(65600, b"_BHRfS_M", Some("btrfs"), false);
        check(82, b"FAT32   ", Some("vfat"), false);
        check(4086, b"SWAPSPACE2", None, false);
        check(4086, b"S1SUSPEND\0", None, true);
    }
}
