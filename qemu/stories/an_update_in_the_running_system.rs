//! `stage`, `prepare`, `activate` in the running system: the next boot only tries what is there already.

use super::common::{NEW, expect, machine_at_shell, small};
use everboot_testbed::machine::LIMIT;

#[test]
fn the_running_system_prepares_the_other_slot_and_the_next_boot_tries_it() {
    let bundle = std::fs::read(small("2", NEW, &[])).unwrap();
    let cut_short = bundle[..bundle.len() / 2].to_vec();
    let files = [("v2.everboot", bundle), ("short.everboot", cut_short)];
    let (machine, mut vm) = machine_at_shell("running", &files);
    let mut shell = |command: &str, code: i32, says: &str| expect(&mut vm, command, code, says);
    shell("everboot stage /mnt/short.everboot", 5, "bundle");
    shell("everboot activate", 3, "stage");
    shell("everboot stage /mnt/v2.everboot", 0, "staged version 2");
    shell("everboot prepare", 0, "slot-b: prepared, ");
    shell("everboot prepare", 0, "prepared already");
    shell("everboot verify slot-b", 0, "all 4096 blocks are right");
    shell("everboot activate", 0, "slot-b: the next boot tries it");
    vm.send_line("poweroff -f").unwrap();
    vm.wait_exit(LIMIT).unwrap();
    assert_eq!(machine.status().unwrap().slot("slot-b"), "trial 2");

    let said = machine.run("second").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
    let files = machine.staged_files().unwrap();
    assert!(!files.contains("staged.everboot"), "the bundle is still there: {files}");
}
