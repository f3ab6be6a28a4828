//! What a bundle's image is made of: a file system as it is, or files that become one.
//!
//! Files come as archives: a tar, the layers of an OCI image, or a folder, of which GNU tar makes one. They are
//! laid over each other in a `tree`, whose contents stay where they are, and the tree goes as a stream to the
//! tools that make file systems.

mod count;
mod entry;
mod ext4;
mod file_system;
mod folder;
mod member;
mod mkfs;
mod name;
mod oci;
mod pax;
mod spool;
mod stream;
mod temp_dir;
pub(crate) mod tool;
mod tree;
mod unpack;
mod whiteout;

use anyhow::{Context, Result, ensure};
pub(crate) use file_system::FileSystem;
use file_system::Options;
use oci::{Location, Platform};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use temp_dir::TempDir;
use tree::Tree;

// A part of another's arguments: no group of its own.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// File system that is made of a folder, a tar or an OCI image; ext4 if absent
    #[arg(long, value_name = "ext4|squashfs|erofs", value_parser = FileSystem::parse)]
    fs: Option<FileSystem>,
    /// Size of an ext4 that is made, in MiB; by default that of its content and some more
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 24))]
    size: Option<u64>,
    /// Which image of an OCI index is taken; by default that for this machine
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = Platform::parse)]
    platform: Option<Platform>,
}

/// An image in a file; what was made on the way goes with it.
pub(crate) struct Image {
    pub path: PathBuf,
    _temp_dir: Option<TempDir>,
}

/// Where files come from.
enum Source<'a> {
    Folder(&'a Path),
    Tar(&'a Path),
    Oci(Location),
}

impl<'a> Source<'a> {
    /// `None`: no files, but a file system already.
    fn of(path: &'a Path) -> Result<Option<Self>> {
        if let Some(place) = path.to_str().and_then(Location::parse) {
            return Ok(Some(Self::Oci(place)));
        }
        let named = || format!("open {}", path.display());
        if path.metadata().with_context(named)?.is_dir() {
            return Ok(Some(Self::Folder(path)));
        }
        let mut head = Vec::new();
        File::open(path).with_context(named)?.take(512).read_to_end(&mut head).with_context(named)?;
        ensure!(
            !head.starts_with(b"manifest.json\0"),
            "{}: expected a file system, or files to make one of, found a bundle",
            path.display()
        );
        let is_tar = member::is_tar(&head) || spool::is_packed(&head);
        Ok(is_tar.then_some(Self::Tar(path)))
    }

    fn tree(&self, platform: Option<&Platform>, temp_dir: &TempDir) -> Result<Tree> {
        let archive = match self {
            Self::Oci(place) => return oci::tree(place, platform, temp_dir),
            Self::Folder(path) => folder::archive(path, temp_dir)?,
            Self::Tar(path) => spool::spool(File::open(path)?, temp_dir)?,
        };
        let mut tree = Tree::new();
        tree.add(member::entries(&archive)?)?;
        Ok(tree)
    }
}

/// Finds or makes the image. What is made is beside the output, until the image is dropped.
pub(crate) fn image(from: &Path, arguments: &Arguments, open: bool, output: &Path) -> Result<Image> {
    let Some(source) = Source::of(from)? else {
        let is_asked = arguments.fs.is_some() || arguments.size.is_some() || arguments.platform.is_some();
        let named = from.display();
        ensure!(!is_asked, "{named}: --fs, --size and --platform are for files, and this is a file system");
        return Ok(Image { path: from.to_owned(), _temp_dir: None });
    };
    let named = || from.display().to_string();
    let temp_dir = TempDir::beside(output)?;
    let tree = source.tree(arguments.platform.as_ref(), &temp_dir).with_context(named)?;
    let options = Options { kind: arguments.fs.unwrap_or(FileSystem::Ext4), size: arguments.size, open };
    let path = mkfs::make(&tree, options, &temp_dir).with_context(named)?;
    Ok(Image { path, _temp_dir: Some(temp_dir) })
}
