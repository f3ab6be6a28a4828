//! Cost against size: everboot alone, images of 64 MiB to 16 GiB of which every 16th block is not zero, onto an
//! empty sparse disk. Time should grow as the image does, memory not at all.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::cost::{Cost, medians};
use super::memory_folder::MemoryFolder;
use super::ours::Everboot;
use super::table::Table;
use super::test_disk::TestDisk;
use super::tool::Tool;
use everboot_testbed::rootfs::image;
use everboot_testbed::{Testbed, bundle};

/// For the report.
pub(super) const ABOUT: &str = "\
Images of which every 16th block is not zero, onto an empty sparse disk, compared afterwards. Medians.
";

const MEBIBYTES: [u64; 5] = [64, 256, 1024, 4096, 16384];
/// A size is not run again when this much time was spent on it.
const ENOUGH: Duration = Duration::from_secs(15);

/// What an image of this size costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) mebibytes: u64,
    pub(super) cost: Cost,
}

/// The medians at each size.
pub(super) fn measure(
    testbed: &'static Testbed,
    memory_folder: &MemoryFolder,
    rounds: usize,
) -> Result<Vec<Point>> {
    MEBIBYTES.iter().map(|mebibytes| point(testbed, memory_folder, rounds, *mebibytes)).collect()
}

fn point(
    testbed: &'static Testbed,
    memory_folder: &MemoryFolder,
    rounds: usize,
    mebibytes: u64,
) -> Result<Point> {
    println!("bench: an image of {mebibytes} MiB");
    let image = image::sparse(mebibytes)?;
    let update = bundle::pack(testbed, &image, "2", &["--modules", "none"])?;
    let test_disk = TestDisk::new(testbed, memory_folder, "sizes", mebibytes)?;
    let ours = Everboot::new(&test_disk, &update)?;
    let (start, mut costs) = (Instant::now(), Vec::new());
    while costs.is_empty() || (costs.len() < rounds && start.elapsed() < ENOUGH) {
        ours.reset()?;
        test_disk.empty()?;
        costs.push(ours.install()?);
    }
    let wrong = test_disk.differing_blocks(&image)?;
    ensure!(wrong == 0, "{wrong} blocks are wrong after everboot");
    Ok(Point { mebibytes, cost: medians(&costs) })
}

/// As text.
pub(super) fn table(points: &[Point]) -> Table {
    let mut table = Table::new(&["image MiB", "wall s", "CPU s", "memory MiB", "MiB of image a second"]);
    for Point { mebibytes, cost } in points {
        table.row([
            mebibytes.to_string(),
            format!("{:.3}", cost.wall),
            format!("{:.2}", cost.cpu),
            format!("{:.1}", cost.memory),
            format!("{:.0}", *mebibytes as f64 / cost.wall),
        ]);
    }
    table
}
