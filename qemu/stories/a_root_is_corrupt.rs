//! What is in the new slot is no file system: because it was packed so, or because it was damaged after it
//! was proven. The old system comes up in the same boot.

use super::common::{NEW, expect_rolled_back, machine, signed_bytes, small, stage};

const WHY: &str = "its root could not be mounted";

#[test]
fn a_rightly_signed_image_that_is_no_file_system_is_rolled_back_in_the_same_boot() {
    let machine = machine("garbage");
    let bytes: Vec<u8> = (0..4_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    stage(&machine, &signed_bytes("garbage", "2", &bytes));
    for boot in ["first", "second"] {
        let said = machine.run(boot).unwrap();
        assert!(said.contains("UP 1") && said.contains(WHY), "{said}");
        expect_rolled_back(&machine, WHY);
    }
}

#[test]
fn a_slot_that_was_damaged_after_it_was_proven_is_rolled_back_in_the_same_boot() {
    let machine = machine("damaged-slot");
    machine.must(&["install", &small("2", NEW, &[]).to_string_lossy()]).unwrap();
    assert_eq!(machine.status().unwrap().slot("slot-b"), "trial 2");
    machine.disk.write("slot-b", 0, &[0xa5; 65536]).unwrap();
    let said = machine.run("boot").unwrap();
    assert!(said.contains("UP 1") && said.contains(WHY), "{said}");
    expect_rolled_back(&machine, WHY);
    let differs = machine.everboot(&["verify", "slot-b"]).unwrap();
    assert_eq!(differs.code, 8, "{differs:?}");
    assert!(differs.text.contains("slot-b: 16 of 4096 blocks differ"), "{differs:?}");
}
