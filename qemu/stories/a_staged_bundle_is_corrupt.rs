//! The staged bundle goes bad on the data partition: the old system boots, says why, and does not try again.

use super::common::{NEW, machine, small, stage};
use everboot_testbed::Machine;

/// Flips a byte of the staged bundle, counted from its start or (negative) from its end.
fn damage(machine: &Machine, at: i64) {
    let path = machine.staging().join("staged.everboot");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = i64::try_from(bytes.len()).unwrap();
    let at = usize::try_from(if at < 0 { length + at } else { at }).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    machine.publish_staging().unwrap();
}

fn expect_old_and_given_up(machine: &Machine, says: &str) {
    let said = machine.run("boot").unwrap();
    assert!(said.contains("UP 1") && said.contains("given up") && said.contains(says), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!(status.at("/update/state"), "none");
    let files = machine.staged_files().unwrap();
    assert!(!files.contains("staged.everboot"), "the bundle is still there: {files}");
    let said = machine.run("second").unwrap();
    assert!(said.contains("UP 1"), "{said}");
    // `why` still shows the reason, as history; nothing was tried.
    assert_eq!(machine.status().unwrap().slot("slot-a"), "good 1");
}

#[test]
fn a_bundle_whose_manifest_was_changed_is_not_applied_and_not_retried() {
    let machine = machine("bundle-manifest");
    stage(&machine, &small("2", NEW, &[]));
    damage(&machine, 520);
    expect_old_and_given_up(&machine, "signature");
    assert_eq!(machine.status().unwrap().at("/slots/1/version"), "null");
}

#[test]
fn a_bundle_that_is_damaged_in_its_middle_is_given_up_and_not_retried() {
    let machine = machine("bundle-middle");
    let bundle = small("2", NEW, &[]);
    stage(&machine, &bundle);
    let middle = i64::try_from(bundle.metadata().unwrap().len() / 2).unwrap();
    damage(&machine, middle);
    expect_old_and_given_up(&machine, "bundle");
    // Half written, and known to be so.
    assert_eq!(machine.status().unwrap().slot("slot-b"), "writing null");
}

#[test]
fn without_the_data_partition_the_old_system_boots_and_says_why() {
    let machine = machine("no-data");
    stage(&machine, &small("2", NEW, &[]));
    machine.disk.write("everboot-data", 0, &[0; 65536]).unwrap();
    let said = machine.run("boot").unwrap();
    assert!(said.contains("UP 1") && said.contains("staging area"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    // It waits for the disk to come back, for as many boots as it has starts.
    assert_eq!((status.at("/update/state"), status.at("/update/starts_left")), ("due".into(), "4".into()));
}
