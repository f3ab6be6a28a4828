//! The scripts are clean, and only launch where they can.

use std::path::PathBuf;

use everboot_builder::command::{program, run};
use everboot_builder::paths;

/// Every shell script that git knows or would know.
fn scripts() -> Vec<PathBuf> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let files = run(program("git").current_dir(paths::repo()).args(list)).unwrap();
    let files = files.lines().map(|file| paths::repo().join(file));
    let is_script = |file: &PathBuf| {
        std::fs::read(file)
            .is_ok_and(|bytes| bytes.starts_with(b"#!/bin/sh") || bytes.starts_with(b"#!/bin/bash"))
    };
    let found: Vec<PathBuf> = files.filter(is_script).collect();
    assert!(found.len() >= 4, "only {found:?}: the search is wrong");
    found
}

#[test]
fn shellcheck_finds_nothing() {
    run(program("shellcheck").args(scripts())).unwrap();
}

/// What runs inside the initramfs of a distribution, or where one is made, is shell by nature.
const HOOKS: [&str; 3] = ["dracut-module", "initramfs/initramfs-tools", "initramfs/mkinitcpio"];

#[test]
fn scripts_only_launch() {
    let is_hook =
        |script: &PathBuf| HOOKS.iter().any(|folder| script.starts_with(paths::repo().join(folder)));
    for script in scripts().into_iter().filter(|script| !is_hook(script)) {
        let lines = std::fs::read_to_string(&script).unwrap().lines().count();
        assert!(lines <= 15, "{} has {lines} lines; logic belongs into Rust", script.display());
    }
}
