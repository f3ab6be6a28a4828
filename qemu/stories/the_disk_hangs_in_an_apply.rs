//! The disk answers nothing any more in the middle of an apply: the watchdog restarts the machine, and the next boot
//! goes on where this one stood.

use super::an_apply::{expect_new, ready, requests};
use super::common::{chance, configured, pick};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Drive, Vm};

#[test]
fn the_watchdog_restarts_a_machine_whose_disk_hangs_and_the_apply_goes_on() {
    let machine = ready("disk-hangs");
    let old = machine.slot_digest("slot-a").unwrap();
    let nth = pick(&mut chance(6), &requests()[1]);
    let mut options = configured(&machine, "hangs", "", &["softdog"]).quick_clock();
    options.drives = vec![Drive::StopAtWrite(machine.disk.path().into(), nth)];
    let mut vm = Vm::start(&options).unwrap();
    vm.wait_event("STOP", LIMIT).unwrap();
    vm.carry_on_without_an_answer(0).unwrap();
    vm.wait_event("SHUTDOWN", LIMIT).unwrap();
    let said = vm.kill().unwrap();
    assert!(said.contains("applying 2") && said.contains("Initiating system reboot"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/update/state"), status.slot("slot-b")), ("due".into(), "writing null".into()));
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    expect_new(&machine);
}
