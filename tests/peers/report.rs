//! What was measured, as `tests/BENCH.md` and its pictures.

use std::fs;

use anyhow::{Context, Result};

use super::deltas;
use super::picture;
use super::row::{Act, Row, Rows};
use super::sizes::{self, Point};
use super::table::Table;
use everboot_builder::command::{program, run};
use everboot_builder::paths;

const REPORT: &str = "tests/BENCH.md";
const SIZES: &str = "bench-sizes.svg";
const INSTALLS: &str = "bench-installs.svg";

/// How it is measured; what a reader has to know to trust a number.
const METHOD: &str = "\
The target is a slot of a GPT disk in memory, behind loop devices with direct I/O: everboot gets the disk, everybody
else the slot. All run in turns; numbers are medians. A full install begins on a slot that was filled with random
bytes, and ends with a comparison of every byte; neither is timed. The last close of a device writes out what the page
cache still holds, so this is in everybody's time. everboot's full install is `everboot prepare`: signature, every
block checked before it is written, and read back after a flush. Of the others RAUC and SWUpdate check a signature, and
none reads back what it wrote. Memory is the peak of resident memory, summed over
programs that run side by side. Written and read is what the device was asked for; zeroes count like data, also
those that everboot asks the device for (BLKZEROOUT).
The rest after a cut: `everboot prepare` is killed (SIGKILL) when the device was asked to write half of the image, and
run again. None of the others resumes: their rest is a full install.";

/// Everything that a run found.
#[derive(Default)]
pub(super) struct Report {
    pub(super) rounds: usize,
    pub(super) rows: Rows,
    pub(super) sizes: Vec<Point>,
    pub(super) deltas: Option<(Table, Vec<String>)>,
    /// Memory of a program that does nothing, in MiB.
    pub(super) floor: f64,
}

impl Report {
    /// As Markdown.
    pub(super) fn text(&self) -> Result<String> {
        let mut text = format!("# everboot beside its peers\n\n{}\n\n{METHOD}\n", machine(self.rounds)?);
        if !self.rows.rows.is_empty() {
            text += &format!("\n## Installs\n{}\n", self.rows.table().markdown());
        }
        if !self.sizes.is_empty() {
            text += &format!(
                "\n## Cost against size\n{}\n{}\n",
                sizes::ABOUT,
                sizes::table(&self.sizes).markdown()
            );
        }
        let mut notes = [self.rows.beside_full(), self.rows.notes.clone()].concat();
        if let Some((table, more)) = &self.deltas {
            text += &format!("\n## Bytes to ship\n{}\n{}\n", deltas::ABOUT, table.markdown());
            notes.extend(more.iter().cloned());
        }
        notes.push(format!("less memory than {:.1} MiB cannot be measured", self.floor));
        text += "\n## Notes\n";
        notes.iter().for_each(|note| text += &format!("- {note}\n"));
        Ok(text)
    }

    /// Writes `tests/BENCH.md` and its pictures.
    pub(super) fn write(&self) -> Result<()> {
        let folder = paths::repo().join("tests");
        let full = |workload: &str| -> Vec<&Row> {
            let rows = self.rows.rows.iter();
            rows.filter(|row| row.act == Act::Full && row.workload == workload).collect()
        };
        let installs = picture::full_installs("Full install of the real root", &full(super::REAL));
        fs::write(folder.join(INSTALLS), installs).context("write the picture of the installs")?;
        fs::write(folder.join(SIZES), picture::cost_against_size(&self.sizes))
            .context("write the other picture")?;
        let pictures = format!("\n![Full installs]({INSTALLS})\n\n![Cost against size]({SIZES})\n");
        fs::write(paths::repo().join(REPORT), self.text()? + &pictures).context("write the report")?;
        println!("report     {REPORT}");
        Ok(())
    }
}

/// The date, the machine, and the versions of all tools.
fn machine(rounds: usize) -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
    let (processors, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let has_sha = field(&processors, "flags").split(' ').any(|flag| flag == "sha_ni");
    let kib: u64 = field(&memory, "MemTotal").trim_end_matches(" kB").parse().context("read MemTotal")?;
    Ok(format!(
        "{}, `./tests/bench`, {rounds} rounds. {}, {} processors, {} SHA instructions, {} GiB of memory, Linux {}. {}.",
        run(program("date").args(["-u", "+%Y-%m-%d"]))?.trim(),
        field(&processors, "model name"),
        std::thread::available_parallelism()?,
        if has_sha { "with" } else { "without" },
        (kib + (1 << 19)) >> 20,
        read("/proc/sys/kernel/osrelease")?.trim(),
        versions()?
    ))
}

fn versions() -> Result<String> {
    let mut packages: Vec<&str> = everboot_builder::setup::PEERS.iter().map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut query = program("dpkg-query");
    query.args(["--show", "--showformat=${Package} ${Version}\\n"]).args(packages);
    // It fails when one of them is not installed, and still shows the others.
    let shown = query.output().context("start dpkg-query")?.stdout;
    Ok(String::from_utf8_lossy(&shown).lines().collect::<Vec<_>>().join(", "))
}
