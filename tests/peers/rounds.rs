//! One image, all tools, in turns.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::cost::Cost;
use super::memory_folder::MemoryFolder;
use super::ours::Everboot;
use super::peers::{self, PEERS, Task};
use super::row::{Act, Rows};
use super::test_disk::TestDisk;
use super::tool::Tool;
use everboot_builder::command::{program, run};
use everboot_testbed::{Testbed, bundle};

const MIB: f64 = (1 << 20) as f64;
/// How closely the moment of a cut is watched for.
const LOOK: Duration = Duration::from_millis(1);

/// What is installed.
pub(super) struct Workload {
    /// Such as `real root`.
    pub(super) name: &'static str,
    pub(super) image: PathBuf,
    /// What is measured beside full installs.
    pub(super) acts: &'static [Act],
}

/// All rounds of a workload. Who does not run here is named in the rows, with the reason.
pub(super) fn run_all(
    testbed: &'static Testbed,
    memory_folder: &MemoryFolder,
    of: &Workload,
    rounds: usize,
) -> Result<Rows> {
    let mebibytes = of.image.metadata()?.len().div_ceil(1 << 20);
    // RAUC's bus takes no comma in its address.
    let name = of.name.replace(|letter: char| !letter.is_alphanumeric(), "-");
    let test_disk = TestDisk::new(testbed, memory_folder, &name, mebibytes)?;
    let update = bundle::pack(testbed, &of.image, "2", &["--modules", "none"])?;
    let (image, compressed) = (test_disk.folder.join("image"), test_disk.folder.join("image.zst"));
    run(program("cp").arg("--sparse=always").arg(&of.image).arg(&image))?;
    run(program("zstd").args(["-q", &format!("-{}", bundle::LEVEL), "-o"]).arg(&compressed).arg(&image))?;
    let bench = Benchmark { test_disk: &test_disk, image: &image, of };
    let mut rows = Rows::default();
    let ours = Everboot::new(&test_disk, &update)?;
    // The first run of each is not counted: it shows whether it runs here, and warms what is warm later.
    test_disk.fill_with_random()?;
    bench.check(&ours, &mut rows, None)?;
    let task = Task { test_disk: &test_disk, image: &image, compressed: &compressed };
    let mut tools: Vec<Box<dyn Tool + '_>> = Vec::new();
    for (name, program, maker) in PEERS {
        println!("bench: {}: {name} makes what it ships", of.name);
        let made = peers::make(program, *maker, &task).and_then(|tool| {
            test_disk.fill_with_random()?;
            tool.install().map(|_| tool)
        });
        match made {
            Ok(tool) => tools.push(tool),
            Err(error) => rows.leave_out(name, &error),
        }
    }
    for round in 1..=rounds {
        println!("bench: {}: round {round} of {rounds}", of.name);
        if of.acts.contains(&Act::Stage) {
            let cost = bench.counted(|| ours.stage())?;
            rows.add(Act::Stage, of.name, &ours, cost);
        }
        bench.turn(&ours, &mut rows)?;
        for tool in &tools {
            bench.turn(tool.as_ref(), &mut rows)?;
        }
    }
    Ok(rows)
}

struct Benchmark<'a> {
    test_disk: &'a TestDisk,
    image: &'a Path,
    of: &'a Workload,
}

impl Benchmark<'_> {
    /// All acts of one tool.
    fn turn(&self, tool: &dyn Tool, rows: &mut Rows) -> Result<()> {
        self.test_disk.fill_with_random()?;
        self.check(tool, rows, Some(Act::Full))?;
        if self.of.acts.contains(&Act::Identical) {
            self.check(tool, rows, Some(Act::Identical))?;
        }
        if self.of.acts.contains(&Act::Rest) && tool.resumes() {
            self.test_disk.fill_with_random()?;
            tool.reset()?;
            self.cut(tool)?;
            self.rest(tool, rows)?;
        }
        Ok(())
    }

    /// One measured install after which the slot is compared with the image. A peer that left other bytes is named
    /// so in its row; everboot must not.
    fn check(&self, tool: &dyn Tool, rows: &mut Rows, act: Option<Act>) -> Result<Cost> {
        tool.reset()?;
        let cost = self.counted(|| tool.install()).with_context(|| tool.name().to_owned())?;
        let wrong = self.test_disk.differing_blocks(self.image)?;
        ensure!(wrong == 0 || tool.name() != super::ours::NAME, "{wrong} blocks are wrong after everboot");
        if let Some(act) = act {
            rows.add(act, self.of.name, tool, cost);
            rows.wrong(tool, wrong);
        }
        Ok(cost)
    }

    /// What is left to do after a cut: no reset.
    fn rest(&self, tool: &dyn Tool, rows: &mut Rows) -> Result<()> {
        let cost = self.counted(|| tool.install()).with_context(|| tool.name().to_owned())?;
        let wrong = self.test_disk.differing_blocks(self.image)?;
        ensure!(wrong == 0, "{wrong} blocks are wrong after a cut and {}", tool.name());
        rows.add(Act::Rest, self.of.name, tool, cost);
        Ok(())
    }

    /// With what went through the device.
    fn counted(&self, act: impl FnOnce() -> Result<Cost>) -> Result<Cost> {
        let before = self.test_disk.traffic()?;
        let cost = act()?;
        let after = self.test_disk.traffic()?;
        let mebibytes = |before: u64, after: u64| (after - before) as f64 / MIB;
        Ok(Cost {
            written: mebibytes(before.written, after.written),
            read: mebibytes(before.read, after.read),
            ..cost
        })
    }

    /// Kills an install (SIGKILL) when the device was asked to write half of the image.
    fn cut(&self, tool: &dyn Tool) -> Result<()> {
        let half = self.test_disk.traffic()?.written + self.image.metadata()?.len() / 2;
        let mut steps = tool.steps();
        ensure!(steps.len() == 1, "only a single program is cut");
        let mut child = steps[0].stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let cut = loop {
            if child.try_wait()?.is_some() {
                break Err(anyhow!("{} ended before it was cut", tool.name()));
            }
            match self.test_disk.traffic() {
                Ok(traffic) if traffic.written < half => thread::sleep(LOOK),
                other => break other.map(drop),
            }
        };
        // It may have ended by itself.
        let _ = child.kill();
        child.wait()?;
        cut
    }
}
