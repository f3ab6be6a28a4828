//! `files`: the files of an ext4 that blocks of a slot belong to. e2fsprogs knows; nothing is written.

use crate::root::tool;
use anyhow::{Context, Result, bail, ensure};
use everboot_agent::machine::Machine;
use everboot_agent::sys::DiskFileMachine;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Blocks of a slot and of its tree.
const BLOCK: u64 = 4096;
/// Numbers in one request: a word of a command line has 128 KiB.
const AT_ONCE: usize = 4096;
/// The first inode that is not the file system's own.
const FIRST_INODE: u64 = 11;
const ROOT_INODE: u64 = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// PARTLABEL, a device, or an image of a file system in a file
    partition: PathBuf,
    /// Blocks of 4096 bytes, as `everboot verify` names them: 7 or 7-12
    #[arg(required = true, value_parser = parse)]
    blocks: Vec<RangeInclusive<u64>>,
    /// Look for PARTLABEL in this disk image
    #[arg(long, value_name = "FILE")]
    disk: Option<PathBuf>,
}

fn parse(text: &str) -> Result<RangeInclusive<u64>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().with_context(|| format!("expected 7 or 7-12, found {text:?}"));
    Ok(number(first)?..=number(last)?)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let image = Image::find(arguments)?;
    let scale = image.blocks_per_block()?;
    let wanted: Vec<u64> = arguments.blocks.iter().cloned().flatten().collect();
    // Of each file the blocks, in the order in which they were given.
    let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (block, inode) in image.inodes(&wanted, scale)? {
        let blocks = found.entry(inode).or_default();
        if blocks.last() != Some(&block) {
            blocks.push(block);
        }
    }
    let inodes: Vec<u64> = found.keys().copied().filter(|inode| *inode >= FIRST_INODE).collect();
    let mut names = image.names(&inodes)?;
    names.insert(ROOT_INODE, "/".to_owned());
    for (inode, blocks) in &found {
        let own = "(the file system's own)".to_owned();
        let nameless = || if *inode < FIRST_INODE { own } else { format!("(inode {inode})") };
        println!("{}: {}", names.get(inode).cloned().unwrap_or_else(nameless), ranges(blocks));
    }
    let is_named = |block: &u64| found.values().any(|blocks| blocks.contains(block));
    let others: Vec<u64> = wanted.into_iter().filter(|block| !is_named(block)).collect();
    if !others.is_empty() {
        println!("(in no file): {}", ranges(&others));
    }
    Ok(())
}

/// As `everboot verify` writes them.
fn ranges(blocks: &[u64]) -> String {
    let run = |run: &[u64]| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run[0].to_string(),
    };
    blocks.chunk_by(|one, next| one + 1 == *next).map(run).collect::<Vec<_>>().join(" ")
}

/// A file system somewhere in a file or a device.
struct Image {
    path: PathBuf,
    start: u64,
}

impl Image {
    fn find(arguments: &Arguments) -> Result<Self> {
        let Arguments { partition, disk, .. } = arguments;
        if let Some(disk) = disk {
            let survey = DiskFileMachine::look(disk, None).survey()?;
            let label = partition.to_string_lossy();
            let found = survey.find(|part| part.label == label);
            let at = found
                .first()
                .with_context(|| format!("{}: expected a partition {label}, found none", disk.display()))?;
            return Ok(Self { path: disk.clone(), start: survey.partition(*at).start });
        }
        let by_label = Path::new("/dev/disk/by-partlabel").join(partition);
        let path = if partition.exists() { partition.clone() } else { by_label };
        ensure!(
            path.exists(),
            "{}: expected a PARTLABEL, a device or a file, found none",
            partition.display()
        );
        Ok(Self { path, start: 0 })
    }

    /// How many blocks of the file system are in one of ours.
    fn blocks_per_block(&self) -> Result<u64> {
        let mut head = [0; 2048];
        let read = File::open(&self.path).and_then(|file| file.read_exact_at(&mut head, self.start));
        read.with_context(|| format!("read {}", self.path.display()))?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[1080..1082] != [0x53, 0xef] {
            let found = match (number(1024), &head[..4]) {
                (0xe0f5_e1e2, _) => "an erofs",
                (_, b"hsqs") => "a squashfs",
                _ => "none that is known here, or a damaged one",
            };
            bail!("{}: expected an ext4, whose blocks can be named, found {found}", self.path.display());
        }
        let size = 1024_u64.checked_shl(number(1024 + 24)).unwrap_or(0);
        ensure!(
            size > 0 && BLOCK.is_multiple_of(size),
            "expected blocks of 1024 to 4096 bytes, found {size}"
        );
        Ok(BLOCK / size)
    }

    /// What debugfs answers: the rows that begin with a number.
    fn ask(&self, what: &str, numbers: &[u64]) -> Result<Vec<(u64, String)>> {
        let mut rows = Vec::new();
        for some in numbers.chunks(AT_ONCE) {
            let some: Vec<_> = some.iter().map(u64::to_string).collect();
            let mut command = tool::tool("debugfs", "e2fsprogs")?;
            // Without its bitmaps, which may be among what is damaged.
            command.args(["-c", "-R", &format!("{what} {}", some.join(" "))]);
            command.arg(format!("{}?offset={}", self.path.display(), self.start));
            let answer = tool::run(&mut command)?;
            let row = |line: &str| {
                let (number, rest) = line.split_once('\t')?;
                Some((number.trim().parse().ok()?, rest.trim().to_owned()))
            };
            rows.extend(answer.lines().filter_map(row));
        }
        Ok(rows)
    }

    /// Which inode has each block, where one has it.
    fn inodes(&self, blocks: &[u64], scale: u64) -> Result<Vec<(u64, u64)>> {
        let all: Vec<u64> =
            blocks.iter().flat_map(|block| block * scale..block.saturating_add(1) * scale).collect();
        let rows = self.ask("icheck", &all)?;
        Ok(rows.into_iter().filter_map(|(block, inode)| Some((block / scale, inode.parse().ok()?))).collect())
    }

    fn names(&self, inodes: &[u64]) -> Result<BTreeMap<u64, String>> {
        // Names in the root come with two slashes.
        let name = |(inode, path): (u64, String)| (inode, path.replacen("//", "/", 1));
        Ok(self.ask("ncheck", inodes)?.into_iter().map(name).collect())
    }
}
