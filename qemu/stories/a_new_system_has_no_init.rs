//! The new image is a file system without an init: the old system comes up in the same boot.

use super::common::{expect_rolled_back, machine, stage, testbed};
use everboot_testbed::system;

#[test]
fn a_new_system_without_init_is_rolled_back_in_the_same_boot() {
    let machine = machine("no-init");
    let mut image = system::mini(testbed(), "2", "");
    for path in ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"] {
        image.overlay = image.overlay.link(path, "/nowhere");
    }
    stage(&machine, &system::pack(testbed(), &image, &[]).unwrap());
    for boot in ["first", "second"] {
        let said = machine.run(boot).unwrap();
        assert!(said.contains("UP 1") && said.contains("no init in its root"), "{said}");
        expect_rolled_back(&machine, "no init in its root");
    }
}
