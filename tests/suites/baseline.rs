//! What an earlier commit had (`tests/baseline`) is there, or has a successor, or a reason why not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn list(name: &str) -> Vec<String> {
    let path = everboot_kit::program::repo().join("tests/baseline").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

/// What became of a name.
enum Fate {
    Renamed(String),
    /// Why it is not there any more.
    Gone,
}

/// By list and old name.
fn successors() -> BTreeMap<(String, String), Fate> {
    let fate = |line: String| {
        let (list, rest) =
            line.split_once(": ").unwrap_or_else(|| panic!("successors: {line:?} names no list"));
        let (old, fate) = match (rest.split_once(" -> "), rest.split_once(": ")) {
            (Some((old, new)), _) => (old, Fate::Renamed(new.to_owned())),
            (None, Some((old, reason))) if !reason.trim().is_empty() => (old, Fate::Gone),
            _ => panic!("successors: expected OLD -> NEW or OLD: REASON in {line:?}"),
        };
        ((list.to_owned(), old.to_owned()), fate)
    };
    list("successors").into_iter().map(fate).collect()
}

/// Every Rust file of ours, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders =
        ["src", "initramfs", "qemu", "tests"].map(|top| everboot_kit::program::repo().join(top)).to_vec();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Whether each name of a list is there, or what it became.
fn check(name: &str, least: usize, is_there: impl Fn(&str) -> bool) {
    let (names, successors) = (list(name), successors());
    assert!(names.len() >= least, "{name}: {} names", names.len());
    let mut lost = Vec::new();
    for old in &names {
        match successors.get(&(name.to_owned(), old.clone())) {
            _ if is_there(old) => {}
            Some(Fate::Gone) => {}
            Some(Fate::Renamed(new)) if is_there(new) => {}
            Some(Fate::Renamed(new)) => lost.push(format!("{old}, and neither is {new}")),
            None => lost.push(old.clone()),
        }
    }
    assert!(
        lost.is_empty(),
        "of tests/baseline/{name} these are not there; add their successors to tests/baseline/successors:\n{}",
        lost.join("\n")
    );
}

/// Whether a test of this name, such as `bundle::recipe::tests::what`, is in a file that has its module's name.
fn has_test(sources: &[(PathBuf, String)], name: &str) -> bool {
    let mut modules: Vec<&str> = name.split("::").collect();
    let test = modules.pop().unwrap();
    let module = modules.into_iter().rfind(|module| *module != "tests").unwrap_or("main");
    let function = format!("fn {test}(");
    sources.iter().any(|(path, text)| is_of_module(path, module) && text.contains(&function))
}

fn is_of_module(path: &Path, module: &str) -> bool {
    let below = path.strip_prefix(everboot_kit::program::repo()).unwrap_or(path);
    let mut parts = below.iter().map(|part| part.to_str().unwrap().trim_end_matches(".rs"));
    let tests = format!("{module}_tests");
    parts.any(|part| part == module || part == tests)
}

#[test]
fn every_test_is_still_there() {
    let sources = sources();
    check("tests", 600, |name| has_test(&sources, name));
}

#[test]
fn every_fuzz_target_is_still_there() {
    let targets = everboot_kit::program::repo().join("tests/fuzz/targets");
    check("fuzz-targets", 11, |name| targets.join(format!("{name}.rs")).exists());
}

#[test]
fn every_scenario_fault_invariant_and_planted_bug_is_still_there() {
    let sources = sources();
    // Not the sources of the lists' own test.
    let holds = |text: &str| {
        sources.iter().any(|(path, source)| !path.ends_with("suites/baseline.rs") && source.contains(text))
    };
    check("scenarios", 27, |name| holds(&format!("name: \"{name}\"")));
    check("planted-bugs", 38, |name| holds(&format!("\"{name}\"")));
    check("invariants", 34, |name| holds(&format!("fn {name}(")) || holds(&format!("fn {name}<")));
    check("faults", 20, |name| match name.contains("::") {
        true => holds(name),
        false => holds(&format!("\"{name}\"")),
    });
}

#[test]
fn every_successor_is_that_of_a_name_in_a_list() {
    for (name, old) in successors().into_keys() {
        assert!(list(&name).contains(&old), "successors: {old} is not in tests/baseline/{name}");
    }
}

#[test]
fn a_test_that_is_missing_would_be_noticed() {
    let sources = sources();
    assert!(has_test(&sources, "baseline::a_test_that_is_missing_would_be_noticed"));
    assert!(!has_test(&sources, "zeroes::a_test_that_is_missing_would_be_noticed"));
    assert!(!has_test(&sources, "baseline::there_is_no_such_test"));
}
