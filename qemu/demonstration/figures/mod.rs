//! `qemu/demo --figures`: the figures of everboot-testing(7), measured here and now.
//!
//! Who is compared runs in turns, and the median counts. No test asserts any of this.

mod apply;
mod boot;
mod memory;

use anyhow::Result;

use everboot_testbed::Testbed;

/// Measures all, and prints a table.
pub(crate) fn run() -> Result<()> {
    let testbed = Testbed::shared()?;
    let mut rows = vec![
        ("everboot-init, stripped".to_owned(), bytes(&testbed.agent.init)?),
        ("everboot, stripped".to_owned(), bytes(&testbed.agent.everboot)?),
        ("initramfs, with configuration, key and modules".to_owned(), bytes(&testbed.initramfs)?),
    ];
    println!("figures: boots in QEMU, two kinds in turns");
    rows.extend(boot::measure(testbed)?);
    println!("figures: applies on this machine, two kinds in turns");
    rows.extend(apply::measure(testbed)?);
    println!("figures: memory of large applies");
    rows.extend(memory::measure(testbed)?);
    let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    println!();
    for (what, value) in rows {
        println!("| {what:width$} | {value:>40} |");
    }
    Ok(())
}

fn bytes(path: &std::path::Path) -> Result<String> {
    Ok(format!("{} bytes", path.metadata()?.len()))
}

/// The middle one, with the smallest and the largest.
fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}
