//! Which file imports which, and where that goes in a circle.

use super::sources::{Crate, Package, Written};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Imports of files of one package, by the two files' names below its folder; each with its line and path.
pub type Imports = BTreeMap<(String, String), Vec<String>>;

/// Every import of a package between two of its files, tests aside.
pub fn imports(package: &Package) -> Imports {
    let mut imports = Imports::new();
    for one in &package.crates {
        add_imports(one, &package.folder, &mut imports);
    }
    imports
}

/// Adds those of one crate.
pub fn add_imports(one: &Crate, folder: &Path, imports: &mut Imports) {
    let named = |file: &PathBuf| file.strip_prefix(folder).unwrap_or(file).display().to_string();
    for (id, module) in one.modules.iter().enumerate().filter(|(_, module)| !module.is_test) {
        let written = module.imports.iter().map(|import| &import.path).chain(&module.paths);
        for path in written {
            let Some(file) = one.file_of(id, path) else { continue };
            if file != module.file {
                let said =
                    format!("{}:{} names {}", named(&module.file), path.line, path.segments.join("::"));
                let list = imports.entry((named(&module.file), named(&file))).or_default();
                if !list.contains(&said) {
                    list.push(said);
                }
            }
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum PathTarget {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

impl Crate {
    /// The file that defines what a path in this module names; `None` where it is another package's.
    fn file_of(&self, module: usize, path: &Written) -> Option<PathBuf> {
        let place = self.resolve(module, &path.segments, 8)?;
        let (PathTarget::Module(id) | PathTarget::Item(id)) = place;
        Some(self.modules[id].file.clone())
    }

    /// Follows a path from a module, through at most `depth` imports.
    fn resolve(&self, module: usize, segments: &[String], depth: u8) -> Option<PathTarget> {
        let (first, rest) = segments.split_first()?;
        let mut place = match first.as_str() {
            "crate" => PathTarget::Module(0),
            "self" => PathTarget::Module(module),
            "super" => PathTarget::Module(self.modules[module].parent?),
            name => self.member(module, name, depth)?,
        };
        for name in rest {
            // What comes after a type is in the file of the type.
            let PathTarget::Module(at) = place else { break };
            place = match name.as_str() {
                "super" => PathTarget::Module(self.modules[at].parent?),
                "self" => place,
                name => self.member(at, name, depth).unwrap_or(PathTarget::Item(at)),
            };
        }
        Some(place)
    }

    /// A name in a module: its child, what it defines, or what it imports.
    fn member(&self, module: usize, name: &str, depth: u8) -> Option<PathTarget> {
        let at = &self.modules[module];
        if let Some(child) = at.children.get(name) {
            return Some(PathTarget::Module(*child));
        }
        if at.items.iter().any(|item| item == name) {
            return Some(PathTarget::Item(module));
        }
        let depth = depth.checked_sub(1)?;
        let follow = |path: &Written| self.resolve(module, &path.segments, depth);
        // A path that begins with the imported name itself (`use serde::Serialize; use serde;`) would go round.
        let explicit = at.imports.iter().filter(|import| import.name == name);
        if let Some(place) =
            explicit.filter(|import| import.path.segments.len() > 1).find_map(|import| follow(&import.path))
        {
            return Some(place);
        }
        let globs = at.imports.iter().filter(|import| import.name == "*" && import.path.segments != [name]);
        globs.into_iter().find_map(|glob| match follow(&glob.path)? {
            PathTarget::Module(other) if other != module => self.member(other, name, depth),
            _ => None,
        })
    }
}

/// Sets of more than one node, each of which reaches all others of its set.
pub fn cycles(edges: &BTreeSet<(String, String)>) -> Vec<BTreeSet<String>> {
    let mut next = BTreeMap::<&str, Vec<&str>>::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reached = |from: &str| {
        let (mut seen, mut queue) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(node) = queue.pop() {
            for to in next.get(node.as_str()).into_iter().flatten() {
                if seen.insert((*to).to_owned()) {
                    queue.push((*to).to_owned());
                }
            }
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<String>> = next.keys().map(|node| (*node, reached(node))).collect();
    let reaches = |from: &str, to: &str| all.get(from).is_some_and(|seen| seen.contains(to));
    let mut found = Vec::<BTreeSet<String>>::new();
    for node in all.keys().filter(|node| reaches(node, node)) {
        if !found.iter().any(|set| set.contains(*node)) {
            let set = all.keys().filter(|other| reaches(node, other) && reaches(other, node));
            found.push(set.map(|other| (*other).to_owned()).collect());
        }
    }
    found
}

/// The imports between what a folder holds, for each folder: `a/b/c.rs` is `a` in the package's folder, and `b` in `a`.
pub fn by_folder(imports: &Imports) -> BTreeMap<String, BTreeMap<(String, String), Vec<String>>> {
    let mut folders = BTreeMap::<String, BTreeMap<(String, String), Vec<String>>>::new();
    for ((from, to), said) in imports {
        let (from, to) = (parts(from), parts(to));
        let same = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
        let (Some(from_part), Some(to_part)) = (from.get(same), to.get(same)) else { continue };
        let folder = from[..same].join("/");
        let edge = (from_part.clone(), to_part.clone());
        folders.entry(folder).or_default().entry(edge).or_default().extend(said.iter().cloned());
    }
    folders
}

/// The names on the way to a module: `a/b/mod.rs`, `a/b.rs` and `a/b/` are one, the package's root none.
fn parts(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}
