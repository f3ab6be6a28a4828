//! The file system of the staging area is full, read-only or corrupt: what was staged is applied if it can be, and
//! else the old system boots, and the update waits.

use super::common::{NEW, expect, machine, machine_at_shell, small, stage};
use everboot_builder::command::{program, run};
use everboot_testbed::Machine;
use everboot_testbed::machine::{DATA, LIMIT};

#[test]
fn stage_says_that_there_is_no_room_or_no_right_to_write_and_what_was_staged_before_boots() {
    let bundle = |version| std::fs::read(small(version, NEW, &[])).unwrap();
    let files = [("v2.everboot", bundle("2")), ("v3.everboot", bundle("3"))];
    let (machine, mut vm) = machine_at_shell("staging-full", &files);
    let mut shell = |command: &str, code: i32, says: &str| expect(&mut vm, command, code, says);
    shell("everboot stage /mnt/v2.everboot && everboot activate", 0, "the next boot applies");
    shell("mount -t ext4 /dev/vda4 /data", 0, "");
    shell("dd if=/dev/zero of=/data/full bs=1M 2>/dev/null; df /data | tail -1", 0, "100%");
    shell("everboot stage /mnt/v3.everboot", 9, "bytes are needed");
    shell("rm /data/full && mount -o remount,ro /data", 0, "");
    shell("everboot stage /mnt/v3.everboot", 1, "staging area");
    vm.send_line("poweroff -f").unwrap();
    vm.wait_exit(LIMIT).unwrap();
    assert_eq!(machine.status().unwrap().at("/update/state"), "due");
    let said = machine.run("second").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}

fn expect_old_and_due(machine: &Machine, said: &str) {
    assert!(said.contains("UP 1"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/update/state"), status.at("/update/starts_left")), ("due".into(), "4".into()));
}

#[test]
fn an_update_behind_a_garbage_file_system_waits_and_the_old_system_boots() {
    let machine = machine("staging-garbage");
    stage(&machine, &small("2", NEW, &[]));
    machine.disk.write(DATA, 4096, &vec![0xa5; 4 << 20]).unwrap();
    let said = machine.run("boot").unwrap();
    expect_old_and_due(&machine, &said);
}

#[test]
fn a_file_system_that_asks_for_a_panic_on_damage_gets_none_and_the_update_waits() {
    let machine = machine("staging-panics");
    stage(&machine, &small("2", NEW, &[]));
    let image = machine.work.join("data.img");
    run(program("tune2fs").args(["-e", "panic"]).arg(&image)).unwrap();
    run(program("debugfs").args(["-w", "-R", "clri /everboot"]).arg(&image)).unwrap();
    machine.disk.write_image(DATA, &image).unwrap();
    let said = machine.run("boot").unwrap();
    assert!(said.contains("deleted inode referenced") && !said.contains("Kernel panic"), "{said}");
    expect_old_and_due(&machine, &said);
}
