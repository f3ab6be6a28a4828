//! What the stories share: a machine with a small version 1 that is good, and a version 2 to come.

use everboot_builder::cpio::{Archive, Node};
use everboot_builder::{initramfs, paths};
use everboot_kit::seed::Seed;
use everboot_testbed::machine::{LIMIT, make_ext4};
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Drive, Machine, Testbed, Vm, VmOptions, bundle, system};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Version 1 says why it runs, confirms itself, and switches the machine off.
pub const OLD: &str = "everboot why\neverboot confirm\npoweroff -f";

/// Version 2 confirms itself, and switches the machine off.
pub const NEW: &str = "everboot confirm\npoweroff -f";

/// A version that comes up, and does nothing any more.
pub const HANGS: &str = "while :; do sleep 1000; done";

/// All chance of a story comes from this number, which a failure shows.
pub fn chance(seed: u64) -> Seed {
    println!("seed {seed}");
    Seed::new(seed)
}

/// One of these numbers.
pub fn pick(seed: &mut Seed, among: &Range<u32>) -> u32 {
    let picked = among.start + (seed.next() % u64::from(among.end - among.start)) as u32;
    println!("{picked} of {among:?}");
    picked
}

/// The test bed of all stories of this process.
pub fn testbed() -> &'static Testbed {
    Testbed::shared().unwrap()
}

/// The bundle of a small system.
pub fn small(version: &str, init: &str, words: &[&str]) -> PathBuf {
    system::pack(testbed(), &system::mini(testbed(), version, init), words).unwrap()
}

/// The bundle of any bytes at all, rightly signed.
pub fn signed_bytes(story: &str, version: &str, bytes: &[u8]) -> PathBuf {
    let image = paths::out(&format!("images/{story}.bytes")).unwrap();
    fs::write(&image, bytes).unwrap();
    bundle::pack(testbed(), &image, version, &["--modules", "none"]).unwrap()
}

/// A machine that left the factory with version 1.
pub fn machine(story: &str) -> Machine {
    machine_with(story, OLD, &[])
}

/// The same with another init of version 1, and with words for `everboot-pack disk`.
pub fn machine_with(story: &str, init: &str, words: &[&str]) -> Machine {
    Machine::new(testbed(), story, &small("1", init, &[]), words).unwrap()
}

/// A machine that is on, with a person at its shell and these files at `/mnt`.
pub fn machine_at_shell(story: &str, files: &[(&str, Vec<u8>)]) -> (Machine, Vm) {
    let shell = format!("export PS1='{PROMPT}'\nsh -i\npoweroff -f");
    let machine = machine_with(story, &shell, &[]);
    let options = machine.options("boot").drive(machine.drive()).drive(stick(&machine, files));
    let mut vm = Vm::start(&options).unwrap();
    vm.wait_for(PROMPT, LIMIT).unwrap();
    expect(&mut vm, "mount -t ext4 -o ro /dev/vdb /mnt", 0, "");
    (machine, vm)
}

/// Runs a command in the virtual machine's shell, which has to end with this code and to say this.
pub fn expect(vm: &mut Vm, command: &str, code: i32, says: &str) {
    let (found, said) = vm.shell(command, LIMIT).unwrap();
    assert!(found == code && said.contains(says), "`{command}` ended with {found}:\n{said}");
}

/// A disk with these files, as a person brings them.
pub fn stick(machine: &Machine, files: &[(&str, Vec<u8>)]) -> Drive {
    let (folder, image) = (machine.work.join("stick"), machine.work.join("stick.img"));
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    // What the file system itself takes is less than a quarter and this.
    make_ext4(&folder, (bytes as u64 * 5 / 4 + (16 << 20)).next_multiple_of(1 << 20), &image).unwrap();
    Drive::Snapshot(image)
}

/// A boot from the machine's disk whose initramfs has this line more in its configuration, and these modules.
pub fn configured(machine: &Machine, boot: &str, line: &str, modules: &[&str]) -> VmOptions {
    let mut archive = Archive::default();
    archive.add("etc/everboot/everboot.conf", 0o644, configuration(line));
    initramfs::add_modules(&mut archive, &testbed().kernel, modules).unwrap();
    overlaid(machine, machine.options(boot).drive(machine.drive()), &archive)
}

/// The machines' configuration with this line more.
pub fn configuration(line: &str) -> Node {
    let conf = fs::read_to_string(paths::repo().join("initramfs/everboot.conf")).unwrap();
    Node::File(format!("{conf}\n{line}\n").into_bytes())
}

/// The same boot with these files over those of its initramfs.
pub fn overlaid(machine: &Machine, mut options: VmOptions, files: &Archive) -> VmOptions {
    let before = options.initramfs.unwrap();
    let path = machine.work.join(format!("over-{}", before.file_name().unwrap().display()));
    initramfs::write_with(&before, files, &path).unwrap();
    options.initramfs = Some(path);
    options
}

/// The next boot comes to version 1, and so does the one after it; slot B is bad, and the outputs say why.
pub fn expect_old_for_ever(machine: &Machine, why: &str) {
    for boot in ["old", "old-again"] {
        let said = machine.run(boot).unwrap();
        assert!(said.contains("UP 1") && !said.contains("UP 2"), "version 1 did not come up:\n{said}");
        assert!(said.contains(why), "`everboot why` does not say {why:?}:\n{said}");
        expect_rolled_back(machine, why);
    }
}

/// Slot A is default and good; slot B is bad with this reason.
pub fn expect_rolled_back(machine: &Machine, why: &str) {
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/slots/1/state").as_str(), status.at("/slots/1/reason").as_str()), ("bad", why));
}

/// Stages this bundle on the data partition and makes its apply due.
pub fn stage(machine: &Machine, bundle: &Path) {
    machine.stage(bundle).unwrap();
}
