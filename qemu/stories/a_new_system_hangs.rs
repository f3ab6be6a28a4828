//! The new system hangs: with a watchdog the machine comes back by itself, without one when its power is cut. And
//! what the watchdog does in an apply. Debian's cloud kernel has the one in software, `softdog`.

use super::common::{HANGS, NEW, configured, expect_old_for_ever, expect_rolled_back, machine, small, stage};
use everboot_testbed::Vm;
use everboot_testbed::machine::LIMIT;

const WHY: &str = "all tries used without a confirmation";

#[test]
fn a_watchdog_restarts_a_new_system_that_hangs_until_the_old_one_is_back() {
    let machine = machine("hangs-watched");
    stage(&machine, &small("2", HANGS, &["--tries", "2"]));
    let options = |boot| configured(&machine, boot, "watchdog = 40", &["softdog"]);
    for attempt in ["try1", "try2"] {
        let said = Vm::start(&options(attempt).quick_clock()).unwrap().wait_exit(LIMIT).unwrap();
        assert!(said.contains("UP 2") && said.contains("Initiating system reboot"), "{said}");
    }
    let said = Vm::start(&options("old")).unwrap().wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1") && said.contains(WHY), "{said}");
    expect_rolled_back(&machine, WHY);
}

#[test]
fn without_a_watchdog_each_power_cut_of_a_new_system_that_hangs_uses_up_a_try() {
    let machine = machine("hangs");
    stage(&machine, &small("2", HANGS, &["--tries", "2"]));
    for attempt in ["try1", "try2"] {
        let mut vm = machine.start(attempt).unwrap();
        vm.wait_for("UP 2", LIMIT).unwrap();
        vm.kill().unwrap();
    }
    expect_old_for_ever(&machine, WHY);
}

/// The kernel's own words for what is asked of softdog.
const TRACED: &str = "kprobe_event=p:petted,softdog:softdog_ping;p:stopped,softdog:softdog_stop tp_printk";

#[test]
fn an_apply_pets_the_watchdog_and_stops_it_before_the_hand_off() {
    let machine = machine("watched-apply");
    stage(&machine, &small("2", &format!("cat /sys/class/watchdog/watchdog0/state\n{NEW}"), &[]));
    let mut options = configured(&machine, "boot", "", &["softdog"]).append(TRACED);
    options.loglevel = 7;
    let said = Vm::start(&options).unwrap().wait_exit(LIMIT).unwrap();
    let (before, after) = said.split_once("UP 2").unwrap();
    let (apply, rest) = before.split_once("stopped: (softdog_stop").unwrap();
    // The start and its timeout are two.
    assert!(apply.matches("petted: (softdog_ping").count() > 4, "{said}");
    assert!(!rest.contains("petted: (softdog_ping") && after.contains("\ninactive"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}
