//! The README says what is: names of tests and stories, verbs, exit codes.

use std::fs;
use std::process::Command;

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
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
        let file = if module == "crash" { "crash/tests" } else { module };
        let source = read(&format!("tests/{file}.rs"));
        assert!(test == "*" || source.contains(&format!("fn {test}(")), "{name}");
        found += 1;
    }
    for name in quoted(&readme).into_iter().filter(|name| name.starts_with("invariant_")) {
        let sources = ["cuts.rs", "crash/invariants.rs"].map(|file| read(&format!("tests/{file}")));
        assert!(sources.concat().contains(&format!("fn {name}(")), "{name}");
    }
    for name in readme.split("story `").skip(1).map(|rest| rest.split('`').next().unwrap()) {
        read(&format!("qemu/stories/{name}.rs"));
        found += 1;
    }
    assert!(found > 8, "{found}");
}

#[test]
fn its_verbs_and_exit_codes_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_everboot")).arg("help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let readme = read("README.md");
    let verbs = readme.split("## Verbs").nth(1).unwrap().split("## ").next().unwrap();
    let rows = verbs.lines().filter(|line| line.starts_with("| `"));
    let named = rows.flat_map(|row| quoted(row).into_iter().map(str::to_owned).collect::<Vec<_>>());
    let mut count = 0;
    for verb in named {
        let words = verb.split_whitespace().take_while(|word| word.starts_with(char::is_lowercase));
        let verb = words.collect::<Vec<_>>().join(" ");
        assert!(help.lines().any(|line| line.trim_start().starts_with(&verb)), "{verb} is not in the help");
        count += 1;
    }
    assert!(count >= 16, "{count}");
    for code in 0..=10 {
        assert!(
            verbs.contains(&format!("{code} ")) && help.contains(&format!("{code} ")),
            "exit code {code}"
        );
    }
}

#[test]
fn nothing_in_it_waits_to_be_filled_in() {
    assert!(!read("README.md").contains("FIGURES"));
}
