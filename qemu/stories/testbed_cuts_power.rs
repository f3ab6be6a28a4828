//! The test bed itself: a power cut and an I/O error hit exactly the write that a story names.

use std::time::Duration;

use everboot_builder::kernel::Kernel;
use everboot_builder::paths;
use everboot_builder::setup::{self, Level};
use everboot_testbed::disk::{Disk, Partition};
use everboot_testbed::rootfs::Mini;
use everboot_testbed::{Drive, Vm, VmOptions, hand_made};

const LIMIT: Duration = Duration::from_secs(60);
const BLOCK: usize = 4096;

/// Writes five blocks, each durable before the next, and says which failed.
const INIT: &str = "\
for n in 1 2 3 4 5; do
    yes $n | head -c 4096 | dd of=/dev/vda2 bs=4096 seek=$n conv=notrunc,fsync 2>/dev/null || echo FAILED $n
done
echo DONE
exec busybox poweroff -f";

/// A disk whose virtual machine has not run yet.
fn machine(story: &str) -> (VmOptions, Disk) {
    setup::prepare(Level::Testbed).unwrap();
    let kernel = Kernel::prepare().unwrap();
    let initramfs = hand_made::hand_made_initramfs(&kernel).unwrap();
    let work = paths::work(story).unwrap();
    let root = Mini::new("1", INIT).image(&kernel).unwrap();
    let parts = [
        Partition { label: "root", size: 64, image: Some(&root) },
        Partition { label: "target", size: 1, image: None },
    ];
    let disk = Disk::create(&work.join("disk.img"), &parts).unwrap();
    (VmOptions::new(&work, "boot", &kernel, &initramfs).append("root=/dev/vda1"), disk)
}

/// The numbers of the blocks that reached the disk.
fn written(disk: &Disk) -> Vec<usize> {
    (1..=5).filter(|n| disk.read("target", (n * BLOCK) as u64, BLOCK).unwrap()[0] != 0).collect()
}

#[test]
fn a_guest_is_cut_at_the_write_that_a_story_names() {
    let (options, disk) = machine("testbed-cuts-power");
    let mut vm = Vm::start(&options.drive(Drive::StopAtWrite(disk.path().into(), 4))).unwrap();
    vm.wait_event("STOP", LIMIT).unwrap();
    vm.kill().unwrap();
    assert_eq!(written(&disk), [1, 2, 3]);
}

#[test]
fn one_write_fails_and_the_others_do_not() {
    let (options, disk) = machine("testbed-fails-a-write");
    let mut vm = Vm::start(&options.drive(Drive::FailWrite(disk.path().into(), 2))).unwrap();
    vm.wait_for("FAILED 2", LIMIT).unwrap();
    vm.wait_for("DONE", LIMIT).unwrap();
    vm.wait_exit(LIMIT).unwrap();
    assert_eq!(written(&disk), [1, 3, 4, 5]);
}
