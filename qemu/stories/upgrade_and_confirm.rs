//! The main job on a real Debian 12: staged in the running system, applied in early boot, confirmed.

use super::common::{expect, stick, testbed};
use everboot_builder::overlay::Overlay;
use everboot_testbed::machine::LIMIT;
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Machine, Vm, system};

#[test]
fn a_debian_is_upgraded_in_early_boot_and_confirms_itself() {
    let bundle = |version| system::debian(testbed(), version, &Overlay::default(), &[]).unwrap();
    let machine = Machine::new(testbed(), "upgrade", &bundle("1"), &[]).unwrap();
    let stick = stick(&machine, &[("v2.everboot", std::fs::read(bundle("2")).unwrap())]);
    let old = machine.slot_digest("slot-a").unwrap();

    let mut vm = Vm::start(&machine.options("v1").drive(machine.drive()).drive(stick)).unwrap();
    vm.wait_for("BOOT-OK 1", LIMIT).unwrap();
    vm.wait_for(PROMPT, LIMIT).unwrap();
    let mut shell = |command: &str, code: i32, says: &str| expect(&mut vm, command, code, says);
    shell("systemctl is-system-running --wait", 0, "running");
    shell("systemctl is-active everboot-confirm", 0, "active");
    shell("mount -o ro /dev/vdb /mnt", 0, "");
    shell("everboot stage /mnt/v2.everboot", 0, "staged version 2");
    shell("everboot activate", 0, "slot-b");
    vm.send_line("systemctl reboot").unwrap();
    vm.wait_exit(LIMIT).unwrap();
    assert_eq!(machine.status().unwrap().at("/update/state"), "due");

    let mut vm = machine.start("v2").unwrap();
    vm.wait_for("applied, ", LIMIT).unwrap();
    vm.wait_for("BOOT-OK 2", LIMIT).unwrap();
    vm.wait_for(PROMPT, LIMIT).unwrap();
    let (code, said) = vm.shell("systemctl is-system-running --wait; everboot why", LIMIT).unwrap();
    assert!(code == 0 && said.contains("slot-b (version 2)"), "{said}");
    vm.send_line("systemctl poweroff").unwrap();
    vm.wait_exit(LIMIT).unwrap();

    let status = machine.status().unwrap();
    status.expect_default("slot-b", "2").unwrap();
    assert_eq!((status.slot("slot-a"), status.at("/confirmed")), ("good 1".into(), "true".into()));
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the sealed old slot was written");
}
