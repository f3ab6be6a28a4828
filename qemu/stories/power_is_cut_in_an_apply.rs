//! The power is cut in the middle of an apply: the next boot goes on, and writes no block again that was
//! right. The old system stays as it was, byte for byte, all the time.
//!
//! The new slot is full of other bytes before, so every block has to be written. A clean run counts the
//! writes of the disk; five runs are cut at a part of them.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::common::{OLD, chance, machine_with, pick, stage, testbed};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Drive, Machine, Vm, system};

/// The same for all: 24 MiB, 6144 blocks. It waits for a line before it confirms.
const WAITS: &str = "read line\neverboot confirm\npoweroff -f";
const MEBIBYTES: u64 = 24;

fn image() -> PathBuf {
    let mut mini = system::mini(testbed(), "2", WAITS);
    mini.mebibytes = MEBIBYTES;
    mini.image(&testbed().kernel).unwrap()
}

fn ready(story: &str) -> Machine {
    let machine = machine_with(story, OLD, &["--slot-size", "32"]);
    let bundle = everboot_testbed::bundle::pack(testbed(), &image(), "2", &[]).unwrap();
    machine.fill("slot-b", MEBIBYTES << 20).unwrap();
    stage(&machine, &bundle);
    machine
}

/// Lets version 2 confirm, and checks what is on the disk then.
fn finish(machine: &Machine, mut vm: Vm) -> String {
    vm.send_line("go on").unwrap();
    let said = vm.wait_exit(LIMIT).unwrap();
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
    let verified = machine.must(&["verify", "slot-b"]).unwrap();
    assert!(verified.contains("all 6144 blocks are right"), "{verified}");
    said
}

/// How many writes the disk carries out from power-on to the start of version 2.
fn writes_of_a_clean_run() -> u32 {
    static WRITES: OnceLock<u32> = OnceLock::new();
    *WRITES.get_or_init(|| {
        let machine = ready("cut-clean");
        let mut vm = machine.start("clean").unwrap();
        vm.wait_for("UP 2", LIMIT).unwrap();
        let writes = vm.writes(0).unwrap();
        assert!(writes >= 20, "too few writes to be cut: {writes}");
        let said = finish(&machine, vm);
        assert!(said.contains("applied, 6144 of 6144 blocks written"), "{said}");
        writes
    })
}

fn cut_at(percent: u32) {
    let write = writes_of_a_clean_run() * percent / 100;
    let machine = ready(&format!("cut-{percent}"));
    let old = machine.slot_digest("slot-a").unwrap();
    let drive = Drive::StopAtWrite(machine.disk.path().into(), write);
    let mut vm = Vm::start(&machine.options("cut").drive(drive)).unwrap();
    vm.wait_event("STOP", LIMIT).unwrap();
    vm.kill().unwrap();

    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!(status.at("/slots/1/state"), "writing", "cut at write {write}");
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    let (right, blocks) = machine.equal_blocks("slot-b", &image()).unwrap();

    let mut vm = machine.start("next").unwrap();
    vm.wait_for("UP 2", LIMIT).unwrap();
    let said = finish(&machine, vm);
    let expected = format!("applied, {} of {blocks} blocks written", blocks - right);
    assert!(said.contains(&expected), "cut at write {write}, expected `{expected}`:\n{said}");
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
}

#[test]
fn the_power_is_cut_at_a_tenth_of_an_apply() {
    cut_at(10);
}

#[test]
fn the_power_is_cut_at_three_tenths_of_an_apply() {
    cut_at(30);
}

#[test]
fn the_power_is_cut_at_half_of_an_apply() {
    cut_at(50);
}

#[test]
fn the_power_is_cut_at_seven_tenths_of_an_apply() {
    cut_at(70);
}

#[test]
fn the_power_is_cut_at_nine_tenths_of_an_apply() {
    cut_at(90);
}

#[test]
fn the_power_is_cut_three_times_and_the_machine_arrives() {
    let machine = ready("cut-often");
    let old = machine.slot_digest("slot-a").unwrap();
    let step = writes_of_a_clean_run() / 4;
    for cut in 1..=3 {
        let drive = Drive::StopAtWrite(machine.disk.path().into(), step);
        let mut vm = Vm::start(&machine.options(&format!("cut{cut}")).drive(drive)).unwrap();
        vm.wait_event("STOP", LIMIT).unwrap();
        vm.kill().unwrap();
        assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    }
    let mut vm = machine.start("next").unwrap();
    vm.wait_for("UP 2", LIMIT).unwrap();
    finish(&machine, vm);
}

/// What the console says from the first look at the disk to the start of the new version.
const MARKERS: [&str; 4] = ["slot-b: applying", " %", "slot-b: applied", "UP 2"];

#[test]
fn the_power_is_cut_by_turns_at_a_write_and_at_a_word_of_the_console_and_the_machine_arrives() {
    let machine = ready("cut-chain");
    let old = machine.slot_digest("slot-a").unwrap();
    let mut seed = chance(5);
    for cut in 1..=4 {
        let name = format!("cut{cut}");
        let mut vm = if cut % 2 == 1 {
            // Some of the first writes: those of the record too, and of the recovery from the cut before.
            let drive = Drive::StopAtWrite(machine.disk.path().into(), pick(&mut seed, &(2..12)));
            let mut vm = Vm::start(&machine.options(&name).drive(drive)).unwrap();
            vm.wait_event("STOP", LIMIT).unwrap();
            vm
        } else {
            let mut vm = machine.start(&name).unwrap();
            vm.wait_for(MARKERS[pick(&mut seed, &(0..4)) as usize], LIMIT).unwrap();
            vm
        };
        vm.kill().unwrap();
        machine.status().unwrap().expect_default("slot-a", "1").unwrap();
        assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    }
    let mut vm = machine.start("next").unwrap();
    vm.wait_for("UP 2", LIMIT).unwrap();
    finish(&machine, vm);
}
