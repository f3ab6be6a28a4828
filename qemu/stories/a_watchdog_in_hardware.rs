//! A new system hangs on a machine with a watchdog in hardware, an i6300esb, and with the kernel that has its driver.

use super::common::{HANGS, OLD, configuration, expect_rolled_back, stage, testbed};
use everboot_builder::initramfs;
use everboot_builder::kernel::Kernel;
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Machine, Vm, VmOptions, bundle, system};

/// What this kernel has as modules and the agent needs, beside the drivers that every initramfs has.
const MODULES: [&str; 3] = ["crc32c_generic", "ext4", "i6300esb"];

/// What the system says of the watchdog that it finds.
const LOOKS: &str = "cat /sys/class/watchdog/watchdog0/identity /sys/class/watchdog/watchdog0/state";

fn options(machine: &Machine, kernel: &Kernel, boot: &str, line: &str) -> VmOptions {
    let mut archive =
        initramfs::everboot_archive(kernel, &testbed().agent.init, &[&testbed().key.public]).unwrap();
    archive.add("etc/everboot/everboot.conf", 0o644, configuration(line));
    initramfs::add_modules(&mut archive, kernel, &MODULES).unwrap();
    let image = machine.work.join("initramfs.img");
    std::fs::write(&image, archive.to_bytes()).unwrap();
    let mut options = VmOptions::new(&machine.work, boot, kernel, &image).drive(machine.drive());
    options.extra = ["-device", "i6300esb", "-action", "watchdog=reset"].map(str::to_owned).into();
    options
}

#[test]
fn the_hardware_restarts_a_new_system_that_hangs_and_is_not_started_for_a_time_that_it_does_not_take() {
    let kernel = Kernel::generic().unwrap();
    let small = |version, init: &str, words: &[&str]| {
        let image = system::mini(testbed(), version, init).image(&kernel).unwrap();
        bundle::pack(testbed(), &image, version, words).unwrap()
    };
    let machine =
        Machine::new(testbed(), "hardware-watchdog", &small("1", &format!("{LOOKS}\n{OLD}"), &[]), &[])
            .unwrap();
    stage(&machine, &small("2", &format!("{LOOKS}\n{HANGS}"), &["--tries", "1"]));

    let mut vm = Vm::start(&options(&machine, &kernel, "try", "watchdog = 10")).unwrap();
    vm.wait_for("UP 2\r\ni6300ESB timer\r\nactive", LIMIT).unwrap();
    vm.wait_event("WATCHDOG", LIMIT).unwrap();
    vm.wait_exit(LIMIT).unwrap();

    let mut vm = Vm::start(&options(&machine, &kernel, "old", "watchdog = 3600")).unwrap();
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(said.contains("UP 1\r\ni6300ESB timer\r\ninactive"), "{said}");
    expect_rolled_back(&machine, "all tries used without a confirmation");
}
