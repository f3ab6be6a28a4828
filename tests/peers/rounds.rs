//! One image, all tools, in turns.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::cost::Cost;
use super::ground::Ground;
use super::ours::Everboot;
use super::peers::{self, PEERS, Task};
use super::row::{Act, Rows};
use super::shelter::Shelter;
use super::tool::Tool;
use everboot_bed::{Bed, bundle};
use everboot_builder::command::{program, run};

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
pub(super) fn run_all(bed: &'static Bed, shelter: &Shelter, of: &Workload, rounds: usize) -> Result<Rows> {
    let mebibytes = of.image.metadata()?.len().div_ceil(1 << 20);
    // RAUC's bus takes no comma in its address.
    let name = of.name.replace(|letter: char| !letter.is_alphanumeric(), "-");
    let ground = Ground::new(bed, shelter, &name, mebibytes)?;
    let update = bundle::pack(bed, &of.image, "2", &["--modules", "none"])?;
    let (image, compressed) = (ground.folder.join("image"), ground.folder.join("image.zst"));
    run(program("cp").arg("--sparse=always").arg(&of.image).arg(&image))?;
    run(program("zstd").args(["-q", &format!("-{}", bundle::LEVEL), "-o"]).arg(&compressed).arg(&image))?;
    let bench = Bench { ground: &ground, image: &image, of };
    let mut rows = Rows::default();
    let ours = Everboot::new(&ground, &update)?;
    // The first run of each is not counted: it shows whether it runs here, and warms what is warm later.
    ground.fill_with_random()?;
    bench.check(&ours, &mut rows, None)?;
    let task = Task { ground: &ground, image: &image, compressed: &compressed };
    let mut tools: Vec<Box<dyn Tool + '_>> = Vec::new();
    for (name, program, maker) in PEERS {
        println!("bench: {}: {name} makes what it ships", of.name);
        let made = peers::make(program, *maker, &task).and_then(|tool| {
            ground.fill_with_random()?;
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

struct Bench<'a> {
    ground: &'a Ground,
    image: &'a Path,
    of: &'a Workload,
}

impl Bench<'_> {
    /// All acts of one tool.
    fn turn(&self, tool: &dyn Tool, rows: &mut Rows) -> Result<()> {
        self.ground.fill_with_random()?;
        self.check(tool, rows, Some(Act::Full))?;
        if self.of.acts.contains(&Act::Identical) {
            self.check(tool, rows, Some(Act::Identical))?;
        }
        if self.of.acts.contains(&Act::Rest) && tool.resumes() {
            self.ground.fill_with_random()?;
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
        let wrong = self.ground.differing_blocks(self.image)?;
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
        let wrong = self.ground.differing_blocks(self.image)?;
        ensure!(wrong == 0, "{wrong} blocks are wrong after a cut and {}", tool.name());
        rows.add(Act::Rest, self.of.name, tool, cost);
        Ok(())
    }

    /// With what went through the device.
    fn counted(&self, act: impl FnOnce() -> Result<Cost>) -> Result<Cost> {
        let before = self.ground.traffic()?;
        let cost = act()?;
        let after = self.ground.traffic()?;
        let mebibytes = |before: u64, after: u64| (after - before) as f64 / MIB;
        Ok(Cost {
            written: mebibytes(before.written, after.written),
            read: mebibytes(before.read, after.read),
            ..cost
        })
    }

    /// Kills an install (SIGKILL) when the device was asked to write half of the image.
    fn cut(&self, tool: &dyn Tool) -> Result<()> {
        let half = self.ground.traffic()?.written + self.image.metadata()?.len() / 2;
        let mut steps = tool.steps();
        ensure!(steps.len() == 1, "only a single program is cut");
        let mut child = steps[0].stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let cut = loop {
            if child.try_wait()?.is_some() {
                break Err(anyhow!("{} ended before it was cut", tool.name()));
            }
            match self.ground.traffic() {
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
