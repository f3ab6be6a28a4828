//! The disks of the machine, by what the kernel says in `/sys/class/block`.
//!
//! A disk that has a partition which the machine looks for, as the kernel has read its table, is read first. The others
//! are read when something is missing, and only if they answer: an unrelated disk that is dying holds nothing up.
//!
//! A partition of a table is used only where the kernel has one of the same number, start and size: its node may be
//! another partition, after a table was changed that the kernel has not read anew.
//!
//! Deliberately absent: device mapper, compressed memory, optical drives and loop devices without a file. None
//! of them carries a partition table that a machine is booted from. Members of an array are no disks of their own, and
//! of the paths to one multipath disk the first one stands for it.

use super::probe;
use super::roots::Roots;
use super::small_file::read_value;
use super::table::{self, Extent};
use crate::machine::{Disk, Partition, Survey, matches};
use crate::table_fault::TableFault;
use everboot_core::config::{Config, Locator};
use everboot_core::slot::Uuid;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The highest number of a partition that is looked for.
pub(super) const MOST_PARTS: u32 = 128;
/// In sysfs sizes and places are in units of so many bytes, whatever the sectors of the disk.
const UNIT: u64 = 512;

/// The device node of a partition, or of a whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// Its path.
    pub(super) path: PathBuf,
    /// `major:minor`, as mountinfo has it.
    pub(super) number: String,
}

/// A disk and the nodes of its partitions, in the order of [`Disk::parts`].
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) disk: Disk,
    pub(super) nodes: Vec<Node>,
    /// Partitions of the table for which the kernel has no node.
    pub(super) missing: Vec<(Partition, Extent)>,
}

/// What a machine looks for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its record, whose disk is this machine's.
    pub(super) record: Locator,
    /// What else has to be there.
    needed: Vec<Locator>,
    /// What need not be there.
    recovery: Locator,
}

impl Wanted {
    pub(super) fn of(config: &Config) -> Self {
        let slots = config.slots.iter().flat_map(|slot| &slot.parts).map(|(_, locator)| locator);
        Self {
            record: config.record.clone(),
            needed: slots.chain([&config.staging]).cloned().collect(),
            recovery: config.recovery.clone(),
        }
    }

    /// Whether the disk has a partition that is looked for, as far as the kernel says.
    fn is_on(&self, entry: &Path) -> bool {
        let Ok(children) = std::fs::read_dir(entry) else { return false };
        let says = |child: std::fs::DirEntry| {
            let facts = read_value(&child.path().join("uevent"))?;
            let is = |locator: &Locator| match locator {
                Locator::PartLabel(label) => {
                    facts.lines().any(|line| line.strip_prefix("PARTNAME=") == Some(label))
                }
                Locator::PartUuid(guid) => {
                    let is = |text| Uuid::parse(text).is_ok_and(|found| found == *guid);
                    facts.lines().filter_map(|line| line.strip_prefix("PARTUUID=")).any(is)
                }
            };
            Some(is(&self.record) || is(&self.recovery) || self.needed.iter().any(is))
        };
        children.filter_map(|child| says(child.ok()?)).any(|wanted| wanted)
    }

    /// Whether nothing is missing.
    fn is_complete(&self, found: &[Found]) -> bool {
        let parts = || found.iter().flat_map(|found| &found.disk.parts);
        [&self.record]
            .into_iter()
            .chain(&self.needed)
            .all(|locator| parts().any(|part| matches(locator, part)))
    }
}

/// Reads the tables of the disks. A partition without a node is left out of its disk. A disk that cannot be read says
/// so; only an unreadable `/sys/class/block` is an error. With `wanted` other disks than those that have it are read
/// where something of it is missing, or where `all` are asked for; they have so many milliseconds to answer.
pub(super) fn disks(
    roots: &Roots,
    wanted: Option<&Wanted>,
    all: bool,
    deadline: u64,
) -> io::Result<Vec<Found>> {
    let class = roots.sys.join("class/block");
    let mut names = disk_names(&class)?;
    let mut paths: Vec<String> = Vec::new();
    names.retain(|name| stands_for_itself(&class.join(name), &class, &mut paths));
    let is_ours = |name: &&String| wanted.is_none_or(|wanted| wanted.is_on(&class.join(name)));
    let (ours, others): (Vec<_>, Vec<_>) = names.iter().partition(is_ours);
    let mut found: Vec<_> =
        ours.into_iter().filter_map(|name| read_disk(roots, &class.join(name), name)).collect();
    if others.is_empty() || (!all && wanted.is_none_or(|wanted| wanted.is_complete(&found))) {
        return Ok(found);
    }
    probe::ask(&others.iter().map(|name| node_path(roots, name)).collect::<Vec<_>>(), deadline);
    for name in others {
        if probe::answers(&node_path(roots, name)) {
            found.extend(read_disk(roots, &class.join(name), name));
        } else {
            let why = "it does not answer, and is not used; check its cable and `dmesg`".to_owned();
            log::warn!("{name}: {why}");
            let why = TableFault::Unusable(why);
            found.push(unusable(name, why));
        }
    }
    found.sort_by(|one, other| one.disk.name.cmp(&other.disk.name));
    Ok(found)
}

fn unusable(name: &str, why: TableFault) -> Found {
    let disk = table::without_parts(name, Uuid([0; 16]), why);
    Found { disk, nodes: Vec::new(), missing: Vec::new() }
}

/// The node of a disk or partition of that name.
pub(super) fn node_path(roots: &Roots, name: &str) -> PathBuf {
    roots.dev.join(name.replace('!', "/"))
}

