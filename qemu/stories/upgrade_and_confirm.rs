//! The main job on a real Debian 12: staged in the running system, applied in early boot, confirmed.

use crate::harness::machine::{LIMIT, make_ext4};
use crate::harness::rootfs::Overlay;
use crate::harness::{Bed, Drive, Guest, Machine, system};

#[test]
fn a_debian_is_upgraded_in_early_boot_and_confirms_itself() {
    let bed = Bed::shared().unwrap();
    let bundle = |version| system::debian(bed, version, &Overlay::default(), &[]).unwrap();
    let machine = Machine::new(bed, "upgrade", &bundle("1"), &[]).unwrap();
    let folder = machine.work.join("stick");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(bundle("2"), folder.join("v2.everboot")).unwrap();
    make_ext4(&folder, 160 << 20, &machine.work.join("stick.img")).unwrap();
    let stick = Drive::Snapshot(machine.work.join("stick.img"));
    let old = machine.slot_digest("slot-a").unwrap();

    let mut guest = Guest::start(&machine.options("v1").drive(machine.drive()).drive(stick)).unwrap();
    guest.wait_for("BOOT-OK 1", LIMIT).unwrap();
    guest.wait_for("root@everboot:~# ", LIMIT).unwrap();
    let mut shell = |command: &str, code: i32, says: &str| {
        let (found, said) = guest.shell(command, LIMIT).unwrap();
        assert!(found == code && said.contains(says), "`{command}` ended with {found}:\n{said}");
    };
    shell("systemctl is-system-running --wait", 0, "running");
    shell("systemctl is-active everboot-confirm", 0, "active");
    shell("mount -o ro /dev/vdb /mnt", 0, "");
    shell("everboot stage /mnt/v2.everboot", 0, "staged version 2");
    shell("everboot activate", 0, "slot-b");
    guest.send_line("systemctl reboot").unwrap();
    guest.wait_exit(LIMIT).unwrap();
    assert_eq!(machine.status().unwrap().at("/update/state"), "due");

    let mut guest = machine.start("v2").unwrap();
    guest.wait_for("applied, ", LIMIT).unwrap();
    guest.wait_for("BOOT-OK 2", LIMIT).unwrap();
    guest.wait_for("root@everboot:~# ", LIMIT).unwrap();
    let (code, said) = guest.shell("systemctl is-system-running --wait; everboot why", LIMIT).unwrap();
    assert!(code == 0 && said.contains("slot-b (version 2)"), "{said}");
    guest.send_line("systemctl poweroff").unwrap();
    guest.wait_exit(LIMIT).unwrap();

    let status = machine.status().unwrap();
    status.expect_default("slot-b", "2").unwrap();
    assert_eq!((status.slot("slot-a"), status.at("/confirmed")), ("good 1".into(), "true".into()));
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the sealed old slot was written");
}
