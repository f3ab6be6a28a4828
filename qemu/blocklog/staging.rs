//! The staging area of a crash image: read out of the ext4 in its data partition, journal replayed, as files for
//! an agent that runs on the host.

use super::disk::{pages_of, view};
use anyhow::{Context, Result};
use everboot_builder::paths;
use everboot_kit::sim::pages::{Pages, mix};
use everboot_storage::medium::Medium;
use everboot_testbed::disk::Extent;
use ext4_view::{Ext4, Ext4Read};
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the staging area in its file system.
const DIRECTORY: &str = "/everboot";

/// What the staging area holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// Nothing: the file system cannot be read.
    Lost(String),
    /// These files, in a folder of the host; the number says what is in them.
    Files(PathBuf, u64),
}

impl Staged {
    /// A number for its content.
    pub fn hash(&self) -> u64 {
        match self {
            Self::Lost(_) => 0,
            Self::Files(_, hash) => *hash,
        }
    }
}

/// All that were read out.
#[derive(Debug)]
pub struct StagingCache {
    folder: PathBuf,
    known: HashMap<u64, Staged>,
}

struct Bytes(Vec<u8>);

impl Ext4Read for Bytes {
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        let from = usize::try_from(start)?;
        let bytes =
            self.0.get(from..from + to.len()).ok_or("expected more bytes, found the partition's end")?;
        to.copy_from_slice(bytes);
        Ok(())
    }
}

impl StagingCache {
    /// Files go below this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, known: HashMap::new() }
    }

    /// The staging area in this data partition.
    pub fn staged(&mut self, disk: &Pages, data: Extent) -> Result<Staged> {
        let pages = pages_of(data);
        let key = pages.fold(0, |hash, page| mix(hash, disk.hash_of_page(page)));
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let staged = match files(bytes_of(disk, data)?) {
            Ok(files) => self.keep(&files)?,
            Err(error) => Staged::Lost(error.to_string()),
        };
        self.known.insert(key, staged.clone());
        Ok(staged)
    }

    /// Puts the files on the host, once for each content.
    fn keep(&self, files: &[(String, Vec<u8>)]) -> Result<Staged> {
        let of = |hash, (name, bytes): &(String, Vec<u8>)| {
            mix(mix(hash, Pages::of(name.as_bytes()).hash()), Pages::of(bytes).hash())
        };
        let hash = files.iter().fold(1, of);
        let folder = self.folder.join(format!("{hash:016x}"));
        if !folder.exists() {
            fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
            for (name, bytes) in files {
                fs::write(folder.join(name), bytes)?;
            }
        }
        Ok(Staged::Files(folder, hash))
    }
}

/// Whether this data partition has a staging area that can be read.
pub fn check(disk: &Pages, data: Extent) -> Result<()> {
    files(bytes_of(disk, data)?).map(drop).context("the data partition: expected an ext4 file system")
}

fn bytes_of(disk: &Pages, data: Extent) -> Result<Vec<u8>> {
    let mut bytes = vec![0; data.length as usize];
    view(disk, data).read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// The files of the staging area; none when there is no such directory.
fn files(bytes: Vec<u8>) -> Result<Vec<(String, Vec<u8>)>, ext4_view::Ext4Error> {
    let system = Ext4::load(Box::new(Bytes(bytes)))?;
    let mut found = Vec::new();
    if !system.exists(DIRECTORY)? {
        return Ok(found);
    }
    for entry in system.read_dir(DIRECTORY)? {
        let entry = entry?;
        let name = entry.file_name().as_str().map_or_else(|_| String::new(), str::to_owned);
        if !entry.file_type()?.is_dir() {
            found.push((name, system.read(&entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}

/// Fills a folder with links to these files, and nothing else: what is removed there stays in the cache.
pub fn lay_out(staged: &Staged, folder: &Path) -> Result<()> {
    paths::remove_tree(folder)?;
    let Staged::Files(from, _) = staged else { return Ok(()) };
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::hard_link(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(())
}
