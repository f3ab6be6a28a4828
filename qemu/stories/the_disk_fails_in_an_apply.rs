//! The disk fails in the middle of an apply: one write, one read, every write from some time on, or all of it. The
//! old system stays as it was and comes up, or the new one does; on a disk that is well again the machine arrives.
//!
//! A constant seed chooses among the reads and writes of the apply.

use super::an_apply::{expect_new, ready, requests};
use super::common::{chance, pick};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Drive, Machine, Vm};

/// Runs the machine with this disk once; the old slot is the same before and after.
fn run(machine: &Machine, drive: Drive) -> String {
    let old = machine.slot_digest("slot-a").unwrap();
    let said = Vm::start(&machine.options("faulty").drive(drive)).unwrap().wait_exit(LIMIT).unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written:\n{said}");
    said
}

fn expect_due(machine: &Machine, said: &str) {
    assert!(said.contains("UP 1") && said.contains("waits for its next start"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/update/state"), status.slot("slot-b")), ("due".into(), "writing null".into()));
}

#[test]
fn an_update_goes_on_in_the_boot_after_a_write_that_failed() {
    let machine = ready("write-fails");
    let nth = pick(&mut chance(1), &requests()[1]);
    let said = run(&machine, Drive::FailWrite(machine.disk.path().into(), nth));
    expect_due(&machine, &said);
    expect_new(&machine);
}

#[test]
fn a_read_that_fails_leads_to_the_old_system_or_the_new_one() {
    let mut seed = chance(2);
    for turn in 1..=3 {
        let machine = ready(&format!("read-fails-{turn}"));
        let nth = pick(&mut seed, &requests()[0]);
        let said = run(&machine, Drive::FailRead(machine.disk.path().into(), nth));
        if said.contains("UP 2") {
            machine.status().unwrap().expect_default("slot-b", "2").unwrap();
        } else {
            expect_due(&machine, &said);
        }
    }
}

#[test]
fn a_disk_that_is_written_no_more_boots_the_old_system_and_goes_on_when_it_is_well() {
    let machine = ready("writes-fail");
    let nth = pick(&mut chance(3), &requests()[1]);
    let said = run(&machine, Drive::FailWritesFrom(machine.disk.path().into(), nth));
    assert!(said.contains("UP 1") && said.contains("waits for its next start"), "{said}");
    expect_new(&machine);
}

#[test]
fn a_disk_that_is_gone_waits_for_it_and_goes_on_when_it_is_well() {
    let machine = ready("disk-gone");
    let old = machine.slot_digest("slot-a").unwrap();
    let nth = pick(&mut chance(4), &requests()[1]);
    let drive = Drive::DieAtWrite(machine.disk.path().into(), nth);
    let mut vm = Vm::start(&machine.options("faulty").drive(drive)).unwrap();
    vm.wait_for("everboot   RECOVERY: ", LIMIT).unwrap();
    vm.wait_for("in 10 s: look at all disks again", LIMIT).unwrap();
    vm.kill().unwrap();
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    expect_new(&machine);
}
