//! The disk fails in the middle of an apply: one write, one read, every write from some time on, or all of it. The
//! old system stays as it was and comes up, or the new one does; on a disk that is well again the machine arrives.
//!
//! The new slot is full of other bytes before, so every block has to be written. A clean run tells which reads and
//! writes are the apply's; a constant seed chooses among them.

use std::ops::Range;
use std::sync::OnceLock;

use super::common::{NEW, chance, machine, pick, small, stage};
use crate::harness::machine::LIMIT;
use crate::harness::{Drive, Guest, Machine};

pub fn ready(story: &str) -> Machine {
    let machine = machine(story);
    machine.fill("slot-b", 16 << 20).unwrap();
    stage(&machine, &small("2", NEW, &[]));
    machine
}

/// The reads and the writes of the disk between the first word of the apply and its last.
pub fn requests() -> &'static [Range<u32>; 2] {
    static REQUESTS: OnceLock<[Range<u32>; 2]> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        let machine = ready("disk-clean");
        let mut guest = machine.start("boot").unwrap();
        let mut counts_at = |text| {
            guest.wait_for(text, LIMIT).unwrap();
            [guest.reads(0).unwrap(), guest.writes(0).unwrap()]
        };
        let ([read, write], [last_read, last_write]) = (counts_at("applying 2"), counts_at("applied, "));
        guest.wait_exit(LIMIT).unwrap();
        [read + 1..last_read, write + 1..last_write]
    })
}

/// Runs the machine with this disk once; the old slot is the same before and after.
fn run(machine: &Machine, drive: Drive) -> String {
    let old = machine.slot_digest("slot-a").unwrap();
    let said = Guest::start(&machine.options("faulty").drive(drive)).unwrap().wait_exit(LIMIT).unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written:\n{said}");
    said
}

fn expect_given_up(machine: &Machine, said: &str) {
    assert!(said.contains("UP 1") && said.contains("given up"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/update/state"), status.slot("slot-b")), ("none".into(), "writing null".into()));
}

/// On a disk that is well.
pub fn expect_new(machine: &Machine) {
    let said = machine.run("well").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}

#[test]
fn a_write_that_fails_gives_the_update_up_and_it_may_be_staged_again() {
    let machine = ready("write-fails");
    let nth = pick(&mut chance(1), &requests()[1]);
    let said = run(&machine, Drive::FailWrite(machine.disk.path().into(), nth));
    expect_given_up(&machine, &said);
    stage(&machine, &small("2", NEW, &[]));
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
            expect_given_up(&machine, &said);
        }
    }
}

#[test]
fn a_disk_that_is_written_no_more_boots_the_old_system_and_goes_on_when_it_is_well() {
    let machine = ready("writes-fail");
    let nth = pick(&mut chance(3), &requests()[1]);
    let said = run(&machine, Drive::FailWritesFrom(machine.disk.path().into(), nth));
    assert!(said.contains("UP 1") && said.contains("given up"), "{said}");
    expect_new(&machine);
}

#[test]
fn a_disk_that_is_gone_waits_for_it_and_goes_on_when_it_is_well() {
    let machine = ready("disk-gone");
    let old = machine.slot_digest("slot-a").unwrap();
    let nth = pick(&mut chance(4), &requests()[1]);
    let drive = Drive::DieAtWrite(machine.disk.path().into(), nth);
    let mut guest = Guest::start(&machine.options("faulty").drive(drive)).unwrap();
    guest.wait_for("everboot   RECOVERY: ", LIMIT).unwrap();
    guest.wait_for("in 10 s: look at all disks again", LIMIT).unwrap();
    guest.kill().unwrap();
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    expect_new(&machine);
}
