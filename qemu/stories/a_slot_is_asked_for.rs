//! `everboot.slot=` on the kernel command line chooses among eligible slots for one boot.

use super::common::{NEW, OLD, machine, small};
use everboot_testbed::Vm;
use everboot_testbed::machine::LIMIT;

#[test]
fn the_kernel_command_line_chooses_a_good_slot_and_the_default_stays() {
    let machine = machine("override");
    machine.must(&["install", &small("2", OLD, &[]).to_string_lossy()]).unwrap();
    machine.must(&["boot"]).unwrap();
    machine.must(&["confirm"]).unwrap();
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();

    let options = machine.options("asked").append("everboot.slot=slot-a").drive(machine.drive());
    let said = Vm::start(&options).unwrap().wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1") && said.contains("asked for on the kernel command line"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-b", "2").unwrap();
    assert_eq!(status.at("/booted"), "slot-a");

    let said = machine.run("default").unwrap();
    assert!(said.contains("UP 2"), "{said}");
}

#[test]
fn a_slot_that_is_not_eligible_is_not_booted_whoever_asks() {
    let machine = machine("override-empty");
    machine.must(&["install", &small("2", NEW, &[]).to_string_lossy()]).unwrap();
    machine.must(&["reject", "slot-b"]).unwrap();
    let options = machine.options("asked").append("everboot.slot=slot-b").drive(machine.drive());
    let said = Vm::start(&options).unwrap().wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1") && said.contains("everboot.slot=slot-b is ignored"), "{said}");
}
