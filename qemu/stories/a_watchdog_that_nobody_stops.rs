//! A watchdog that goes on after a close (nowayout): it is started only for the system that has to take it over.

use super::common::{HANGS, NEW, configured, expect_rolled_back, machine, overlaid, small, stage};
use everboot_builder::cpio::{Archive, Node};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Machine, Vm, VmOptions};

/// Before the agent, which loads modules without parameters.
const INIT: &str = "\
#!/bin/busybox sh
/bin/busybox insmod /lib/modules/watchdog.ko
/bin/busybox insmod /lib/modules/softdog.ko nowayout=1
exec /init \"$@\"
";

fn nowayout(machine: &Machine, boot: &str, line: &str) -> VmOptions {
    let mut files = Archive::default();
    files.add(
        "bin/busybox",
        0o755,
        Node::File(std::fs::read(everboot_builder::busybox::program().unwrap()).unwrap()),
    );
    files.add("nowayout", 0o755, Node::File(INIT.into()));
    let options = configured(machine, boot, line, &["softdog"]);
    overlaid(machine, options, &files).append("rdinit=/nowayout")
}

/// What the system says of the watchdog that it finds.
const LOOKS: &str = "cat /sys/class/watchdog/watchdog0/nowayout /sys/class/watchdog/watchdog0/state";

#[test]
fn an_apply_does_not_start_a_watchdog_that_cannot_be_stopped() {
    let machine = machine("nowayout-apply");
    stage(&machine, &small("2", &format!("{LOOKS}\n{NEW}"), &[]));
    let said = Vm::start(&nowayout(&machine, "boot", "watchdog = apply")).unwrap().wait_exit(LIMIT).unwrap();
    assert!(said.contains("applied, ") && said.contains("UP 2\r\n1\r\ninactive\r\n"), "{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}

#[test]
fn a_watchdog_that_cannot_be_stopped_is_left_running_where_that_is_asked_for() {
    let machine = machine("nowayout-left");
    stage(&machine, &small("2", &format!("{LOOKS}\n{HANGS}"), &["--tries", "1"]));
    let options = nowayout(&machine, "try", "watchdog = 30").quick_clock();
    let said = Vm::start(&options).unwrap().wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 2\r\n1\r\nactive\r\n") && said.contains("Initiating system reboot"), "{said}");
    let said = machine.run("old").unwrap();
    assert!(said.contains("UP 1"), "{said}");
    expect_rolled_back(&machine, "all tries used without a confirmation");
}