/// The names of the devices that stand on a disk or partition.
fn holders(entry: &Path) -> Vec<String> {
    let Ok(holders) = std::fs::read_dir(entry.join("holders")) else { return Vec::new() };
    holders.filter_map(|holder| Some(holder.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

/// The array of which a partition is a member: what is written to it alone the others do not have.
pub(super) fn array_of(roots: &Roots, node: &Node) -> Option<String> {
    let name = node.path.strip_prefix(&roots.dev).ok()?.to_str()?.replace('/', "!");
    holders(&roots.sys.join("class/block").join(name)).into_iter().find(|holder| holder.starts_with("md"))
}

/// Whether a disk is neither a member of an array nor one more path to a multipath disk; `paths` are those that a path
/// stands for already.
fn stands_for_itself(entry: &Path, class: &Path, paths: &mut Vec<String>) -> bool {
    for holder in holders(entry) {
        if holder.starts_with("md") {
            return false;
        }
        let kind = read_value(&class.join(&holder).join("dm/uuid"));
        if kind.is_some_and(|kind| kind.starts_with("mpath-")) {
            if paths.contains(&holder) {
                return false;
            }
            paths.push(holder);
        }
    }
    true
}

/// Whether a disk is made to be taken out, or is behind USB, which its link to the device shows.
fn is_removable(entry: &Path) -> bool {
    let is_bus = |name: &str| name.strip_prefix("usb").is_some_and(|bus| bus.parse::<u16>().is_ok());
    let is_usb = |path: PathBuf| path.to_string_lossy().split('/').any(is_bus);
    read_value(&entry.join("removable")).is_some_and(|value| value == "1")
        || std::fs::read_link(entry).is_ok_and(is_usb)
}

/// The names of all disks in `/sys/class/block`, in order.
pub(super) fn disk_names(class: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(class)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    names.retain(|name| is_whole_disk(name, &class.join(name)));
    Ok(names)
}

/// The survey, without the nodes.
pub(super) fn survey(found: &[Found]) -> Survey {
    Survey { disks: found.iter().map(|found| found.disk.clone()).collect() }
}

fn is_whole_disk(name: &str, entry: &Path) -> bool {
    const OTHERS: [&str; 5] = ["ram", "zram", "sr", "fd", "dm-"];
    let other = OTHERS.iter().any(|prefix| name.starts_with(prefix));
    let detached = name.starts_with("loop") && !entry.join("loop/backing_file").exists();
    !other
        && !detached
        && !entry.join("partition").exists()
        && read_value(&entry.join("size")) != Some("0".into())
}

fn read_disk(roots: &Roots, entry: &Path, name: &str) -> Option<Found> {
    let sector = read_value(&entry.join("queue/logical_block_size")).and_then(|text| text.parse().ok());
    let table = File::open(node_path(roots, name)).and_then(|file| table::read(&file, name, sector));
    let (mut disk, extents) = match table {
        Ok(found) => found?,
        // No node yet, or no medium in the drive: not a disk now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOMEDIUM.raw_os_error()) => {
            return None;
        }
        Err(error) => {
            log::warn!("partition table of {name}: {error}");
            return Some(unusable(name, TableFault::Unusable(error.to_string())));
        }
    };
    disk.removable = is_removable(entry);
    let known = kernel_parts(roots, entry);
    let (mut nodes, mut missing) = (Vec::new(), Vec::new());
    for (part, extent) in std::mem::take(&mut disk.parts).into_iter().zip(extents) {
        let meets = |other: &KernelPart| other.number == extent.number || other.meets(&extent);
        match known.iter().find(|known| known.is(&extent)) {
            Some(KernelPart { node: Some(node), .. }) => {
                nodes.push(node.clone());
                disk.parts.push(part);
            }
            // /dev will have it.
            Some(_) => {}
            None if known.iter().any(meets) => {
                let (number, label) = (extent.number, part.label);
                disk.faults.push(TableFault::NotAsTheKernelHasIt { number, label });
            }
            None => missing.push((part, extent)),
        }
    }
    Some(Found { disk, nodes, missing })
}

/// A partition that the kernel knows of.
pub(super) struct KernelPart {
    /// Its number in the table.
    pub(super) number: u32,
    /// First byte.
    start: u64,
    /// Bytes.
    len: u64,
    /// Absent until /dev has it.
    pub(super) node: Option<Node>,
}

impl KernelPart {
    fn is(&self, extent: &Extent) -> bool {
        (self.number, self.start, self.len) == (extent.number, extent.start, extent.len)
    }

    /// Whether they have a byte in common.
    fn meets(&self, extent: &Extent) -> bool {
        self.start < extent.start + extent.len && extent.start < self.start.saturating_add(self.len)
    }
}

/// The partitions of a disk that the kernel knows of.
pub(super) fn kernel_parts(roots: &Roots, entry: &Path) -> Vec<KernelPart> {
    let Ok(children) = std::fs::read_dir(entry) else { return Vec::new() };
    let read = |child: std::fs::DirEntry| {
        let number_in = |name| read_value(&child.path().join(name))?.parse::<u64>().ok();
        let number = number_in("partition")?.try_into().ok()?;
        let bytes_in = |name| number_in(name).unwrap_or(0).saturating_mul(UNIT);
        let path = node_path(roots, &child.file_name().to_string_lossy());
        let device = read_value(&child.path().join("dev"));
        let node = device.filter(|_| path.exists()).map(|number| Node { path, number });
        Some(KernelPart { number, start: bytes_in("start"), len: bytes_in("size"), node })
    };
    children.filter_map(|child| read(child.ok()?)).collect()
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
