//! The package is installed in a Debian that never heard of everboot, the owner writes configuration and key, and
//! dracut makes an image that boots.

use everboot_builder::overlay::Overlay;
use everboot_builder::{package, paths};
use everboot_testbed::build_root::BuildRoot;
use everboot_testbed::machine::LIMIT;
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Machine, Vm, system};

use super::common::testbed;

/// What a person does, and what must hold before the image is made: the package brings no configuration, its unit
/// is enabled, the doctor names what a root that nobody booted lacks, and a system that was booted by everboot keeps
/// the package.
const INSTALL: &str = r#"
dpkg --log=/dev/null --install /root/everboot.deb >&2
test ! -e /etc/everboot/everboot.conf && test -d /etc/everboot/keys
test -L /etc/systemd/system/multi-user.target.wants/everboot-confirm.service
cp /root/everboot.conf /etc/everboot/
cp /root/everboot.pub /etc/everboot/keys/
code=0; everboot doctor >/root/doctor || code=$?
cat /root/doctor >&2
test "$code" = 10
grep -q '^fault: boot: it did not come through everboot' /root/doctor
if grep -E '^fault: (key|.*configuration)' /root/doctor; then exit 1; fi
mount -t tmpfs run /run
mkdir /run/everboot && touch /run/everboot/root
if dpkg --log=/dev/null --remove everboot 2>/root/refused; then exit 1; fi
grep -q 'would not boot without it' /root/refused
dracut --quiet --no-hostonly --no-early-microcode --compress 'zstd -3 -q -T0' --kver "$1" /boot/image
"#;

#[test]
fn a_package_and_a_configuration_are_all_that_dracut_needs() {
    let testbed = testbed();
    let folder = paths::work("package-story").unwrap();
    let tools = ["everboot-pack", "everboot-fetch"].map(|name| testbed.tool(name).unwrap().to_owned());
    let [deb, ..] = package::debian(&testbed.agent, &tools, &folder, "1000000000").unwrap();
    let files = Overlay::default()
        .host_file("/root/everboot.deb", 0o644, &deb)
        .host_file("/root/everboot.conf", 0o644, &paths::repo().join("initramfs/everboot.conf"))
        .host_file("/root/everboot.pub", 0o644, &testbed.key.public);
    let image = BuildRoot::bare(testbed, files).unwrap().script(INSTALL).unwrap();

    let first = system::debian(testbed, "1", &Overlay::default(), &[]).unwrap();
    let machine = Machine::new(testbed, "package", &first, &[]).unwrap();
    let mut options = machine.options("boot").append("root=everboot");
    options.initramfs = Some(image);
    let mut vm = Vm::start(&options.drive(machine.drive())).unwrap();
    vm.wait_for("BOOT-OK 1", LIMIT).unwrap();
    vm.wait_for(PROMPT, LIMIT).unwrap();
    let mut shell = |command: &str| vm.shell(command, LIMIT).unwrap();
    assert_eq!(shell("systemctl is-system-running --wait"), (0, "running\n".into()));
    assert_eq!(shell("systemctl is-active everboot-confirm"), (0, "active\n".into()));
    let (code, said) = shell("everboot doctor");
    assert!(
        code == 0
            && said.contains("note: kernel command line: without gpt")
            && said.contains("nothing needs to be done"),
        "{said}"
    );
    vm.send_line("systemctl poweroff").unwrap();
    vm.wait_exit(LIMIT).unwrap();
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!(status.at("/confirmed"), "true");
}
