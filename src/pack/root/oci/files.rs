//! Files by name: in a folder, or in an archive that is not unpacked.

use super::super::entry::Leaf;
use super::super::member;
use super::super::name;
use super::super::spool::spool;
use super::super::temp_dir::TempDir;
use super::super::tree::{Body, Tree};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub(crate) enum Files {
    Folder(PathBuf),
    Archive(Tree),
}

impl Files {
    /// An archive, which may be packed.
    pub(crate) fn archive(path: &Path, temp_dir: &TempDir) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        let mut tree = Tree::new();
        tree.add(member::entries(&spool(file, temp_dir)?)?)?;
        Ok(Self::Archive(tree))
    }

    pub(crate) fn open(&self, file: &str) -> Result<Box<dyn Read + '_>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                Ok(Box::new(File::open(&path).with_context(|| format!("open {}", path.display()))?))
            }
            Self::Archive(tree) => match content(tree, file)? {
                Some(Leaf::File(content)) => Ok(Box::new(content.clone())),
                _ => bail!("expected a file {file} in the archive, found none"),
            },
        }
    }
}

/// What has this name; symbolic links are not followed, but those that docker makes from one layer to an equal
/// one beside it.
fn content<'a>(tree: &'a Tree, file: &str) -> Result<Option<&'a Leaf>> {
    let mut path = name::parts(file.as_bytes())?;
    for _ in 0..2 {
        match tree.get(&path).map(|node| &node.body) {
            Some(Body::Leaf(Leaf::Symlink(target))) => {
                path.pop();
                for part in name::pieces(target) {
                    if part == b".." { drop(path.pop()) } else { path.push(part.to_vec()) }
                }
            }
            Some(Body::Leaf(leaf)) => return Ok(Some(leaf)),
            _ => return Ok(None),
        }
    }
    Ok(None)
}
