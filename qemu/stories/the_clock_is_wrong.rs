//! The clock says 1970, then 2038, then 1980: nothing depends on it.

use super::common::{machine, small, stage};
use everboot_testbed::Vm;
use everboot_testbed::machine::LIMIT;

#[test]
fn an_update_is_applied_tried_and_confirmed_by_a_clock_that_jumps() {
    let machine = machine("clock");
    let init = "date -u +'IT IS %Y'\n[ $(date -u +%Y) != 1980 ] || everboot confirm\npoweroff -f";
    stage(&machine, &small("2", init, &[]));
    for (time, state) in [("1970-01-01", "trial 2"), ("2038-01-20", "trial 2"), ("1980-01-01", "good 2")] {
        let mut options = machine.options(time).drive(machine.drive());
        options.extra = vec!["-rtc".into(), format!("base={time}T00:00:00")];
        let said = Vm::start(&options).unwrap().wait_exit(LIMIT).unwrap();
        assert!(said.contains("UP 2") && said.contains(&format!("IT IS {}", &time[..4])), "{said}");
        assert_eq!(machine.status().unwrap().slot("slot-b"), state, "{time}");
    }
    machine.status().unwrap().expect_default("slot-b", "2").unwrap();
}
