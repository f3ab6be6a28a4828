//! everboot in an initramfs that dracut or initramfs-tools made: boots a Debian, upgrades in early boot, goes on
//! after a power cut, rolls back, stays out where another root is asked for, and leaves no machine waiting.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::an_apply::{expect_new, pull_out, ready};
use super::common::{OLD, machine_with, small, stage, testbed};
use everboot_builder::overlay::Overlay;
use everboot_builder::{cpio, initramfs, paths};
use everboot_testbed::build_root::BuildRoot;
use everboot_testbed::machine::LIMIT;
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Drive, Machine, Vm, VmOptions, system};

const ALL: [&str; 2] = ["--no-hostonly", "--no-hostonly-cmdline"];
/// Built on another machine than it boots on, so it has to name the disk's driver.
const HOSTONLY: [&str; 3] = ["--hostonly", "--add-drivers", "virtio_blk virtio_pci"];
const WITHOUT_SYSTEMD: [&str; 4] =
    ["--no-hostonly", "--no-hostonly-cmdline", "--omit", "systemd dracut-systemd"];

/// What a machine with everboot has on its kernel command line.
const ASK: &str = "root=everboot";

/// Who makes the image.
#[derive(Clone, Copy)]
enum Maker {
    Dracut(&'static [&'static str]),
    InitramfsTools,
}

impl Maker {
    fn image(self, build_root: &BuildRoot) -> PathBuf {
        match self {
            Maker::Dracut(words) => build_root.dracut(words).unwrap(),
            Maker::InitramfsTools => build_root.update_initramfs().unwrap(),
        }
    }
}

fn build_root() -> BuildRoot {
    BuildRoot::prepare(testbed()).unwrap()
}

/// The next boot of a machine with the image of this maker and these kernel parameters.
fn options(machine: &Machine, name: &str, maker: Maker, words: &str) -> VmOptions {
    let mut options = machine.options(name).append(words);
    options.initramfs = Some(maker.image(&build_root()));
    options
}

fn boots_debian(story: &str, maker: Maker) {
    let first = system::debian(testbed(), "1", &Overlay::default(), &[]).unwrap();
    let machine = Machine::new(testbed(), story, &first, &[]).unwrap();
    let mut vm = Vm::start(&options(&machine, "boot", maker, ASK).drive(machine.drive())).unwrap();
    vm.wait_for("BOOT-OK 1", LIMIT).unwrap();
    vm.wait_for(PROMPT, LIMIT).unwrap();
    let mut shell = |command: &str| vm.shell(command, LIMIT).unwrap();
    assert_eq!(shell("systemctl is-system-running --wait"), (0, "running\n".into()));
    let (code, why) = shell("everboot why");
    assert!(code == 0 && why.contains("slot-a"), "{why}");
    vm.send_line("systemctl poweroff").unwrap();
    vm.wait_exit(LIMIT).unwrap();
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
}

#[test]
fn dracut_with_systemd_boots_debian() {
    boots_debian("dracut-debian", Maker::Dracut(&ALL));
}

#[test]
fn dracut_with_systemd_and_hostonly_boots_debian() {
    boots_debian("dracut-hostonly-debian", Maker::Dracut(&HOSTONLY));
}

#[test]
fn dracut_without_systemd_boots_debian() {
    boots_debian("dracut-plain-debian", Maker::Dracut(&WITHOUT_SYSTEMD));
}

#[test]
fn initramfs_tools_boot_debian() {
    boots_debian("initramfs-tools-debian", Maker::InitramfsTools);
}

/// Full of other blocks before, so that the apply writes all of it.
const MEBIBYTES: u64 = 24;

/// The disk's write at which the power is cut: some way into the apply, which makes most of the writes.
const CUT: u32 = 14;

