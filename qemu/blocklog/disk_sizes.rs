//! How large disks are: those that the campaign makes, and those that it takes.

use anyhow::{Result, ensure};
use everboot_storage::apply::{Layout, TRAILER_LEN};

const MIB: u64 = 1 << 20;
/// A disk is held in memory more than once.
const LARGEST_DISK: u64 = 1 << 30;
/// Of the record.
const RECORD: u64 = 1;
/// Before the first partition and behind the last one, together.
const MARGINS: u64 = 2;

/// The room of a machine of the campaign's own, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSizes {
    /// Each slot.
    pub slot: u64,
    /// The data partition.
    pub data: u64,
}

impl DiskSizes {
    /// What its own small systems need.
    pub const SMALLEST: Self = Self { slot: 4, data: 6 };

    /// What an image and its bundle need, of so many bytes.
    pub fn of(image: u64, bundle: u64) -> Result<Self> {
        let layout = Layout::new(u64::MAX / 2, image)?;
        let slot = (layout.image_len + layout.tree_len + TRAILER_LEN).div_ceil(MIB);
        // The journal of a file system, its tables, and the bundle.
        let data = bundle.div_ceil(MIB) * 5 / 4 + 5;
        Ok(Self { slot: slot.max(Self::SMALLEST.slot), data })
    }

    /// The bytes of the disk.
    pub fn disk(&self) -> u64 {
        (2 * self.slot + self.data + RECORD + MARGINS) * MIB
    }

    /// The words for `everboot-pack disk`.
    pub fn words(&self) -> [String; 6] {
        let [slot, data, record] = [self.slot, self.data, RECORD].map(|mib| mib.to_string());
        ["--slot-size".into(), slot, "--data-size".into(), data, "--record-size".into(), record]
    }
}

/// Whether a disk of so many bytes is small enough; `advice` says what to do else.
pub fn check_disk_size(bytes: u64, advice: &str) -> Result<()> {
    let [most, found] = [LARGEST_DISK, bytes].map(|bytes| bytes.div_ceil(MIB));
    ensure!(found <= most, "expected a disk of {most} MiB at most, found one of {found}; {advice}");
    Ok(())
}
