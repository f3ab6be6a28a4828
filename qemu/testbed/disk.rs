//! GPT disk images on the host: made before a virtual machine runs, read after it has ended.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use gpt::disk::LogicalBlockSize;

use everboot_builder::command::{program, run};

const MIB: u64 = 1 << 20;

/// A partition to make.
pub struct Partition<'a> {
    /// Its PARTLABEL.
    pub label: &'a str,
    /// In MiB.
    pub size: u64,
    /// An image to put at its start.
    pub image: Option<&'a Path>,
}

/// Where a partition is on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// From the disk's start.
    pub start: u64,
    /// Length.
    pub length: u64,
}

/// A raw disk image with a GPT.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// An existing image.
    pub fn open(path: &Path) -> Disk {
        Disk { path: path.to_path_buf() }
    }

    /// Makes a sparse image with these partitions one after the other.
    pub fn create(path: &Path, parts: &[Partition<'_>]) -> Result<Disk> {
        let total: u64 = parts.iter().map(|part| part.size).sum::<u64>() + 2;
        File::create(path)?.set_len(total * MIB)?;
        let mut sgdisk = program("sgdisk");
        sgdisk.args(["--clear", "--set-alignment=2048"]);
        for (index, part) in parts.iter().enumerate() {
            let number = index + 1;
            sgdisk.arg(format!("--new={number}:0:+{}M", part.size));
            sgdisk.arg(format!("--change-name={number}:{}", part.label));
        }
        run(sgdisk.arg(path))?;
        let disk = Disk::open(path);
        for part in parts {
            if let Some(image) = part.image {
                disk.write_image(part.label, image)?;
            }
        }
        Ok(disk)
    }

    /// The image's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finds the only partition with this label.
    pub fn part(&self, label: &str) -> Result<Extent> {
        let table = gpt::GptConfig::new()
            .writable(false)
            .open(&self.path)
            .with_context(|| format!("read the GPT of {}", self.path.display()))?;
        let block = LogicalBlockSize::Lb512;
        let named: Vec<_> = table.partitions().values().filter(|part| part.name == label).collect();
        match named[..] {
            [part] => Ok(Extent { start: part.bytes_start(block)?, length: part.bytes_len(block)? }),
            _ => bail!("{} has {} partitions {label}, expected one", self.path.display(), named.len()),
        }
    }

    /// Reads from a partition.
    pub fn read(&self, label: &str, offset: u64, length: usize) -> Result<Vec<u8>> {
        let part = self.part(label)?;
        ensure!(offset + length as u64 <= part.length, "{label} ends before byte {}", offset + length as u64);
        let mut bytes = vec![0; length];
        File::open(&self.path)?.read_exact_at(&mut bytes, part.start + offset)?;
        Ok(bytes)
    }

    /// Writes into a partition, as damage or as preparation.
    pub fn write(&self, label: &str, offset: u64, bytes: &[u8]) -> Result<()> {
        let part = self.part(label)?;
        ensure!(offset + bytes.len() as u64 <= part.length, "{label} is too small for this write");
        File::options().write(true).open(&self.path)?.write_all_at(bytes, part.start + offset)?;
        Ok(())
    }

    /// Copies an image to a partition's start, keeping holes.
    pub fn write_image(&self, label: &str, image: &Path) -> Result<()> {
        let part = self.part(label)?;
        let size = image.metadata().with_context(|| format!("look at {}", image.display()))?.len();
        ensure!(size <= part.length, "{} ({size} bytes) does not fit {label}", image.display());
        run(program("dd")
            .arg(format!("if={}", image.display()))
            .arg(format!("of={}", self.path.display()))
            .args(["bs=1M", "conv=notrunc,sparse", "oflag=seek_bytes", "status=none"])
            .arg(format!("seek={}", part.start)))?;
        Ok(())
    }

    /// Copies a partition into a file of its own.
    pub fn extract(&self, label: &str, to: &Path) -> Result<()> {
        self.extract_part(self.part(label)?, to)
    }

    /// The same, by its place.
    pub fn extract_part(&self, part: Extent, to: &Path) -> Result<()> {
        run(program("dd")
            .arg(format!("if={}", self.path.display()))
            .arg(format!("of={}", to.display()))
            .args(["bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes", "status=none"])
            .arg(format!("skip={}", part.start))
            .arg(format!("count={}", part.length)))?;
        Ok(())
    }

    /// Copies the whole image, keeping holes, so that a story may spoil its own.
    pub fn copy_to(&self, to: &Path) -> Result<Disk> {
        run(program("cp").args(["--sparse=always", "--reflink=auto"]).arg(&self.path).arg(to))?;
        Ok(Disk::open(to))
    }
}
