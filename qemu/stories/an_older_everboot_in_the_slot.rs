//! A machine whose initramfs has an everboot that knows the next format version of the record, and whose first slot
//! has the one before it. They take turns over one record: an update, its confirmation, a rollback. Then somebody
//! insists on raising the record, and goes back to the older one, which still boots and changes nothing.

use super::common::{machine_with, overlaid, testbed};
use everboot_builder::agent::Agent;
use everboot_builder::cpio::{Archive, Node};
use everboot_builder::programs;
use everboot_testbed::{Machine, Vm, bundle, machine::LIMIT, system};
use std::fs;

/// The first time both versions confirm themselves; then the older one finds a record that it cannot read.
const OLD: &str = "everboot confirm; echo CODE $?\neverboot status\npoweroff -f";

const NEW: &str = "\
everboot formats
everboot confirm
everboot record upgrade; echo CODE $?
everboot rollback
[ -e /raise ] && everboot record upgrade --force
poweroff -f";

/// Boots with the newer program in the initramfs.
fn boot(machine: &Machine, next: &Agent, name: &str) -> String {
    let mut archive = Archive::default();
    archive.add("init", 0o755, Node::File(fs::read(&next.init).unwrap()));
    let options = overlaid(machine, machine.options(name).drive(machine.drive()), &archive);
    Vm::start(&options).unwrap().wait_exit(LIMIT).unwrap()
}

/// A bundle of a system with the newer program, which raises the record or only asks what would become of that.
fn newer(next: &Agent, version: &str, raises: bool) -> std::path::PathBuf {
    let mut mini = system::mini(testbed(), version, NEW);
    mini.overlay = mini
        .overlay
        .host_file("/usr/bin/everboot", 0o755, &next.everboot)
        .file(everboot_core::format_versions::PATH, "record reads 1..2 writes 1\n".to_owned());
    if raises {
        mini.overlay = mini.overlay.file("/raise", String::new());
    }
    bundle::pack(testbed(), &mini.image(&testbed().kernel).unwrap(), version, &[]).unwrap()
}

#[test]
fn an_older_and_a_newer_everboot_share_one_record() {
    let next = programs::next_agent().unwrap();
    let machine = machine_with("two-everboots", OLD, &[]);
    machine.stage(&newer(&next, "2", false)).unwrap();
    let said = boot(&machine, &next, "update");
    assert!(said.contains("UP 2") && said.contains("record reads 1..2"), "{said}");
    assert!(said.contains("slot-a: its everboot reads version 1 to 1") && said.contains("CODE 3"), "{said}");
    assert!(!said.contains("initramfs: "), "that of the initramfs would read it:\n{said}");
    // What the newer one confirmed and rolled back the older one goes on with.
    let said = boot(&machine, &next, "rollback");
    assert!(said.contains("UP 1") && said.contains("CODE 0"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.slot("slot-b"), status.at("/confirmed")), ("good 2".into(), "true".into()));

    machine.stage(&newer(&next, "3", true)).unwrap();
    let said = boot(&machine, &next, "raise");
    assert!(said.contains("UP 3") && said.contains("the record has version 2 now"), "{said}");
    let raised = machine.disk.read("everboot-record", 0, 4096).unwrap();
    for initramfs in ["newer", "older"] {
        let said = match initramfs {
            "newer" => boot(&machine, &next, initramfs),
            _ => machine.run(initramfs).unwrap(),
        };
        assert!(said.contains("UP 1") && said.contains("CODE 7"), "{initramfs}:\n{said}");
        assert!(said.contains("format version 2, and this everboot knows up to 1"), "{initramfs}:\n{said}");
    }
    assert!(machine.disk.read("everboot-record", 0, 4096).unwrap()[8] == raised[8]);
}
