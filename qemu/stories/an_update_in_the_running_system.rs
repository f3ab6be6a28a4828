//! `stage`, `prepare`, `activate` in the running system: the next boot only tries what is there already.

use super::common::{NEW, machine_with, small};
use crate::harness::machine::{LIMIT, make_ext4};
use crate::harness::{Drive, Guest};

const SHELL: &str = "export PS1='root@everboot:~# '\nsh -i\npoweroff -f";

#[test]
fn the_running_system_prepares_the_other_slot_and_the_next_boot_tries_it() {
    let machine = machine_with("running", SHELL, &[]);
    let folder = machine.work.join("stick");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(small("2", NEW, &[]), folder.join("v2.everboot")).unwrap();
    let mut cut_short = std::fs::read(folder.join("v2.everboot")).unwrap();
    cut_short.truncate(cut_short.len() / 2);
    std::fs::write(folder.join("short.everboot"), cut_short).unwrap();
    make_ext4(&folder, 32 << 20, &machine.work.join("stick.img")).unwrap();
    let stick = Drive::Snapshot(machine.work.join("stick.img"));
    let mut guest = Guest::start(&machine.options("boot").drive(machine.drive()).drive(stick)).unwrap();
    guest.wait_for("root@everboot:~# ", LIMIT).unwrap();
    let mut shell = |command: &str, code: i32, says: &str| {
        let (found, said) = guest.shell(command, LIMIT).unwrap();
        assert!(found == code && said.contains(says), "`{command}` ended with {found}:\n{said}");
    };
    shell("mount -t ext4 -o ro /dev/vdb /mnt", 0, "");
    shell("everboot stage /mnt/short.everboot", 5, "bundle");
    shell("everboot activate", 3, "stage");
    shell("everboot stage /mnt/v2.everboot", 0, "staged version 2");
    shell("everboot prepare", 0, "slot-b: prepared, ");
    shell("everboot prepare", 0, "prepared already");
    shell("everboot verify slot-b", 0, "all 4096 blocks are right");
    shell("everboot activate", 0, "slot-b: the next boot tries it");
    guest.send_line("poweroff -f").unwrap();
    guest.wait_exit(LIMIT).unwrap();
    assert_eq!(machine.status().unwrap().slot("slot-b"), "trial 2");

    let said = machine.run("second").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
    let files = machine.staged_files().unwrap();
    assert!(!files.contains("staged.everboot"), "the bundle is still there: {files}");
}
