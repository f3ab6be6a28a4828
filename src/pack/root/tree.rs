//! A tree of files in memory; their contents stay in the archives that they come from.
//!
//! Archives are laid over each other in order. As in a root that is entered, a symbolic link in the way of a
//! name is followed, and ".." ends at the root: no name leads out.

use super::entry::{Entry, Kind, Leaf, Meta};
use super::name::{self, Name, show};
use super::whiteout::Whiteout;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, HashMap};

/// Which node.
type Id = usize;
const ROOT: Id = 0;

/// As many symbolic links as Linux follows in one name.
const LINKS_MAX: usize = 40;
/// As many folders as fit into the longest name.
const DEPTH_MAX: usize = 2048;

pub(crate) struct Tree {
    /// The root is the first. What no name leads to any more stays, unseen.
    nodes: Vec<Node>,
}

pub(crate) struct Node {
    pub meta: Meta,
    pub body: Body,
}

pub(crate) enum Body {
    /// By name, in the order of bytes.
    Folder(BTreeMap<Name, Id>),
    Leaf(Leaf),
}

/// One name of the tree, as `Tree::visit` comes by it.
pub(crate) struct Visit<'a> {
    /// Without a slash at its head; empty for the root.
    pub path: &'a [u8],
    pub node: &'a Node,
    /// The first name of the same file, if this is another one.
    pub link: Option<&'a [u8]>,
}

/// What to do about a folder that is not there.
#[derive(Clone, Copy, PartialEq)]
enum Missing {
    Make,
    Stop,
}

