//! The new system's kernel panics at each of its three tries: the machine returns to the old one by itself.

use super::common::{expect_old_for_ever, machine, small, stage};

#[test]
fn a_new_system_that_panics_is_rolled_back_after_its_tries() {
    let machine = machine("panics");
    let bundle = small("2", "echo c > /proc/sysrq-trigger\nsleep 60", &[]);
    stage(&machine, &bundle);
    for attempt in ["try1", "try2", "try3"] {
        let said = machine.run(attempt).unwrap();
        assert!(said.contains("UP 2") && said.contains("Kernel panic"), "{said}");
    }
    expect_old_for_ever(&machine, "all tries used without a confirmation");
    let again = machine.everboot(&["stage", &bundle.to_string_lossy()]).unwrap();
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.text.contains("failed on this machine before"), "{again:?}");
}
