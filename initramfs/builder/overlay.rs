//! Files that are laid over a base tree before an image is made of it.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Every file's time: images of the same files differ in nothing that we choose.
pub const TIME: Duration = Duration::from_secs(1_700_000_000);

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    HostFile(PathBuf),
    Link(String),
    Folder,
}

#[derive(Clone)]
struct Entry {
    path: String,
    mode: u32,
    content: Content,
}

/// Entries in the order in which they are laid; a later one at the same path wins.
#[derive(Clone, Default)]
pub struct Overlay {
    entries: Vec<Entry>,
}

impl Overlay {
    /// A file with these bytes, mode 0644.
    pub fn file(self, path: &str, bytes: impl Into<Vec<u8>>) -> Overlay {
        self.with(path, 0o644, Content::Bytes(bytes.into()))
    }

    /// A file with these bytes, mode 0755.
    pub fn program(self, path: &str, bytes: impl Into<Vec<u8>>) -> Overlay {
        self.with(path, 0o755, Content::Bytes(bytes.into()))
    }

    /// A copy of a file of the host.
    pub fn host_file(self, path: &str, mode: u32, from: &Path) -> Overlay {
        self.with(path, mode, Content::HostFile(from.to_path_buf()))
    }

    /// Copies of a folder's files, with their modes.
    pub fn host_folder(mut self, path: &str, from: &Path) -> Result<Overlay> {
        let mut names: Vec<_> =
            fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
        names.sort();
        for name in names {
            let (path, from) = (format!("{path}/{}", name.to_string_lossy()), from.join(name));
            let data = fs::metadata(&from)?;
            self = if data.is_dir() {
                self.host_folder(&path, &from)?
            } else {
                self.host_file(&path, data.permissions().mode() & 0o777, &from)
            };
        }
        Ok(self)
    }

    /// A symbolic link.
    pub fn link(self, path: &str, target: &str) -> Overlay {
        self.with(path, 0o777, Content::Link(target.to_owned()))
    }

    /// A folder.
    pub fn folder(self, path: &str) -> Overlay {
        self.with(path, 0o755, Content::Folder)
    }

    /// These entries, then the others.
    pub fn then(mut self, other: &Overlay) -> Overlay {
        self.entries.extend(other.entries.iter().cloned());
        self
    }

    /// A name for the content: equal overlays have equal digests.
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            let (kind, bytes) = match &entry.content {
                Content::Bytes(bytes) => ("file", bytes.clone()),
                Content::HostFile(from) => ("file", read(from)?),
                Content::Link(target) => ("link", target.clone().into_bytes()),
                Content::Folder => ("folder", Vec::new()),
            };
            hash.update(format!("{kind} {:o} {} {}\n", entry.mode, entry.path, bytes.len()));
            hash.update(bytes);
        }
        Ok(hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Lays the entries over a tree. A file that is there is replaced, never written through:
    /// the tree's files may be hard links.
    pub fn lay(&self, tree: &Path) -> Result<()> {
        for entry in &self.entries {
            let path = tree.join(entry.path.trim_start_matches('/'));
            entry.lay(&path).with_context(|| format!("lay {} over the tree", entry.path))?;
        }
        Ok(())
    }

    fn with(mut self, path: &str, mode: u32, content: Content) -> Overlay {
        self.entries.push(Entry { path: path.to_owned(), mode, content });
        self
    }
}

impl Entry {
    fn lay(&self, path: &Path) -> Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        if let Content::Folder = self.content {
            return Ok(fs::create_dir_all(path)?);
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let bytes = match &self.content {
            Content::Link(target) => return Ok(symlink(target, path)?),
            Content::HostFile(from) => read(from)?,
            Content::Bytes(bytes) => bytes.clone(),
            Content::Folder => Vec::new(),
        };
        fs::write(path, bytes)?;
        fs::set_permissions(path, Permissions::from_mode(self.mode))?;
        File::options().write(true).open(path)?.set_modified(SystemTime::UNIX_EPOCH + TIME)?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
