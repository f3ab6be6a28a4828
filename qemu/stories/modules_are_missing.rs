//! An image without modules for the kernel that will boot it is refused: by `stage` in the running system
//! with nothing changed, and by the early boot when it was staged where the kernel was not known.

use super::common::{bed, machine, machine_with, stage};
use crate::harness::machine::{LIMIT, make_ext4};
use crate::harness::{Drive, Guest, system};

const SHELL: &str = "export PS1='root@everboot:~# '\nsh -i\npoweroff -f";

fn without_modules() -> std::path::PathBuf {
    let mut image = system::mini(bed(), "2", super::common::NEW);
    image.modules = false;
    system::pack(bed(), &image, &[]).unwrap()
}

#[test]
fn stage_refuses_an_image_without_modules_and_changes_nothing() {
    let machine = machine_with("modules", SHELL, &[]);
    let stick = machine.work.join("stick");
    std::fs::create_dir_all(&stick).unwrap();
    std::fs::copy(without_modules(), stick.join("v2.everboot")).unwrap();
    make_ext4(&stick, 32 << 20, &machine.work.join("stick.img")).unwrap();
    let stick = Drive::Snapshot(machine.work.join("stick.img"));
    let mut guest = Guest::start(&machine.options("boot").drive(machine.drive()).drive(stick)).unwrap();
    guest.wait_for("root@everboot:~# ", LIMIT).unwrap();
    assert_eq!(guest.shell("mount -t ext4 -o ro /dev/vdb /mnt", LIMIT).unwrap().0, 0);
    let (code, said) = guest.shell("everboot stage /mnt/v2.everboot", LIMIT).unwrap();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("kernel modules missing in the image") && said.contains("found none"), "{said}");
    guest.send_line("poweroff -f").unwrap();
    guest.wait_exit(LIMIT).unwrap();
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/update/state"), status.slot("slot-b")), ("none".into(), "empty null".into()));
}

#[test]
fn the_early_boot_refuses_an_image_without_modules_before_it_writes() {
    let machine = machine("modules-early");
    stage(&machine, &without_modules());
    let before = machine.slot_digest("slot-b").unwrap();
    let said = machine.run("boot").unwrap();
    assert!(said.contains("UP 1") && said.contains("kernel modules missing in the image"), "{said}");
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
    assert!(machine.slot_digest("slot-b").unwrap() == before, "the slot was written");
}
