//! An ext4, by mke2fs; times and the root's own owner by debugfs.
//!
//! mke2fs takes over when a file was unpacked, and how old versions of it name the moment in which they run
//! differs; so debugfs gives every inode that is in use the same times afterwards.

use super::count::count;
use super::file_system::{Fixed, Options};
use super::temp_dir::TempDir;
use super::tool::{run, tool};
use super::tree::Tree;
use super::unpack::{folder, unpacked};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::Path;

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 4096;
/// mke2fs keeps the first ten inodes for itself; the eleventh is lost+found.
const FIRST_INODE: u64 = 11;
/// Blocks that each group of 32768 needs for itself: its bitmaps, and at most a copy of the superblock and of
/// the table of groups.
const GROUP_BLOCKS: u64 = 32768;

/// Named one by one, so that every version of mke2fs makes the same; a kernel of 2012 knows them all.
const FEATURES: &str = "none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
    huge_file,dir_nlink,extra_isize,metadata_csum";

pub(crate) fn make(
    tree: &Tree,
    options: Options,
    fixed: &Fixed,
    image: &Path,
    temp_dir: &TempDir,
) -> Result<()> {
    let plan = Plan::new(tree, options)?;
    File::create(image)?.set_len(plan.mib * MIB)?;
    let mut mke2fs = tool("mke2fs", "e2fsprogs")?;
    // A file that is not there: what the machine has configured is not looked at.
    mke2fs.env("MKE2FS_CONFIG", temp_dir.path("no-mke2fs.conf"));
    mke2fs.env("E2FSPROGS_FAKE_TIME", fixed.time.to_string());
    let journal = if options.open { ",has_journal" } else { "" };
    mke2fs.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0"]);
    mke2fs.args(["-O", &format!("{FEATURES}{journal}"), "-U", &fixed.uuid.to_string()]);
    mke2fs.args(["-N", &plan.inodes.to_string()]);
    if options.open {
        mke2fs.args(["-J", &format!("size={}", (plan.mib / 64).clamp(4, 64))]);
    }
    mke2fs.arg("-E").arg(format!("root_owner=0:0,hash_seed={},lazy_itable_init=0", fixed.uuid));
    mke2fs.arg("-d").arg(folder(temp_dir)).arg(image);
    let made = unpacked(tree, fixed.time, temp_dir, &mke2fs);
    made.with_context(|| format!("make an ext4 of {} MiB (--size makes it larger)", plan.mib))?;
    set_times(tree, fixed, image, temp_dir)
}

struct Plan {
    mib: u64,
    inodes: u64,
}

impl Plan {
    /// As much as the content needs and some room; an open one has a quarter and 64 MiB to write to.
    fn new(tree: &Tree, options: Options) -> Result<Self> {
        let count = count(tree)?;
        let inodes = FIRST_INODE + count.inodes + 16 + if options.open { count.inodes / 4 + 4096 } else { 0 };
        let tables = inodes.div_ceil(BLOCK / 256);
        let content = count.blocks + tables;
        let groups = content.div_ceil(GROUP_BLOCKS) + 1;
        let needed = content + groups * (3 + groups.div_ceil(64)) + 16;
        let least = (needed * BLOCK).div_ceil(MIB);
        let free = if options.open { least / 4 + 64 } else { least / 50 + 1 };
        let mib = options.size.unwrap_or(least + free);
        ensure!(
            needed * BLOCK <= mib * MIB,
            "the content does not fit: expected at most {mib} MiB (--size), found about {least}"
        );
        Ok(Self { mib, inodes })
    }
}

/// Gives every inode in use the fixed times, and the root what the tree says of it.
fn set_times(tree: &Tree, fixed: &Fixed, image: &Path, temp_dir: &TempDir) -> Result<()> {
    let mut script = format!("set_current_time @{}\n", fixed.time);
    for inode in used_inodes(image)? {
        for field in ["atime", "ctime", "crtime"] {
            writeln!(script, "set_inode_field <{inode}> {field} @{}", fixed.time)?;
        }
    }
    let root = &tree.root().meta;
    for (field, value) in [
        ("mode", format!("0{:o}", 0o40000 | root.mode)),
        ("uid", root.uid.to_string()),
        ("gid", root.gid.to_string()),
        ("mtime", format!("@{}", root.time.min(fixed.time))),
    ] {
        writeln!(script, "set_inode_field <2> {field} {value}")?;
    }
    let path = temp_dir.path("debugfs");
    fs::write(&path, script)?;
    let mut debugfs = tool("debugfs", "e2fsprogs")?;
    debugfs.env("DEBUGFS_PAGER", "cat").arg("-w").arg("-f").arg(&path).arg(image);
    run(&mut debugfs).map(drop)
}

/// The root, and all that is not free from lost+found on.
fn used_inodes(image: &Path) -> Result<Vec<u64>> {
    let said = run(tool("dumpe2fs", "e2fsprogs")?.arg(image))?;
    let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let all = field("Inode count:").and_then(|count| count.parse::<u64>().ok());
    let all = all.context("dumpe2fs: expected a count of inodes")?;
    let mut used = vec![2];
    let mut next = FIRST_INODE;
    for free in free_inodes(&said)? {
        used.extend(next..*free.start());
        next = next.max(free.end() + 1);
    }
    used.extend(next..=all);
    Ok(used)
}

/// The ranges in the groups' lines, such as `  Free inodes: 13-2048, 2050`.
fn free_inodes(said: &str) -> Result<Vec<RangeInclusive<u64>>> {
    let lists = said.lines().filter_map(|line| line.strip_prefix("  Free inodes:"));
    let ranges = lists.flat_map(|list| list.split(',')).map(str::trim).filter(|range| !range.is_empty());
    ranges
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Ok(first.parse()?..=last.parse()?)
        })
        .collect::<Result<_>>()
        .context("dumpe2fs: expected ranges of free inodes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_inodes_are_ranges_and_single_ones() {
        let said =
            "Free inodes:              9\n  Free blocks: 1-2\n  Free inodes: 13-32, 34\n  Free inodes: \n";
        assert_eq!(free_inodes(said).unwrap(), [13..=32, 34..=34]);
    }
}
