//! From the kernel's `Run /init` to the root's init, with nothing pending: everboot, and a hand-made
//! busybox init, with the same modules on the same disk and root.

use anyhow::Result;

use super::median;
use everboot_testbed::hand_made::{hand_made_initramfs, kernel_time};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Machine, Testbed, Vm, VmOptions, system};

const ROUNDS: usize = 7;

/// What the small root's init says as soon as it runs.
const ROOT_INIT: &str = "figures: init of the root runs";

pub(super) fn measure(testbed: &'static Testbed) -> Result<Vec<(String, String)>> {
    let init = format!("echo '<1>{ROOT_INIT}' > /dev/kmsg\nexec poweroff -f");
    let first = system::pack(testbed, &system::mini(testbed, "1", &init), &[])?;
    let machine = Machine::new(testbed, "figures-boot", &first, &[])?;
    let hand_made = hand_made_initramfs(&testbed.kernel)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours.push(time(&machine, machine.options(&format!("everboot{round}")))?);
        let theirs_options =
            VmOptions::new(&machine.work, &format!("hand{round}"), &testbed.kernel, &hand_made);
        theirs.push(time(&machine, theirs_options)?);
    }
    Ok(vec![row("everboot", ours), row("hand-made busybox init", theirs)])
}

fn time(machine: &Machine, mut options: VmOptions) -> Result<f64> {
    options.loglevel = 7;
    // The same command line for both: this kernel reaches a root's first program 0.3 s later without `root=`,
    // although neither of them leaves the root to the kernel.
    let options = options.append("root=/dev/vda2");
    // Not a snapshot: QEMU's overlay is slow to read after the first flush, which only everboot asks for.
    let output = Vm::start(&options.drive(machine.drive()))?.wait_exit(LIMIT)?;
    Ok(kernel_time(&output, ROOT_INIT)? - kernel_time(&output, "Run /init")?)
}

fn row(who: &str, times: Vec<f64>) -> (String, String) {
    let (middle, least, most) = median(times);
    (format!("Run /init to the root's init, {who}"), format!("{middle:.3} s ({least:.3} to {most:.3})"))
}