/// Version 2 is applied in early boot, over a power cut, and confirms; version 3 never does, and is rolled back.
fn upgrades_and_rolls_back(story: &str, maker: Maker) {
    let machine = machine_with(story, OLD, &["--slot-size", "32"]);
    let mut second = system::mini(testbed(), "2", OLD);
    second.mebibytes = MEBIBYTES;
    machine.fill("slot-b", MEBIBYTES << 20).unwrap();
    stage(&machine, &system::pack(testbed(), &second, &[]).unwrap());
    let old = machine.slot_digest("slot-a").unwrap();
    let boot = |name: &str| {
        let mut vm = Vm::start(&options(&machine, name, maker, ASK).drive(machine.drive())).unwrap();
        vm.wait_exit(LIMIT).unwrap()
    };

    let drive = Drive::StopAtWrite(machine.disk.path().into(), CUT);
    let mut vm = Vm::start(&options(&machine, "cut", maker, ASK).drive(drive)).unwrap();
    vm.wait_event("STOP", LIMIT).unwrap();
    vm.kill().unwrap();
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!(status.at("/slots/1/state"), "writing");
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");

    let said = boot("next");
    assert!(said.contains("UP 2"), "version 2 did not come up:\n{said}");
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();

    stage(&machine, &small("3", "reboot -f", &["--tries", "1"]));
    let said = boot("bad");
    assert!(said.contains("UP 3"), "version 3 was not tried:\n{said}");
    let said = boot("back");
    assert!(said.contains("UP 2"), "version 2 did not come back:\n{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-b", "2").unwrap();
    assert_eq!(status.at("/slots/0/state"), "bad");
}

#[test]
fn dracut_with_systemd_upgrades_over_a_power_cut_and_rolls_back() {
    upgrades_and_rolls_back("dracut-upgrade", Maker::Dracut(&HOSTONLY));
}

#[test]
fn initramfs_tools_upgrade_over_a_power_cut_and_roll_back() {
    upgrades_and_rolls_back("initramfs-tools-upgrade", Maker::InitramfsTools);
}

/// Says whether everboot was there, and switches the machine off.
const TELLS: &str = "test -e /run/everboot/boot.json && echo BY EVERBOOT || echo BY ROOT\npoweroff -f";

fn boots_another_root(story: &str, maker: Maker) {
    let machine = machine_with(story, TELLS, &[]);
    let before = machine.status().unwrap();
    let options = options(&machine, "boot", maker, "root=PARTLABEL=slot-a");
    let said = Vm::start(&options.drive(machine.drive())).unwrap().wait_exit(LIMIT).unwrap();
    assert!(said.contains("BY ROOT"), "the boot went another way:\n{said}");
    assert_eq!(machine.status().unwrap().0, before.0);
}

#[test]
fn dracut_boots_another_root_without_everboot() {
    boots_another_root("dracut-another-root", Maker::Dracut(&HOSTONLY));
}

#[test]
fn initramfs_tools_boot_another_root_without_everboot() {
    boots_another_root("initramfs-tools-another-root", Maker::InitramfsTools);
}

/// What dracut does for each partition that the machine had when the image was made (hostonly_cmdline); this one
/// has died.
const DEAD: &str = r#"check() { return 0; }
install() {
    dracut_need_initqueue
    (
        ! dracut_module_included systemd || export DRACUT_SYSTEMD=1
        export PREFIX=$initdir hookdir=/lib/dracut/hooks
        . "$moddir/../99base/dracut-dev-lib.sh"
        wait_for_dev /dev/disk/by-partlabel/dead 0
    )
}
"#;

/// Neither a wrong parameter nor a partition that everboot does not need keeps a machine down.
fn boots_all_the_same(story: &str, maker: Maker, wrong: &str) {
    let machine = machine_with(story, TELLS, &[]);
    let mut options = machine.options("boot").append(ASK).append(wrong);
    let dead = Overlay::default().file("/usr/lib/dracut/modules.d/99dead/module-setup.sh", DEAD);
    options.initramfs = Some(maker.image(&build_root().with(&dead)));
    let mut vm = Vm::start(&options.drive(machine.drive())).unwrap();
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(said.contains("BY EVERBOOT"), "it did not boot:\n{said}");
    assert!(said.contains("everboot=0 is ignored"), "the console does not say so:\n{said}");
}

#[test]
fn dracut_with_systemd_boots_without_a_partition_and_with_a_wrong_parameter() {
    boots_all_the_same("dracut-dead", Maker::Dracut(&HOSTONLY), "everboot=0");
}

#[test]
fn dracut_without_systemd_boots_without_a_partition_and_with_a_wrong_parameter() {
    boots_all_the_same("dracut-plain-dead", Maker::Dracut(&WITHOUT_SYSTEMD), "rd.everboot=0");
}

