//! The new system is reset each time before it confirms: that uses up its tries as well.

use super::common::{expect_old_for_ever, machine, small, stage};

#[test]
fn a_new_system_that_is_reset_before_it_confirms_is_rolled_back() {
    let machine = machine("reset");
    stage(&machine, &small("2", "reboot -f\nsleep 60", &["--tries", "2"]));
    for attempt in ["try1", "try2"] {
        let said = machine.run(attempt).unwrap();
        assert!(said.contains("UP 2"), "{said}");
    }
    expect_old_for_ever(&machine, "all tries used without a confirmation");
}
