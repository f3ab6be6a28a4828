//! The README says what is: names of tests and stories, verbs, exit codes.

use everboot_core::verbs::{Action, Exit, VERBS};
use std::fs;

fn read(path: &str) -> String {
    let path = format!("{}/{path}", everboot_kit::program::repo().display());
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between single backticks.
fn quoted(text: &str) -> Vec<&str> {
    let outside_blocks = text.split("```").step_by(2);
    outside_blocks.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_test_that_it_names_is_there() {
    let readme = read("README.md");
    let mut found = 0;
    for name in quoted(&readme).into_iter().filter(|name| name.contains("::")) {
        let (module, test) = name.split_once("::").unwrap();
        let source = match module {
            "crash" => read("tests/crash/tests.rs"),
            "fetch" => ["web", "channel", "agent", "patchwork"]
                .map(|file| read(&format!("tests/suites/fetch/{file}.rs")))
                .concat(),
            "tidy" => read("tests/suites/tidy/mod.rs"),
            _ => read(&format!("tests/suites/{module}.rs")),
        };
        assert!(test == "*" || source.contains(&format!("fn {test}(")), "{name}");
        found += 1;
    }
    for name in quoted(&readme).into_iter().filter(|name| name.starts_with("invariant_")) {
        let sources = ["kit/invariants.rs", "kit/cuts.rs", "crash/invariants.rs"]
            .map(|file| read(&format!("tests/{file}")));
        assert!(sources.concat().contains(&format!("fn {name}(")), "{name}");
    }
    for name in readme.split("story `").skip(1).map(|rest| rest.split('`').next().unwrap()) {
        read(&format!("qemu/stories/{name}.rs"));
        found += 1;
    }
    assert!(found > 8, "{found}");
}

#[test]
fn its_verbs_and_exit_codes_are_those_of_the_table() {
    let readme = read("README.md");
    let verbs = readme.split("## Verbs").nth(1).unwrap().split("## ").next().unwrap();
    let cells =
        verbs.lines().filter(|line| line.starts_with("| `")).map(|row| row.split('|').nth(1).unwrap());
    let name = |quoted: &str| {
        let words = quoted.split_whitespace().take_while(|word| word.starts_with(char::is_lowercase));
        words.collect::<Vec<_>>().join(" ")
    };
    let named: Vec<_> =
        cells.flat_map(|cell| quoted(cell).into_iter().map(name).collect::<Vec<_>>()).collect();
    for verb in &named {
        assert!(VERBS.iter().any(|known| known.name == verb), "{verb} is no verb");
    }
    for verb in VERBS.iter().filter(|verb| verb.action != Action::Help && !verb.is_for_shell()) {
        assert!(named.iter().any(|named| named == verb.name), "{} is not in the README", verb.name);
    }
    let codes = verbs.split("Exit codes: ").nth(1).unwrap().split(", ");
    let codes: Vec<_> = codes.map(|code| code.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(codes, Exit::ALL.map(|exit| (exit as u8).to_string()));
}

/// Paths in the repository that stand in backticks; `out/` is made, and names with `*` or `X` stand for others.
#[test]
fn every_path_that_it_names_is_there() {
    let readme = read("README.md");
    let mut found = 0;
    for path in quoted(&readme) {
        let path = path.split(' ').next().unwrap().trim_start_matches("./");
        let tops = ["src/", "tests/", "qemu/", "initramfs/", "dracut-module/"];
        if tops.iter().any(|top| path.starts_with(top)) {
            assert!(everboot_kit::program::repo().join(path).exists(), "{path}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn nothing_in_it_waits_to_be_filled_in() {
    let readme = read("README.md");
    assert!(!readme.contains("FIGURES") && !readme.contains("SIZE_"));
}
