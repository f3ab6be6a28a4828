//! A download that is not complete: `FILE.part`, and `FILE.part.of`, which says what it is a part of.
//!
//! Invariants:
//! - FILE has its name when all of it is there and durable, never before;
//! - a part is continued only with what it is a part of: it is empty, durably, before it becomes a part of something
//!   else. One that was put together is checked frame by frame.
//!
//! What a cut leaves: a part whose last bytes may be wrong on some file systems. Its checksum shows it, or `everboot
//! stage`.

use super::problem::{Problem, Result};
use anyhow::{Context, anyhow};
use everboot_core::slot::RootHash;
use everboot_core::verbs::Exit;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes that are written before they are made durable: a cut costs no more.
const UNSAFE_MAX: u64 = 16 << 20;

/// What a part is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Where it comes from.
    pub(crate) source: String,
    /// How its server marks this content: the ETag or the date.
    pub(crate) validator: Option<String>,
    /// How long it is, where that is known.
    pub(crate) total: Option<u64>,
}

/// A part, under the hands of one process.
pub(crate) struct Partial {
    file: File,
    len: u64,
    synced: u64,
    origin: Option<Origin>,
    path: PathBuf,
    of: PathBuf,
    output: PathBuf,
    /// Whether it is a part of what is fetched now, or of nothing.
    is_ours: bool,
}

impl Partial {
    /// Takes the part of `output`, as long as it is; empty if it is a part of something else than these.
    pub(crate) fn take(output: &Path, sources: &[&str]) -> Result<Self> {
        let is_other = fs::metadata(output).is_ok_and(|there| !there.is_file());
        if is_other || output.file_name().is_none() {
            let text = "expected a file, found a device or a folder";
            return Err(Problem::lasting(Exit::Failed, anyhow!("{}: {text}", output.display())));
        }
        let (path, of) = (output.with_added_extension("part"), output.with_added_extension("part.of"));
        let file = lock(&path)?;
        let len = file.metadata().with_context(|| format!("open {}", path.display()))?.len();
        let origin = fs::read(&of).ok().and_then(|bytes| serde_json::from_slice::<Origin>(&bytes).ok());
        let origin = origin.filter(|origin| sources.contains(&origin.source.as_str()));
        let (output, is_ours) = (output.to_owned(), origin.is_some() || len == 0);
        Ok(Self { file, len, synced: 0, origin, path, of, output, is_ours })
    }

    pub(crate) fn len(&self) -> u64 {
        if self.origin.is_some() { self.len } else { 0 }
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Begins from nothing.
    pub(crate) fn begin(&mut self, origin: Origin) -> Result<()> {
        self.is_ours = true;
        self.set_len(0)?;
        self.file.sync_all().with_context(|| self.named("sync"))?;
        let text = serde_json::to_vec(&origin).unwrap_or_default();
        let written = File::create(&self.of).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.with_context(|| format!("write {}", self.of.display()))?;
        self.origin = Some(origin);
        Ok(())
    }

    /// Makes it so many bytes long and goes on there; bytes that were not there are zero.
    pub(crate) fn set_len(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len).with_context(|| self.named("cut"))?;
        (self.len, self.synced) = (len, self.synced.min(len));
        Ok(())
    }

    /// What is there is worth nothing.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.origin = None;
        self.set_len(0)
    }

    /// Bytes that are there, so many if there are as many.
    pub(crate) fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let len = self.len().saturating_sub(at).min(len as u64) as usize;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at).with_context(|| self.named("read"))?;
        Ok(bytes)
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, self.len).with_context(|| self.named("write"))?;
        self.len += bytes.len() as u64;
        if self.len - self.synced >= UNSAFE_MAX {
            self.file.sync_data().with_context(|| self.named("sync"))?;
            self.synced = self.len;
        }
        Ok(())
    }

    /// Appends so many zeroes.
    pub(crate) fn skip(&mut self, len: u64) -> Result<()> {
        self.len += len;
        Ok(self.file.set_len(self.len).with_context(|| self.named("write"))?)
    }

    /// Writes over bytes that are there.
    pub(crate) fn patch(&self, at: u64, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all_at(bytes, at).with_context(|| self.named("write"))?)
    }

    /// Refuses what the file system has no room for.
    pub(crate) fn check_free_space(&self, total: u64) -> Result<()> {
        let file_system = rustix::fs::fstatvfs(&self.file).map_err(std::io::Error::from);
        let file_system = file_system.with_context(|| self.named("look at the free space for"))?;
        let (free, needed) =
            (file_system.f_bavail.saturating_mul(file_system.f_frsize), total.saturating_sub(self.len));
        if free < needed {
            let text = format!("{}: {needed} bytes are needed, {free} are free", self.output.display());
            return Err(Problem::lasting(Exit::NoSpace, anyhow!(text)));
        }
        Ok(())
    }

    /// SHA-256 of what is there.
    pub(crate) fn sum(&self) -> Result<RootHash> {
        let (mut sum, mut chunk) = (Sha256::new(), vec![0; 1 << 20]);
        let mut file = File::open(&self.path).with_context(|| self.named("read"))?;
        loop {
            match file.read(&mut chunk).with_context(|| self.named("read"))? {
                0 => return Ok(RootHash(sum.finalize().into())),
                count => sum.update(&chunk[..count]),
            }
        }
    }

    /// Gives the whole its name. Durable first, then named: after a cut it is a part, or whole.
    pub(crate) fn finish(mut self) -> Result<()> {
        let named = || format!("finish {}", self.output.display());
        self.file.sync_all().with_context(named)?;
        if !is_at(&self.file, &self.path) {
            let text = format!("{} was taken away while it was written", self.path.display());
            return Err(Problem::lasting(Exit::Failed, anyhow!(text)));
        }
        fs::rename(&self.path, &self.output).with_context(named)?;
        self.is_ours = false;
        let _ = fs::remove_file(&self.of);
        let folder = self.output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).with_context(named)?;
        Ok(folder.sync_all().with_context(named)?)
    }

    fn named(&self, what: &str) -> String {
        format!("{what} {}", self.path.display())
    }
}

/// A part without a byte of something is no part.
impl Drop for Partial {
    fn drop(&mut self) {
        if self.is_ours && self.len() == 0 {
            let _ = fs::remove_file(&self.of);
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a part that nobody else has.
fn lock(path: &Path) -> Result<File> {
    loop {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.with_context(|| format!("open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{}: another everboot-fetch is at work on it", path.display());
                return Err(Problem::lasting(Exit::Locked, anyhow!(text)));
            }
            Err(TryLockError::Error(error)) => {
                return Err(anyhow!(error).context(format!("lock {}", path.display())).into());
            }
        }
        // Whoever had it may have finished in the meantime: then this is the whole, and no part any more.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// Whether the open file is what has this name.
fn is_at(file: &File, path: &Path) -> bool {
    let inode = |data: fs::Metadata| (data.dev(), data.ino());
    file.metadata().map(inode).ok() == fs::metadata(path).map(inode).ok()
}