#[test]
fn initramfs_tools_boot_with_a_wrong_parameter() {
    boots_all_the_same("initramfs-tools-dead", Maker::InitramfsTools, "rd.everboot=0");
}

/// A console, and a port that the machine has not.
const SERIAL: &str = "ttyS0";
const NONE: &str = "ttyS3";

/// Stands for the agent where that finds nothing.
const GIVES_UP: &str = "#!/bin/sh\necho '<3>GAVE UP' > /dev/kmsg\nexit 1\n";

/// Whoever gives up, the machine restarts: an agent that cannot do anything, and nobody at the console, or none.
fn restarts(story: &str, maker: Maker, console: &str, words: &str) {
    let work = paths::work(story).unwrap();
    let image = work.join("initramfs.img");
    let mut agent = cpio::Archive::default();
    agent.add("usr/bin/everboot", 0o755, cpio::Node::File(GIVES_UP.into()));
    initramfs::write_with(&maker.image(&build_root()), &agent, &image).unwrap();
    let options = VmOptions::new(&work, "boot", &testbed().kernel, &image).append(ASK).append(words);
    let mut options = options.quick_clock();
    options.console = console.to_owned();
    let mut vm = Vm::start(&options).unwrap();
    let said = vm.wait_exit(LIMIT).unwrap();
    assert!(console == NONE || said.contains("GAVE UP"), "the agent did not run:\n{said}");
}

#[test]
fn dracut_with_systemd_restarts_when_everboot_gives_up() {
    restarts("dracut-restart", Maker::Dracut(&HOSTONLY), SERIAL, "");
}

#[test]
fn dracut_with_systemd_restarts_without_a_shell() {
    restarts("dracut-no-shell", Maker::Dracut(&HOSTONLY), SERIAL, "rd.shell=0");
}

#[test]
fn dracut_with_systemd_restarts_without_a_console() {
    restarts("dracut-no-console", Maker::Dracut(&HOSTONLY), NONE, "");
}

#[test]
fn dracut_without_systemd_restarts_when_everboot_gives_up() {
    restarts("dracut-plain-restart", Maker::Dracut(&WITHOUT_SYSTEMD), SERIAL, "");
}

#[test]
fn initramfs_tools_restart_when_everboot_gives_up() {
    restarts("initramfs-tools-restart", Maker::InitramfsTools, SERIAL, "panic=");
}

#[test]
fn dracut_restarts_a_machine_whose_disk_is_pulled_out_in_an_apply_and_it_goes_on() {
    let machine = ready("dracut-pulled-out");
    let old = machine.slot_digest("slot-a").unwrap();
    let options = options(&machine, "pulled-out", Maker::Dracut(&HOSTONLY), ASK);
    let said = pull_out(&machine, options, 10).wait_exit(LIMIT).unwrap();
    assert!(said.contains("waits for its next start") && !said.contains("UP "), "{said}");
    machine.status().unwrap().expect_default("slot-a", "1").unwrap();
    assert!(machine.slot_digest("slot-a").unwrap() == old, "the old slot was written");
    expect_new(&machine);
}

/// A person stops the countdown, looks around, and leaves: the machine restarts.
fn a_person_comes(story: &str, maker: Maker) {
    let work = paths::work(story).unwrap();
    let image = maker.image(&build_root());
    let options = VmOptions::new(&work, "boot", &testbed().kernel, &image).append(ASK);
    // There are no partitions to wait for.
    let options = options.append("panic= everboot.timeout=1");
    let mut vm = Vm::start(&options).unwrap();
    // The countdown under the screen runs: what is typed before that is thrown away.
    vm.wait_for(" s: restart the machine", LIMIT).unwrap();
    vm.send_line("").unwrap();
    vm.wait_for("everboot> ", LIMIT).unwrap();
    vm.send_line("disks").unwrap();
    vm.wait_for("everboot> ", LIMIT).unwrap();
    vm.send_line("exit").unwrap();
    vm.wait_exit(LIMIT).unwrap();
}

#[test]
fn dracut_leaves_the_emergency_to_the_agents_shell() {
    a_person_comes("dracut-person", Maker::Dracut(&HOSTONLY));
}

