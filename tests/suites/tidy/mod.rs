//! Rules of the sources that no compiler checks: who may depend on whom, imports without circles, no file that nothing
//! compiles, comments that fit a window.

mod graph;
mod names;
mod sources;

use graph::{Imports, add_imports, by_folder, cycles, imports};
use sources::{Crate, Package, packages};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each package and which of ours it may depend on, without `everboot-`. Cargo refuses circles among them.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("storage", &["core"]),
    ("agent", &["core", "storage"]),
    ("everboot", &["core", "storage", "agent"]),
    ("registry", &["core"]),
    ("fetch", &["core", "storage", "agent", "registry"]),
    ("pack", &["core", "storage", "agent", "everboot", "registry", "fetch"]),
    ("builder", &["core"]),
    ("kit", &["core", "storage", "agent"]),
    ("crash", &["core", "storage", "agent", "kit"]),
    ("fuzz", &["core", "storage", "agent"]),
    ("suites", &["core", "storage", "agent", "kit", "fuzz"]),
    ("tests", &["builder"]),
    ("testbed", &["core", "storage", "agent", "builder"]),
    ("blocklog", &["core", "storage", "agent", "builder", "testbed", "kit"]),
    ("faults", &["core", "storage", "builder", "testbed", "blocklog"]),
    ("stories", &["core", "storage", "builder", "testbed", "blocklog", "kit"]),
    ("demo", &["builder", "testbed"]),
    ("bench", &["builder", "testbed"]),
];

/// Where code may be `unsafe`: what Linux has no safe calls for, and vectors. Beside them the fuzz targets count
/// their memory with an allocator of their own.
const UNSAFE: &[&str] = &["src/agent/sys/", "src/core/multi_buffer/", "tests/fuzz/src/heap.rs"];

/// Longest line of a comment, in characters; a row of a table may be longer.
const COMMENT_WIDTH: usize = 120;

/// Words that only code with I/O, time, log, paths or environment has.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net",
    "std::time",
    "std::env",
    "std::path",
    "std::process",
    "std::thread",
    "std::os",
    "log::",
    "rustix",
    "nix::",
    "println!",
    "eprintln!",
];
/// Words that only `sys` has, and the command line above it.
const SYSTEM: &[&str] = &["std::fs", "std::net", "std::process", "std::os", "rustix", "nix::", "gpt::"];

fn repo() -> &'static Path {
    everboot_kit::program::repo()
}

fn short(package: &Package) -> &str {
    package.name.trim_start_matches("everboot-")
}

/// Every Rust file below a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repo().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// Every Rust file of ours.
fn all_files() -> Vec<PathBuf> {
    ["src", "initramfs", "qemu", "tests"].into_iter().flat_map(files).collect()
}

fn named(file: &Path) -> String {
    file.strip_prefix(repo()).unwrap_or(file).display().to_string()
}

/// Code without comments and without unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn arrows_go_down_only() {
    let mut checked = 0;
    for package in packages() {
        let (_, allowed) = MAY_DEPEND.iter().find(|(name, _)| *name == short(&package)).unwrap();
        for dependency in &package.dependencies {
            let fits = allowed.contains(&dependency.trim_start_matches("everboot-"));
            assert!(fits, "{}: {} may not depend on {dependency}", package.folder.display(), package.name);
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn every_package_has_its_place() {
    let packages = packages();
    for package in &packages {
        let known = MAY_DEPEND.iter().any(|(name, _)| *name == short(package));
        assert!(known, "{} is not in the table of packages", package.name);
    }
    for (name, _) in MAY_DEPEND {
        assert!(
            packages.iter().any(|package| short(package) == *name),
            "there is no package everboot-{name}"
        );
    }
}

/// Circles of one package, each with what to read.
fn circles(imports: &Imports) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, edges) in by_folder(imports) {
        for circle in cycles(&edges.keys().cloned().collect()) {
            let names = circle.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let mut text = format!("in folder {folder:?} {names} import each other:");
            for ((from, to), said) in
                edges.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to))
            {
                text += &format!("\n  {from} -> {to}");
                said.iter().for_each(|said| text += &format!("\n      {said}"));
            }
            found.push(text);
        }
    }
    found
}

