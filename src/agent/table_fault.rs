//! What is wrong with the partition table of a disk, or between the table and the kernel.

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableFault {
    /// The first sector holds no MBR.
    Mbr,
    /// The primary table is damaged; the backup is used.
    Primary {
        /// Whether the backup is at the end of the disk, where other programs look for it.
        is_backup_at_end: bool,
    },
    /// The backup is damaged, or says something else.
    Backup,
    /// The backup is not at the end of the disk.
    BackupNotAtEnd,
    /// An MBR without an entry for the table: it is not used.
    Stale,
    /// It was made for sectors of another size, in bytes: it is not used.
    OtherSectorSize {
        /// Those of the table.
        table: u64,
        /// Those of the disk.
        disk: u32,
    },
    /// The kernel has another partition of that number, or the same one elsewhere: it is not used.
    NotAsTheKernelHasIt {
        /// Its number in the table.
        number: u32,
        /// Its label.
        label: String,
    },
    /// Table and backup cannot be used: why.
    Unusable(String),
}

impl TableFault {
    /// What is wrong and what to run, for a reader. `device` is the path of the disk.
    pub fn text(&self, device: &str) -> String {
        match self {
            Self::Mbr => format!(
                "its first sector holds no MBR; both GUID partition tables are sound: `sgdisk -e {device}` writes it anew"
            ),
            Self::Primary { is_backup_at_end: true } => format!(
                "its primary partition table is damaged, and the backup is used; `sgdisk -e {device}` writes it anew"
            ),
            Self::Primary { is_backup_at_end: false } => {
                "its primary partition table is damaged, and the backup is used, which is not at the end of the disk, \
                 where other programs look for it: make the table anew, each partition where it is"
                    .to_owned()
            }
            Self::Backup => format!(
                "its backup partition table is damaged or differs; `sgdisk -e {device}` writes it anew from the primary one"
            ),
            Self::BackupNotAtEnd => format!(
                "its backup partition table is not at the end of the disk, as after an image was written to a larger \
                 disk; `sgdisk -e {device}` moves it there"
            ),
            Self::Stale => format!(
                "its MBR has no entry for the GUID partition table, which is stale and not used; `sgdisk -z {device}` \
                 removes it; if it is the MBR that is wrong, `gdisk {device}` makes a protective one"
            ),
            Self::OtherSectorSize { table, disk } => format!(
                "its partition table is for sectors of {table} bytes, and the disk has sectors of {disk}: it is not \
                 used; make the image with `everboot-pack disk --sector-size {disk}`"
            ),
            Self::NotAsTheKernelHasIt { number, label } => format!(
                "partition {number} ({label}) is elsewhere for the kernel than in the table, and is not used; run \
                 `partx -u {device}`, or reboot"
            ),
            Self::Unusable(why) => why.clone(),
        }
    }
}
