//! All disks of the machine, by what the kernel says in `/sys/class/block`.
//!
//! Deliberately absent: device mapper, compressed memory, optical drives and loop devices without a file. None
//! of them carries a partition table that a machine is booted from.

use super::roots::Roots;
use super::small_file::read_value;
use super::table::{self, Extent};
use crate::machine::{Disk, Survey};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The highest number of a partition that is looked for.
pub(super) const MOST_PARTS: u32 = 128;

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
    pub(super) missing: Vec<Extent>,
}

/// Reads the tables of all disks. A partition without a node is left out of its disk. A disk that cannot be
/// read is a warning; only an unreadable `/sys/class/block` is an error.
pub(super) fn disks(roots: &Roots) -> io::Result<Vec<Found>> {
    let class = roots.sys.join("class/block");
    let names = disk_names(&class)?;
    Ok(names.iter().filter_map(|name| read_disk(roots, &class.join(name), name)).collect())
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
    let path = roots.dev.join(name.replace('!', "/"));
    let table = File::open(path).and_then(|file| table::read(&file, name, sector));
    let (mut disk, extents) = match table {
        Ok(found) => found?,
        // No node yet, or no medium in the drive: not a disk now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOMEDIUM.raw_os_error()) => {
            return None;
        }
        Err(error) => {
            log::warn!("partition table of {name}: {error}");
            return None;
        }
    };
    let known = nodes(roots, entry);
    let (mut nodes, mut missing) = (Vec::new(), Vec::new());
    let mut parts = Vec::new();
    for (part, extent) in disk.parts.into_iter().zip(extents) {
        match known.iter().find(|(number, _)| *number == extent.number) {
            Some((_, node)) => {
                nodes.push(node.clone());
                parts.push(part);
            }
            None => missing.push(extent),
        }
    }
    disk.parts = parts;
    Some(Found { disk, nodes, missing })
}

/// The partitions that the kernel knows of, by their number in the table.
pub(super) fn nodes(roots: &Roots, entry: &Path) -> Vec<(u32, Node)> {
    let Ok(children) = std::fs::read_dir(entry) else { return Vec::new() };
    let node = |child: std::fs::DirEntry| {
        let number = read_value(&child.path().join("partition"))?.parse().ok()?;
        let name = child.file_name().to_string_lossy().replace('!', "/");
        let path = roots.dev.join(name);
        let device = read_value(&child.path().join("dev"))?;
        path.exists().then_some((number, Node { path, number: device }))
    };
    children.filter_map(|child| node(child.ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::temp_dir::TempDir;

    /// A machine with one disk of two partitions, the second of which has no node.
    fn machine(temp_dir: &TempDir) -> Roots {
        let disk = temp_dir.file("dev/nvme0n1", &vec![0; 4 << 20]);
        let config = gpt::GptConfig::new().writable(true);
        let mut table = config.create(&disk).unwrap();
        for name in ["a", "b"] {
            table.add_partition(name, 1 << 20, gpt::partition_types::LINUX_FS, 0, None).unwrap();
        }
        table.write().unwrap();
        temp_dir.file("dev/nvme0n1p1", b"");
        temp_dir.file("dev/loop0", b"not a disk");
        let class = "sys/class/block";
        for (name, text) in [
            ("nvme0n1/size", "8192\n"),
            ("nvme0n1/queue/logical_block_size", "512\n"),
            ("nvme0n1/nvme0n1p1/partition", "1\n"),
            ("nvme0n1/nvme0n1p1/dev", "259:1\n"),
            ("nvme0n1p1/partition", "1\n"),
            ("loop0/size", "8\n"),
            ("ram0/size", "8\n"),
            ("sda/size", "8\n"),
        ] {
            temp_dir.file(&format!("{class}/{name}"), text.as_bytes());
        }
        Roots::under(temp_dir.path())
    }

    #[test]
    fn partitions_are_those_that_have_a_node() {
        let temp_dir = TempDir::new("survey");
        let roots = machine(&temp_dir);
        let found = disks(&roots).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].disk.name, "nvme0n1");
        let labels: Vec<_> = found[0].disk.parts.iter().map(|part| part.label.as_str()).collect();
        assert_eq!(labels, ["a"]);
        assert_eq!(found[0].nodes, [Node { path: roots.dev.join("nvme0n1p1"), number: "259:1".into() }]);
        assert_eq!(found[0].missing[0].number, 2);
        assert_eq!(survey(&found).disks.len(), 1);
    }
}