#[test]
fn initramfs_tools_leave_the_emergency_to_the_agents_shell() {
    a_person_comes("initramfs-tools-person", Maker::InitramfsTools);
}

fn content(image: &Path) -> BTreeSet<String> {
    cpio::paths(&zstd::decode_all(std::fs::File::open(image).unwrap()).unwrap()).unwrap()
}

/// Exactly these files come into an image of dracut by the module, where it has these others.
fn module_brings(others: &str, files: &[&str]) {
    let make = |modules: &str| {
        let words = ["--no-hostonly", "--no-hostonly-cmdline", "--no-kernel", "--modules", modules];
        content(&build_root().dracut(&words).unwrap())
    };
    let (without, with) = (make(others), make(&format!("{others} everboot")));
    let user_machine: Vec<&String> = with.difference(&without).collect();
    let mut expected = vec![
        "etc/everboot",
        "etc/everboot/everboot.conf",
        "etc/everboot/keys",
        "etc/everboot/keys/everboot.pub",
        "usr/bin/everboot",
        "usr/bin/everboot-init",
        "usr/lib/dracut/hooks/cmdline/99-parse-everboot.sh",
        "usr/lib/dracut/hooks/emergency/99-restart-everboot.sh",
        "usr/lib/dracut/hooks/shutdown-emergency/99-restart-everboot.sh",
    ];
    expected.extend(files);
    expected.sort_unstable();
    assert_eq!(user_machine, expected);
}

#[test]
fn the_dracut_module_brings_its_files_and_nothing_else() {
    module_brings("base kernel-modules", &["usr/lib/dracut/hooks/mount/20-mount-everboot.sh"]);
}

#[test]
fn the_dracut_module_brings_its_units_where_systemd_is() {
    module_brings(
        "base kernel-modules dracut-systemd",
        &[
            "usr/lib/systemd/system/emergency.service.d",
            "usr/lib/systemd/system/emergency.service.d/everboot.conf",
            "usr/lib/systemd/system/everboot-restart.service",
            "usr/lib/systemd/system/everboot.service",
            "etc/systemd/system/initrd-root-fs.target.requires",
            "etc/systemd/system/initrd-root-fs.target.requires/everboot.service",
            "usr/lib/systemd/system/sysroot.mount.d",
            "usr/lib/systemd/system/sysroot.mount.d/everboot.conf",
        ],
    );
}

#[test]
fn an_image_of_either_tool_has_the_agent_its_settings_and_the_drivers() {
    let kernel = format!("usr/lib/modules/{}/kernel", testbed().kernel.release);
    for maker in [Maker::Dracut(&HOSTONLY), Maker::InitramfsTools] {
        let content = content(&maker.image(&build_root()));
        for file in [
            "bin/everboot",
            "bin/everboot-init",
            "etc/everboot/everboot.conf",
            "etc/everboot/keys/everboot.pub",
        ] {
            let is_there = content.iter().any(|path| path.ends_with(file));
            assert!(is_there, "there is no {file}");
        }
        for driver in
            ["fs/squashfs/squashfs", "fs/erofs/erofs", "drivers/block/virtio_blk", "drivers/watchdog/softdog"]
        {
            let file = format!("{kernel}/{driver}.ko");
            assert!(content.contains(&file), "there is no {file}");
        }
        assert!(!content.iter().any(|path| path.ends_with("everboot.key")), "a secret key is in the image");
    }
}

#[test]
fn dracut_makes_no_image_that_would_open_a_closed_shell() {
    let words = ["--no-hostonly", "--no-kernel", "--modules", "everboot"];
    for closed in ["lock = yes", "shell = none"] {
        let conf = format!("compatible = demo-x86_64\n{closed}\n");
        let locked =
            || build_root().with(&Overlay::default().file("/etc/everboot/everboot.conf", conf.as_str()));
        let error = locked().dracut(&words).unwrap_err().to_string();
        assert!(error.contains("expected rd.shell=0 in kernel_cmdline"), "{closed}: {error}");
        let words = [&words[..], &["--kernel-cmdline", "rd.shell=0"]].concat();
        let content = content(&locked().dracut(&words).unwrap());
        assert!(content.contains("etc/cmdline.d/01-default.conf"), "{closed}: there is no command line");
    }
}