impl Node {
    fn folder(meta: Meta) -> Self {
        Self { meta, body: Body::Folder(BTreeMap::new()) }
    }
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::folder(Meta { mode: 0o755, ..Meta::default() })] }
    }

    /// Adds what one archive has. Of two entries of one name the later one counts.
    pub(crate) fn add(&mut self, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let named = show(&entry.path.join(&b'/'));
            self.put(entry).with_context(|| named)?;
        }
        Ok(())
    }

    /// Lays a layer over those before it. Its whiteouts come first, wherever they stand in it: they hide what is
    /// below, never what the layer itself brings.
    pub(crate) fn add_layer(&mut self, entries: Vec<Entry>) -> Result<()> {
        let mut brought = Vec::new();
        for entry in entries {
            match Whiteout::of(&entry.path)? {
                None => brought.push(entry),
                Some(Whiteout::Ignored) => {}
                Some(Whiteout::Name(folder, name)) => {
                    if let Some(names) = self.names(folder)? {
                        names.remove(name);
                    }
                }
                Some(Whiteout::All(folder)) => {
                    if let Some(names) = self.names(folder)? {
                        names.clear();
                    }
                }
            }
        }
        self.add(brought)
    }

    fn put(&mut self, entry: Entry) -> Result<()> {
        let Entry { path, meta, kind } = entry;
        let Some((name, above)) = path.split_last() else {
            ensure!(matches!(kind, Kind::Folder), "expected the root to be a folder");
            self.nodes[ROOT].meta = meta;
            return Ok(());
        };
        let folder = self.folder(above, Missing::Make)?.context("its folder cannot be made")?;
        let there = self.child(folder, name);
        let id = match kind {
            Kind::Folder => match there {
                Some(id) if matches!(self.nodes[id].body, Body::Folder(_)) => {
                    self.nodes[id].meta = meta;
                    id
                }
                _ => self.make(Node::folder(meta)),
            },
            Kind::Link(target) => self.linked(&target)?,
            Kind::Leaf(leaf) => self.make(Node { meta, body: Body::Leaf(leaf) }),
        };
        if let Body::Folder(names) = &mut self.nodes[folder].body {
            names.insert(name.clone(), id);
        }
        Ok(())
    }

    fn make(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn child(&self, folder: Id, name: &[u8]) -> Option<Id> {
        match &self.nodes[folder].body {
            Body::Folder(names) => names.get(name).copied(),
            Body::Leaf(_) => None,
        }
    }

    /// The file that a hard link means. Nothing follows the last part of its name.
    fn linked(&mut self, target: &[Name]) -> Result<Id> {
        let missing =
            || format!("expected a hard link to a file, found none at {}", show(&target.join(&b'/')));
        let (name, above) = target.split_last().with_context(missing)?;
        let folder = self.folder(above, Missing::Stop)?;
        let id = folder.and_then(|folder| self.child(folder, name)).with_context(missing)?;
        ensure!(matches!(self.nodes[id].body, Body::Leaf(_)), missing());
        Ok(id)
    }

    /// The names in a folder, if it is there.
    fn names(&mut self, folder: &[Name]) -> Result<Option<&mut BTreeMap<Name, Id>>> {
        let id = self.folder(folder, Missing::Stop)?;
        Ok(id.and_then(|id| match &mut self.nodes[id].body {
            Body::Folder(names) => Some(names),
            Body::Leaf(_) => None,
        }))
    }

    /// The folder of this name; what is missing on the way is made.
    fn folder(&mut self, path: &[Name], missing: Missing) -> Result<Option<Id>> {
        let (mut way, mut links) = (vec![ROOT], 0);
        let mut rest: Vec<Name> = path.iter().rev().cloned().collect();
        while let Some(name) = rest.pop() {
            let here = way[way.len() - 1];
            if name == b".." {
                way.truncate((way.len() - 1).max(1));
                continue;
            }
            let id = match self.child(here, &name) {
                Some(id) => id,
                None if missing == Missing::Stop => return Ok(None),
                None => self.implied(here, &name),
            };
            match &self.nodes[id].body {
                Body::Folder(_) => way.push(id),
                Body::Leaf(Leaf::Symlink(target)) => {
                    links += 1;
                    ensure!(links <= LINKS_MAX, "expected at most {LINKS_MAX} symbolic links in one name");
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    rest.extend(name::pieces(target).rev().map(<[u8]>::to_vec));
                }
                Body::Leaf(_) if missing == Missing::Stop => return Ok(None),
                Body::Leaf(_) => bail!("expected a folder, found a file at {}", show(&name)),
            }
            ensure!(way.len() <= DEPTH_MAX, "expected at most {DEPTH_MAX} folders in one another");
        }
        Ok(Some(way[way.len() - 1]))
    }

    /// A folder that an archive names only by what is in it.
    fn implied(&mut self, folder: Id, name: &[u8]) -> Id {
        let id = self.make(Node::folder(Meta { mode: 0o755, ..Meta::default() }));
        if let Body::Folder(names) = &mut self.nodes[folder].body {
            names.insert(name.to_vec(), id);
        }
        id
    }

    /// Comes by every name, each folder before what is in it, in the order of bytes.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(Visit<'_>) -> Result<()>) -> Result<()> {
        self.visit_folder(ROOT, &mut Vec::new(), &mut HashMap::new(), see)
    }

    fn visit_folder(
        &self,
        id: Id,
        path: &mut Vec<u8>,
        first: &mut HashMap<Id, Vec<u8>>,
        see: &mut dyn FnMut(Visit<'_>) -> Result<()>,
    ) -> Result<()> {
        let node = &self.nodes[id];
        see(Visit { path, node, link: None })?;
        let Body::Folder(names) = &node.body else { return Ok(()) };
        let len = path.len();
        for (name, child) in names {
            if len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            if let Body::Folder(_) = self.nodes[*child].body {
                self.visit_folder(*child, path, first, see)?;
            } else {
                let link = first.get(child).map(Vec::as_slice);
                see(Visit { path, node: &self.nodes[*child], link })?;
                first.entry(*child).or_insert_with(|| path.clone());
            }
            path.truncate(len);
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> &Node {
        &self.nodes[ROOT]
    }

    /// The file or folder of exactly this name.
    pub(crate) fn get(&self, path: &[Name]) -> Option<&Node> {
        let id = path.iter().try_fold(ROOT, |folder, name| self.child(folder, name))?;
        Some(&self.nodes[id])
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
