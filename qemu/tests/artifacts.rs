//! The agent's size and linkage, and the initramfs's sameness.

use std::fs;

use crate::harness::elf::{Linkage, linkage};
use crate::harness::kernel::Kernel;
use crate::harness::key::Key;
use crate::harness::{build, initramfs};

#[test]
fn the_agent_is_static() {
    let agent = fs::read(build::agent().unwrap()).unwrap();
    assert!(linkage(&agent).unwrap().is_static(), "{:?}", linkage(&agent).unwrap());
}

#[test]
fn a_dynamic_binary_is_seen_as_such() {
    let ourselves = fs::read(std::env::current_exe().unwrap()).unwrap();
    let Linkage { interpreter, libraries } = linkage(&ourselves).unwrap();
    assert!(interpreter && libraries > 0, "this test is an ordinary program, linked to libc");
}

#[test]
fn the_agent_is_within_its_limit() {
    let size = fs::metadata(build::agent().unwrap()).unwrap().len();
    assert!(size <= build::AGENT_LIMIT, "{size} bytes, allowed are {}", build::AGENT_LIMIT);
}

#[test]
fn the_initramfs_is_the_same_bytes_each_time() {
    let kernel = Kernel::prepare().unwrap();
    let agent = build::agent().unwrap();
    let key = Key::prepare().unwrap();
    let make = || initramfs::everboot_bytes(&kernel, &agent, &[&key.public]).unwrap();
    assert!(make() == make());
}
