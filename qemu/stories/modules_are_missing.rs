//! An image without modules for the kernel that will boot it is refused: by `stage` in the running system
//! with nothing changed, and by the early boot when it was staged where the kernel was not known.

use super::common::{machine, machine_at_shell, stage, testbed};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::system;

fn without_modules() -> std::path::PathBuf {
    let mut image = system::mini(testbed(), "2", super::common::NEW);
    image.modules = false;
    system::pack(testbed(), &image, &[]).unwrap()
}

#[test]
fn stage_refuses_an_image_without_modules_and_changes_nothing() {
    let files = [("v2.everboot", std::fs::read(without_modules()).unwrap())];
    let (machine, mut vm) = machine_at_shell("modules", &files);
    let (code, said) = vm.shell("everboot stage /mnt/v2.everboot", LIMIT).unwrap();
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("the image has no modules for the kernel") && said.contains("those for: none"),
        "{said}"
    );
    vm.send_line("poweroff -f").unwrap();
    vm.wait_exit(LIMIT).unwrap();
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
    assert!(said.contains("UP 1") && said.contains("the image has no modules for the kernel"), "{said}");
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
    assert!(machine.slot_digest("slot-b").unwrap() == before, "the slot was written");
}
