//! Mounting a disk's file system for a person, and the list of what could be mounted.

use super::file_medium::FileMedium;
use super::file_system::{self, FileSystem};
use super::linux::LinuxMachine;
use super::mounting::{self, mount};
use super::small_file::read_value;
use super::survey::{self, Node};
use crate::machine::{Access, PartitionRef};
use everboot_storage::medium::{Error, Op};
use nix::mount::MsFlags;
use std::io;
use std::path::{Path, PathBuf};

/// What a file system is mounted for, and so how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A slot: not a byte of it changes.
    Slot,
    /// The staging area: as the verbs mount it, so that they can go on to use it.
    Staging,
    /// A foreign one: not a byte changes, and nothing on it is run.
    Foreign,
}

/// A disk, or a partition.
#[derive(Debug, Clone)]
pub struct BlockDevice {
    node: Node,
    /// Whether it is a partition, of the disk before it in a list.
    pub is_part: bool,
    /// Its place in the latest survey, if it is a partition there.
    pub at: Option<PartitionRef>,
}

impl BlockDevice {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.node.path
    }
}

impl LinuxMachine {
    /// All disks with their partitions, by what the kernel says.
    pub fn block_devices(&self) -> Vec<BlockDevice> {
        let class = self.roots.sys.join("class/block");
        let mut devices = Vec::new();
        for disk in survey::disk_names(&class).unwrap_or_default() {
            devices.extend(self.block_device(&disk));
            let parts = survey::kernel_parts(&self.roots, &class.join(&disk));
            for number in 1..=survey::MOST_PARTS {
                let part = parts.iter().find(|part| part.number == number);
                if let Some(node) = part.and_then(|part| part.node.clone()) {
                    devices.push(BlockDevice { at: self.place(&node), node, is_part: true });
                }
            }
        }
        devices
    }

    /// The block device of that name, with or without `/dev/`.
    pub fn block_device(&self, name: &str) -> Option<BlockDevice> {
        let in_dev = Path::new(name).strip_prefix(&self.roots.dev);
        let name = in_dev.ok().and_then(Path::to_str).unwrap_or(name);
        let number =
            read_value(&self.roots.sys.join("class/block").join(name.replace('/', "!")).join("dev"))?;
        let node = Node { path: survey::node_path(&self.roots, name), number };
        Some(BlockDevice { at: self.place(&node), is_part: false, node })
    }

    /// The block device of a partition of the latest survey.
    pub fn partition(&self, at: PartitionRef) -> Option<BlockDevice> {
        let node = self.node(at).ok()?.clone();
        Some(BlockDevice { node, is_part: true, at: Some(at) })
    }

    fn place(&self, node: &Node) -> Option<PartitionRef> {
        for (disk, found) in self.found.iter().enumerate() {
            if let Some(part) = found.nodes.iter().position(|other| other.number == node.number) {
                return Some(PartitionRef { disk, part });
            }
        }
        None
    }

    /// Its size in bytes, and the file system that it holds, if one is known.
    pub fn contents(&self, device: &BlockDevice) -> (u64, Option<&'static str>) {
        use everboot_storage::medium::Medium;
        let Ok(part) = FileMedium::open(&device.node.path, Access::Read) else { return (0, None) };
        (part.len(), file_system::detect(&part).ok().flatten().map(|found| found.driver))
    }

    /// Where it is mounted as a whole.
    pub fn mount_point(&self, device: &BlockDevice) -> Option<PathBuf> {
        self.mounted_at(&device.node, Access::Read)
    }

    /// Mounts a device at a directory, which is made where it is not there.
    pub fn mount_device(&self, device: &BlockDevice, point: &Path, purpose: Purpose) -> Result<(), Error> {
        let path = &device.node.path;
        let failed = |source: io::Error| Error::named(Op::Open, path.to_string_lossy(), source);
        self.check_hibernation()?;
        let part = FileMedium::open(path, Access::Read)?;
        let Some(FileSystem { driver, usual, no_replay }) = file_system::detect(&part)? else {
            return Err(failed(io::Error::other("it holds no known file system")));
        };
        drop(part);
        std::fs::create_dir_all(point).map_err(failed)?;
        let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let (flags, options) = match purpose {
            Purpose::Slot => (MsFlags::MS_RDONLY, no_replay),
            Purpose::Foreign => (MsFlags::MS_RDONLY | safe, no_replay),
            Purpose::Staging => (safe, usual),
        };
        mount(path, point, driver, flags, options).map_err(|error| failed(mounting::in_words(error)))
    }
}

/// Unmounts what is mounted at a directory, if nobody uses it.
pub fn unmount_device(point: &Path) -> io::Result<()> {
    Ok(nix::mount::umount2(point, nix::mount::MntFlags::empty())?)
}

/// The same whoever uses it: it goes with its last user. That it is not mounted any more is no fault.
pub fn detach(point: &Path) {
    let _ = mounting::unmount(point);
}
