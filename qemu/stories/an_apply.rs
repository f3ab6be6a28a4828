//! What the stories of a disk that fails share: an apply that is due, and which requests are its own.
//!
//! The new slot is full of other bytes before, so every block has to be written. A clean run tells which reads and
//! writes are the apply's.

use std::ops::Range;
use std::sync::OnceLock;

use super::common::{NEW, chance, machine, pick, small, stage};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Drive, Machine, Vm, VmOptions};

/// A machine on which the apply of version 2 is due.
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
        let mut vm = machine.start("boot").unwrap();
        let mut counts_at = |text| {
            vm.wait_for(text, LIMIT).unwrap();
            [vm.reads(0).unwrap(), vm.writes(0).unwrap()]
        };
        let ([read, write], [last_read, last_write]) = (counts_at("applying 2"), counts_at("applied, "));
        vm.wait_exit(LIMIT).unwrap();
        [read + 1..last_read, write + 1..last_write]
    })
}

/// On a disk that is well.
pub fn expect_new(machine: &Machine) {
    let said = machine.run("well").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}

/// This boot, whose disk is pulled out at a write of the apply that chance picks.
pub fn pull_out(machine: &Machine, options: VmOptions, seed: u64) -> Vm {
    let nth = pick(&mut chance(seed), &requests()[1]);
    let drive = Drive::StopAtWrite(machine.disk.path().into(), nth);
    let mut vm = Vm::start(&options.drive(drive).quick_clock()).unwrap();
    vm.wait_event("STOP", LIMIT).unwrap();
    vm.pull_out(0).unwrap();
    vm.carry_on().unwrap();
    vm.wait_event("DEVICE_DELETED", LIMIT).unwrap();
    vm
}