/// Between files, and between folders. A module and its children count as one: 27 of our modules define a type or a
/// trait and call a child that works on it (`decide` and its `Observation`, `flow` and its `Site`). A rule against that
/// would move each type away from the module that explains it, and find no circle that a reader runs into.
#[test]
fn no_import_goes_in_a_circle() {
    let mut found = Vec::new();
    for package in packages() {
        let circles = circles(&imports(&package));
        found.extend(circles.into_iter().map(|circle| format!("{}: {circle}", package.name)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_source_file_is_compiled() {
    let modules = |package: &Package| {
        package
            .crates
            .iter()
            .flat_map(|one| &one.modules)
            .map(|module| module.file.clone())
            .collect::<Vec<_>>()
    };
    let packages = packages();
    let reached: BTreeSet<PathBuf> = packages.iter().flat_map(modules).collect();
    let dead: Vec<_> =
        all_files().into_iter().filter(|file| !reached.contains(file)).map(|file| named(&file)).collect();
    assert!(dead.is_empty(), "no target has these as a module:\n{}", dead.join("\n"));
}

#[test]
fn no_package_includes_a_file_of_another() {
    for package in packages() {
        for module in package.crates.iter().flat_map(|one| &one.modules) {
            let is_own = module.file.starts_with(&package.folder)
                && !module.file.components().any(|part| part.as_os_str() == "..");
            assert!(is_own, "{}: {} belongs to another", package.name, named(&module.file));
        }
    }
}

#[test]
fn comments_fit_a_window() {
    let mut wide = Vec::new();
    for file in all_files() {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let text = line.trim_start();
            let is_row = text.trim_start_matches(['/', '!']).trim_start().starts_with('|');
            let width = line.chars().count();
            if text.starts_with("//") && !is_row && width > COMMENT_WIDTH {
                wide.push(format!("{}:{}: {width} characters", named(&file), number + 1));
            }
        }
    }
    assert!(wide.is_empty(), "comments may have {COMMENT_WIDTH} characters a line:\n{}", wide.join("\n"));
}

#[test]
fn no_name_has_a_banned_word() {
    let banned = names::banned();
    let mut found = Vec::new();
    for path in all_files() {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        for (line, name) in [(1, stem)].into_iter().chain(names::defined(&file)) {
            for (word, instead) in
                names::words(&name).iter().filter_map(|word| banned.get_key_value(word.as_str()))
            {
                found.push(format!("{}:{line} {name}: instead of \"{word}\": {instead}", named(&path)));
            }
        }
    }
    assert!(found.is_empty(), "names with a banned word:\n{}", found.join("\n"));
}

#[test]
fn a_banned_word_would_be_seen() {
    for name in ["BadWish", "bad_wish", "BAD_WISH", "wish2_bad", "Wish"] {
        assert!(names::words(name).iter().any(|word| word.trim_end_matches('2') == "wish"), "{name}");
    }
    let file =
        syn::parse_file("struct A { b: u8 } enum C { D } mod e { fn f() {} } trait G { fn h(); }").unwrap();
    let names: Vec<String> = names::defined(&file).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["A", "b", "C", "D", "e", "f", "G", "h"]);
}

#[test]
fn unsafe_code_is_where_it_is_allowed() {
    let mut found = 0;
    for file in all_files() {
        let is_allowed = UNSAFE.iter().any(|folder| named(&file).starts_with(folder));
        let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"];
        // This file names them.
        let has =
            named(&file) != "tests/suites/tidy/mod.rs" && words.iter().any(|word| code(&file).contains(word));
        assert!(!has || is_allowed, "{} has unsafe code", named(&file));
        found += u32::from(has);
    }
    assert!(found > 2, "the search is wrong");
}

#[test]
fn pure_modules_know_no_world() {
    check_words(&files("src/core"), IMPURE);
}

#[test]
fn only_sys_knows_linux() {
    check_words(&files("src/core"), SYSTEM);
    check_words(&files("src/storage"), SYSTEM);
    check_words(&files("src/agent/flow"), SYSTEM);
}

fn check_words(files: &[PathBuf], forbidden: &[&str]) {
    for file in files {
        let code = code(file);
        for word in forbidden {
            assert!(!code.contains(word), "{}: {word} does not belong here", named(file));
        }
    }
}

/// Circles of a crate of these files.
fn circles_of(texts: &[(&str, &str)]) -> Vec<String> {
    let mut imports = Imports::new();
    let one = Crate::of_texts(texts);
    let folder = one.modules[0].file.parent().unwrap().to_owned();
    add_imports(&one, &folder, &mut imports);
    circles(&imports)
}

#[test]
fn a_violation_would_be_seen() {
    let root = ("lib.rs", "mod a; mod b; pub use b::B;");
    // A group with a path in it, against a path in an expression.
    let a = ("a.rs", "use {std::fs, super::{b::{self, B}}}; pub struct A;");
    let found = circles_of(&[root, a, ("b.rs", "pub struct B; fn f() { crate::a::A.g() }")]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("a.rs:1 names super::b::B"), "{}", found[0]);
    assert!(found[0].contains("b.rs:1 names crate::a::A"), "{}", found[0]);
    // Through a re-export of the parent, a glob, and an imported module.
    assert_eq!(
        circles_of(&[root, ("a.rs", "use crate::B;"), ("b.rs", "use super::a; fn f() { a::x() }")]).len(),
        1
    );
    assert_eq!(
        circles_of(&[root, ("a.rs", "use super::*; fn f(_: B) {}"), ("b.rs", "pub use crate::a::*;")]).len(),
        0
    );
    // Within a macro.
    let macros = [root, ("a.rs", "fn f() { println!(\"{}\", super::b::X) }"), ("b.rs", "use super::a::f;")];
    assert_eq!(circles_of(&macros).len(), 1);
    // Between folders, though not between files.
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod c; mod d;"),
        ("a/c.rs", "use crate::b::e::E;"),
        ("a/d.rs", "pub struct D;"),
        ("b/mod.rs", "pub mod e; mod f;"),
        ("b/e.rs", "pub struct E;"),
        ("b/f.rs", "use crate::a::d::D;"),
    ];
    assert_eq!(circles_of(&files).len(), 1);
    // What only tests import, and what a child takes from its parent, is none.
    let tests = ("b.rs", "#[cfg(test)] mod tests { use crate::a::A; } pub struct B;");
    assert_eq!(circles_of(&[root, a, tests]).len(), 0);
    assert_eq!(
        circles_of(&[("lib.rs", "mod a; fn f() { a::f() }"), ("a.rs", "pub fn f() { super::f() }")]).len(),
        0
    );
}
