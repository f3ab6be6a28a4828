//! everboot-fetch: bundles over real connections, which fail in every way that they can.

mod agent;
mod artifact;
mod channel;
mod reassembly;
mod web;

use crate::bundle::TempDir;

/// Content whose bytes tell where they belong.
fn content(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| seed ^ (at / 251) as u8 ^ (at % 249) as u8).collect()
}

fn temp_dir(name: &str) -> TempDir {
    TempDir::new(&format!("fetch-{name}"))
}

fn line(words: &str) -> String {
    format!("NO_PROXY=127.0.0.1 everboot-fetch --wait 0 --output out {words}")
}

/// Fetches to the file `out`, which then has these bytes, and nothing is left beside it.
#[track_caller]
fn fetch(temp_dir: &TempDir, words: &str, expected: &[u8]) -> String {
    let said = temp_dir.run(&line(words));
    assert!(temp_dir.read("out") == expected, "{words}: other bytes\n{said}");
    assert!(!temp_dir.0.join("out.part").exists() && !temp_dir.0.join("out.part.of").exists(), "{words}");
    std::fs::remove_file(temp_dir.0.join("out")).unwrap();
    said
}

/// Fetches nothing: there is no `out`, and the last line says why.
#[track_caller]
fn fail(temp_dir: &TempDir, words: &str, code: i32, why: &str) {
    let (found, said) = temp_dir.try_run(&line(words));
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(
        found == Some(code) && last.contains(why),
        "{words}: expected {code} and {why:?}, found {found:?}\n{said}"
    );
    assert!(last.starts_with("everboot-fetch: "), "{said}");
    let others = said.lines().filter(|line| !line.contains("; trying again in ") && !line.contains(" % ("));
    let is_told = |line: &str| line.starts_with("version ");
    assert_eq!(others.filter(|line| !is_told(line)).count(), 1, "one line, found\n{said}");
    assert!(!temp_dir.0.join("out").exists(), "{words}: something has the final name");
}

/// How much of it is there.
fn part(temp_dir: &TempDir) -> u64 {
    std::fs::metadata(temp_dir.0.join("out.part")).map_or(0, |data| data.len())
}
