//! The fuzz targets, each over the files of its corpus. `./tests/run` lets libFuzzer go on from there.

use everboot_fuzz::TARGETS;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

fn folder() -> PathBuf {
    everboot_kit::program::repo().join("tests/fuzz")
}

#[test]
fn every_target_does_well_on_its_corpus() {
    for (name, target) in TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(folder().join("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let went = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
            assert!(went.is_ok(), "{name}: {}", path.display());
            // What begins like it, too.
            for part in 1..8 {
                target(&bytes[..bytes.len() * part / 8]);
            }
            count += 1;
        }
        assert!(count >= 3, "{name}: expected some files, found {count}");
    }
}

#[test]
fn every_target_is_one_of_libfuzzers() {
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"\n")), "{name}");
        let source = fs::read_to_string(folder().join(format!("targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("everboot_fuzz::{name}(data)")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
