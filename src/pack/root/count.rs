//! How much space a tree takes.

use super::entry::Leaf;
use super::tree::{Body, Tree};
use anyhow::Result;

/// The bytes that a tree's files have, and how many they are.
#[derive(Default)]
pub(crate) struct Count {
    /// Files, folders and all else that has an inode.
    pub inodes: u64,
    /// Blocks of 4096 bytes for contents, names, targets and attributes.
    pub blocks: u64,
}

/// Counts as ext4 needs it, rather a little too much.
pub(crate) fn count(tree: &Tree) -> Result<Count> {
    let mut count = Count::default();
    tree.visit(&mut |visit| {
        if visit.link.is_some() {
            return Ok(());
        }
        count.inodes += 1;
        count.blocks += u64::from(!visit.node.meta.attributes.is_empty());
        count.blocks += match &visit.node.body {
            // A name is followed by at most one that does not fit into the same block any more.
            Body::Folder(names) => {
                let bytes: u64 = names.keys().map(|name| (8 + name.len() as u64).next_multiple_of(4)).sum();
                (bytes + 24).div_ceil(4096 - 12 - 264)
            }
            // A block for the list of pieces, which only large files need.
            Body::Leaf(Leaf::File(content)) => {
                let blocks = content.len.div_ceil(4096);
                blocks + blocks.div_ceil(32768).saturating_sub(1)
            }
            Body::Leaf(Leaf::Symlink(target)) => u64::from(target.len() >= 60),
            Body::Leaf(_) => 0,
        };
        Ok(())
    })?;
    Ok(count)
}
