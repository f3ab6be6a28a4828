//! The file system of the staging area is full, read-only or corrupt: what was staged is applied if it can be, and
//! else the old system boots.

use super::common::{NEW, machine, machine_with, small, stage};
use crate::harness::command::{program, run};
use crate::harness::machine::{DATA, LIMIT, make_ext4};
use crate::harness::{Drive, Guest, Machine};

const SHELL: &str = "export PS1='root@everboot:~# '\nsh -i\npoweroff -f";

#[test]
fn stage_says_that_there_is_no_room_or_no_right_to_write_and_what_was_staged_before_boots() {
    let machine = machine_with("staging-full", SHELL, &[]);
    let folder = machine.work.join("stick");
    std::fs::create_dir_all(&folder).unwrap();
    for version in ["2", "3"] {
        std::fs::copy(small(version, NEW, &[]), folder.join(format!("v{version}.everboot"))).unwrap();
    }
    make_ext4(&folder, 32 << 20, &machine.work.join("stick.img")).unwrap();
    let stick = Drive::Snapshot(machine.work.join("stick.img"));
    let mut guest = Guest::start(&machine.options("boot").drive(machine.drive()).drive(stick)).unwrap();
    guest.wait_for("root@everboot:~# ", LIMIT).unwrap();
    let mut shell = |command: &str, code: i32, says: &str| {
        let (found, said) = guest.shell(command, LIMIT).unwrap();
        assert!(found == code && said.contains(says), "`{command}` ended with {found}:\n{said}");
    };
    shell("mount -t ext4 -o ro /dev/vdb /mnt", 0, "");
    shell("everboot stage /mnt/v2.everboot && everboot activate", 0, "the next boot applies");
    shell("mount -t ext4 /dev/vda4 /data", 0, "");
    shell("dd if=/dev/zero of=/data/full bs=1M 2>/dev/null; df /data | tail -1", 0, "100%");
    shell("everboot stage /mnt/v3.everboot", 9, "bytes of room, found");
    shell("rm /data/full && mount -o remount,ro /data", 0, "");
    shell("everboot stage /mnt/v3.everboot", 1, "staging area");
    guest.send_line("poweroff -f").unwrap();
    guest.wait_exit(LIMIT).unwrap();
    assert_eq!(machine.status().unwrap().at("/update/state"), "due");
    let said = machine.run("second").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}

fn expect_old_and_given_up(machine: &Machine, said: &str) {
    assert!(said.contains("UP 1"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!(status.at("/update/state"), "none");
}

#[test]
fn a_file_system_that_is_garbage_behind_its_superblock_is_given_up() {
    let machine = machine("staging-garbage");
    stage(&machine, &small("2", NEW, &[]));
    machine.disk.write(DATA, 4096, &vec![0xa5; 4 << 20]).unwrap();
    let said = machine.run("boot").unwrap();
    expect_old_and_given_up(&machine, &said);
}

#[test]
fn a_file_system_that_asks_for_a_panic_on_damage_is_given_up_without_one() {
    let machine = machine("staging-panics");
    stage(&machine, &small("2", NEW, &[]));
    let image = machine.work.join("data.img");
    run(program("tune2fs").args(["-e", "panic"]).arg(&image)).unwrap();
    run(program("debugfs").args(["-w", "-R", "clri /everboot"]).arg(&image)).unwrap();
    machine.disk.write_image(DATA, &image).unwrap();
    let said = machine.run("boot").unwrap();
    assert!(said.contains("deleted inode referenced") && !said.contains("Kernel panic"), "{said}");
    expect_old_and_given_up(&machine, &said);
}
