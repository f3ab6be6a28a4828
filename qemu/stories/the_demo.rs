//! The first command of the README does what it says.

use everboot_builder::paths;
use std::process::Command;

#[test]
fn all_that_the_demo_claims_is_so() {
    let mut demo = Command::new(paths::repo().join("qemu/demo"));
    let ended = demo.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let shown = said.split("What was shown:").nth(1).unwrap_or_default();
    let claims = shown.lines().filter(|line| line.starts_with("  ok  ")).count();
    let complaints = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && claims == 6, "{said}\n{complaints}");
}
