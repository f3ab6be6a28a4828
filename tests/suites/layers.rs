//! The layers of the architecture: who may know whom. Reads every path in the sources, inline ones too.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may name; beside `seeded`, which is nothing in the agent.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("slot", &[]),
    ("seeded", &[]),
    ("crew", &[]),
    ("lanes", &[]),
    ("verbs", &[]),
    ("password", &[]),
    ("medium", &["slot"]),
    ("tree", &["slot", "lanes"]),
    ("record", &["slot"]),
    ("manifest", &["slot"]),
    ("channel", &["slot", "manifest"]),
    ("registry", &["slot"]),
    ("config", &["slot", "password"]),
    ("machine", &["slot", "medium", "config", "crew"]),
    ("lifecycle", &["slot", "record", "manifest", "config"]),
    ("decide", &["slot", "record", "manifest", "config", "lifecycle"]),
    ("bundle", &["slot", "manifest", "tree", "medium", "crew"]),
    ("store", &["slot", "record", "medium"]),
    ("apply", &["slot", "manifest", "tree", "bundle", "medium", "crew"]),
    ("sys", &["slot", "medium", "machine", "config", "crew"]),
    (
        "flow",
        &[
            "slot",
            "medium",
            "record",
            "manifest",
            "config",
            "machine",
            "lifecycle",
            "decide",
            "bundle",
            "store",
            "apply",
        ],
    ),
];

/// Modules without I/O, time, log, paths or environment.
const PURE: &[&str] =
    &["slot", "verbs", "password", "record", "manifest", "channel", "config", "decide", "lifecycle", "tree"];
/// Words that only impure code has.
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
/// Words that only `sys` has.
const SYSTEM: &[&str] = &["std::fs", "std::net", "std::process", "std::os", "rustix", "nix::", "gpt::"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Code without comments and without unit tests, one string a file.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules of the library, each with its files' code.
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = everboot_kit::program::repo().join("src");
    let mut modules = BTreeMap::<String, Vec<_>>::new();
    for path in sources(&src) {
        let first = path.strip_prefix(&src).unwrap().components().next().unwrap();
        let name = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        modules.entry(name).or_default().push((path.clone(), code(&path)));
    }
    modules
}

/// Every `crate::/// Every `crate::x` in some code, in groups like `crate::{x, y::z}; as well.
fn named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let is_part_of_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        if is_part_of_word {
            continue;
        }
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.push(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// First words of the members of a group, up to its closing brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                heads.push(head(&group[start..at]));
                start = at + 1;
            }
            '}' if depth == 0 => {
                heads.push(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn arrows_go_down_only() {
    let modules = modules();
    let mut checked = 0;
    for (module, allowed) in MAY_NAME {
        for (path, code) in &modules[*module] {
            for name in named(code) {
                let is_module = modules.contains_key(&name);
                let fits =
                    name == "seeded" || name == *module || !is_module || allowed.contains(&name.as_str());
                assert!(fits, "{}: {module} may not name {name}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn every_module_has_its_place() {
    let known = MAY_NAME.iter().map(|(module, _)| *module).chain(["lib", "main", "cli", "bin"]);
    let known = known.collect::<Vec<_>>();
    for module in modules().keys() {
        assert!(known.contains(&module.as_str()), "{module} is not in the table of layers");
    }
}

#[test]
fn pure_modules_know_no_world() {
    check_words(PURE, IMPURE);
}

#[test]
fn only_sys_knows_linux() {
    let others = MAY_NAME.iter().map(|(module, _)| *module).filter(|module| *module != "sys");
    check_words(&others.clone().collect::<Vec<_>>(), SYSTEM);
    // Vectors are no business of Linux, and need `unsafe` all the same.
    check_words(&others.filter(|module| *module != "lanes").collect::<Vec<_>>(), &["unsafe {"]);
}

fn check_words(in_modules: &[&str], forbidden: &[&str]) {
    let modules = modules();
    for module in in_modules {
        for (path, code) in &modules[*module] {
            for word in forbidden {
                assert!(!code.contains(word), "{}: {word} does not belong in {module}", path.display());
            }
        }
    }
}

#[test]
fn a_violation_would_be_seen() {
    assert_eq!(
        named("use crate::{sys::Linux, slot};\nfn f() { crate::flow::boot() }"),
        ["sys", "slot", "flow"]
    );
    assert_eq!(named("use crate::medium::{self, Medium};"), ["medium"]);
}
