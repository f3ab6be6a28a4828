//! Both copies of the record are overwritten: the slots say of themselves which was confirmed last.

use super::common::{NEW, machine, small};

#[test]
fn without_a_record_the_confirmed_slot_boots_and_the_record_is_made_anew() {
    let machine = machine("no-record");
    machine.destroy_record().unwrap();
    assert_ne!(machine.status().unwrap().at("/trouble"), "null");
    let said = machine.run("boot").unwrap();
    assert!(said.contains("UP 1"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-a", "1").unwrap();
    assert_eq!((status.at("/booted"), status.at("/trouble")), ("slot-a".into(), "null".into()));
    assert_eq!(status.at("/record/copies/0"), "good");
}

#[test]
fn of_two_good_slots_the_one_that_was_confirmed_last_boots() {
    let machine = machine("no-record-two");
    machine.must(&["install", &small("2", NEW, &[]).to_string_lossy()]).unwrap();
    machine.must(&["boot"]).unwrap();
    machine.must(&["confirm"]).unwrap();
    machine.destroy_record().unwrap();
    let said = machine.run("boot").unwrap();
    assert!(said.contains("UP 2"), "{said}");
    let status = machine.status().unwrap();
    status.expect_default("slot-b", "2").unwrap();
    assert_eq!(status.slot("slot-a"), "good 1");
}
