//! The disk is pulled out in the middle of an apply, and put in again: in the same boot, or before the next one.
//! (The staging area is looked for on the disk of the record alone, so no disk with only that is ever pulled out.)

use super::an_apply::{expect_new, pull_out, ready};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Machine, Vm};

/// A machine whose disk was pulled out; the agent has nothing left to boot then, and waits.
fn stranded(machine: &Machine, seed: u64) -> Vm {
    let mut vm = pull_out(machine, machine.options("pulled-out"), seed);
    vm.wait_for("everboot   RECOVERY: ", LIMIT).unwrap();
    vm.wait_for("in 10 s: look at all disks again", LIMIT).unwrap();
    vm
}

#[test]
fn a_disk_that_is_put_in_again_is_found_and_the_apply_goes_on_in_the_same_boot() {
    let machine = ready("pulled-out");
    let old = machine.slot_digest("slot-a").unwrap();
    let mut vm = stranded(&machine, 7);
    vm.put_in(0).unwrap();
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
}

#[test]
fn a_disk_that_comes_back_after_a_power_cut_is_written_to_the_end_by_the_next_boot() {
    let machine = ready("pulled-out-cut");
    let old = machine.slot_digest("slot-a").unwrap();
    stranded(&machine, 8).kill().unwrap();
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    expect_new(&machine);
}
