//! Peak memory of `everboot prepare --disk` at two sizes of images.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use everboot_testbed::rootfs::image;
use everboot_testbed::{Machine, Testbed, bundle, system};

/// The kernel keeps the peak itself; this is how often we read it while the process lives.
const LOOK: Duration = Duration::from_millis(2);

pub(super) fn measure(testbed: &'static Testbed) -> Result<Vec<(String, String)>> {
    let first = system::pack(testbed, &system::mini(testbed, "1", "poweroff -f"), &[])?;
    let mut rows = Vec::new();
    for (name, mebibytes) in [("400 MB", 400_u64), ("4 GB", 4000)] {
        let image = image::sparse(mebibytes)?;
        let update = bundle::pack(testbed, &image, "2", &["--modules", "none"])?;
        let slot = (mebibytes + mebibytes / 50).to_string();
        let words = ["--slot-size", slot.as_str(), "--data-size", "32"];
        let machine = Machine::new(testbed, &format!("figures-memory-{mebibytes}"), &first, &words)?;
        machine.must(&["stage", &update.to_string_lossy()])?;
        let peak = peak_of_prepare(&machine)?;
        rows.push((format!("peak memory of everboot prepare, image of {name}"), format!("{peak} KiB")));
    }
    Ok(rows)
}

/// In KiB.
fn peak_of_prepare(machine: &Machine) -> Result<u64> {
    let mut command = machine.agent(&["prepare"])?;
    let mut child = command.stdout(Stdio::null()).spawn().context("start the agent")?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        peak = peak.max(found.unwrap_or(0));
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        thread::sleep(LOOK);
    };
    ensure!(ended.success() && peak > 0, "prepare ended with {ended}");
    Ok(peak)
}
