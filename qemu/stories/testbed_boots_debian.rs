//! The test bed itself: its kernel, its disk and its sealed Debian, booted by a hand-made init.
//! When this fails, the other stories say nothing about everboot.

use std::time::Duration;

use everboot_builder::kernel::Kernel;
use everboot_builder::paths;
use everboot_builder::setup::{self, Level};
use everboot_testbed::disk::{Disk, Partition};
use everboot_testbed::rootfs::{Debian, image};
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Drive, Vm, VmOptions, hand_made};

#[test]
fn a_sealed_debian_boots_by_a_hand_made_init() {
    setup::prepare(Level::Testbed).unwrap();
    let kernel = Kernel::prepare().unwrap();
    let initramfs = hand_made::hand_made_initramfs(&kernel).unwrap();
    let work = paths::work("testbed-boots-debian").unwrap();
    let root = Debian::new("7").image(&kernel).unwrap();
    let data = image::empty(64).unwrap();
    let parts = [
        Partition { label: "root", size: 400, image: Some(&root) },
        Partition { label: "everboot-data", size: 64, image: Some(&data) },
    ];
    let disk = Disk::create(&work.join("disk.img"), &parts).unwrap();
    let options = VmOptions::new(&work, "boot", &kernel, &initramfs)
        .drive(Drive::Raw(disk.path().into()))
        .append("root=/dev/vda1");

    let mut vm = Vm::start(&options).unwrap();
    vm.wait_for("BOOT-OK 7", Duration::from_secs(120)).unwrap();
    vm.wait_for(PROMPT, Duration::from_secs(60)).unwrap();
    let mut shell = |command: &str| vm.shell(command, Duration::from_secs(60)).unwrap();
    assert_eq!(shell("systemctl is-system-running --wait"), (0, "running\n".into()));
    assert_eq!(shell("touch /data/new && mountpoint -q /data").0, 0);
    assert_eq!(shell("touch /etc/new").0, 1);
    vm.send_line("systemctl poweroff").unwrap();
    vm.wait_exit(Duration::from_secs(60)).unwrap();
    let before = std::fs::read(&root).unwrap();
    assert!(disk.read("root", 0, before.len()).unwrap() == before, "the sealed root was written");
}
