//! Two real updates on logged disks: the early apply of a bundle that was staged before, and an update in the
//! running system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use everboot::apply::TRAILER_LEN;
use serde_json::{Value, json};

use super::log::{Entry, parse};
use super::sim::pages::Pages;
use crate::harness::disk::{Disk, Extent};
use crate::harness::machine::{LIMIT, SLOTS, make_ext4};
use crate::harness::{Bed, Drive, Guest, Machine, bundle, paths, system};

/// The systems of both versions: a shell that does what it is told.
const INIT: &str = "export PS1='root@everboot:~# '\nsh -i\npoweroff -f";
const PROMPT: &str = "root@everboot:~# ";
/// Of an image, of a slot, of the data partition.
const MEBIBYTES: u64 = 3;
const SLOT: &str = "4";
const DATA: &str = "6";
/// Pairs of files in an image: one that is the same in each version, and one that is not, so that there are many
/// blocks to write that are no neighbours.
const FILES: usize = 12;

/// The machines' folders.
const EARLY: &str = "log-early";
const RUNNING: &str = "log-running";
/// What is kept of a recording beside the logs and the disk.
const ABOUT: &str = "recording.json";
const BEFORE: &str = "before.img";

/// The versions, as positions in [`Recording::images`]: what is good before the update, and what it brings.
pub const OLD: usize = 1;
/// The same.
pub const NEW: usize = 2;

/// Where the partitions of the disk are.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The record's.
    pub record: Extent,
    /// The slots'.
    pub slots: [Extent; 2],
    /// The data partition.
    pub data: Extent,
}

impl Parts {
    /// What a byte of the disk belongs to.
    pub fn name(&self, at: u64) -> &'static str {
        let within = |part: Extent| at.checked_sub(part.start).filter(|inside| *inside < part.length);
        if let Some(at) = within(self.record) {
            let is_copy = at < 4096 || at >= self.record.length - 4096;
            return if is_copy { "record" } else { "history" };
        }
        for (slot, name) in
            self.slots.into_iter().zip([["slot-a", "slot-a's trailer"], ["slot-b", "slot-b's trailer"]])
        {
            if let Some(at) = within(slot) {
                return name[usize::from(at >= slot.length - TRAILER_LEN)];
            }
        }
        if within(self.data).is_some() { "data" } else { "table" }
    }
}

/// A part of the recorded time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// What was done in it.
    pub name: String,
    /// The number of the first entry after it.
    pub end: usize,
}

/// A recorded update.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its name.
    pub name: String,
    /// The disk before.
    pub before: Pages,
    /// All that the disk was told, the boots one after the other.
    pub entries: Vec<Entry>,
    /// The numbers of the entries at which power was switched off in order.
    pub switched_off: Vec<usize>,
    /// What was done when.
    pub phases: Vec<Phase>,
    /// The disk.
    pub parts: Parts,
    /// The images of versions 0, 1 and 2. Before the update the first one is in the first slot, and the second
    /// one in the other slot, which is the default; the third one takes the place of the first.
    pub images: [PathBuf; 3],
    /// The bundle that brings version 2.
    pub bundle: PathBuf,
    /// The disk as QEMU left it.
    pub after: Pages,
}

/// What both recordings need.
struct Studio {
    bed: &'static Bed,
    images: [PathBuf; 3],
    bundles: [PathBuf; 3],
}

/// One machine under the eyes of the log.
struct Session<'a> {
    machine: &'a Machine,
    /// The logs, each with its length at the end of each phase.
    boots: Vec<Value>,
}

/// Records both, side by side.
pub fn record(bed: &'static Bed) -> Result<Vec<Recording>> {
    let [zero, one, two] = [version(bed, "0")?, version(bed, "1")?, version(bed, "2")?];
    let (images, bundles) = ([zero.0, one.0, two.0], [zero.1, one.1, two.1]);
    let studio = Studio { bed, images, bundles };
    std::thread::scope(|scope| {
        let early = scope.spawn(|| studio.early());
        let running = studio.running();
        let early = early.join().map_err(|_| anyhow!("the recording panicked"))?;
        Ok(vec![early?, running?])
    })
}

/// The recordings of the last run.
pub fn kept() -> Result<Vec<Recording>> {
    let folders = [EARLY, RUNNING].map(|name| paths::out(&format!("work/{name}")));
    folders.into_iter().map(|folder| Recording::kept(&folder?)).collect()
}

/// A small system: its image, and its bundle.
fn version(bed: &Bed, version: &str) -> Result<(PathBuf, PathBuf)> {
    let mut mini = system::mini(bed, version, INIT);
    (mini.mebibytes, mini.modules) = (MEBIBYTES, false);
    for number in 0..FILES {
        let block = |text: String| text.repeat(4096 / text.len() + 1)[..4096].to_owned();
        let file = |kind: &str| format!("/opt/{number:02}-{kind}");
        mini.overlay = mini.overlay.file(&file("changes"), block(format!("{number} of version {version}\n")));
        mini.overlay = mini.overlay.file(&file("stays"), block(format!("{number} of every version\n")));
    }
    let image = mini.image(&bed.kernel)?;
    let bundle = bundle::pack(bed, &image, version, &["--modules", "none"])?;
    Ok((image, bundle))
}

impl Studio {
    /// A machine on which version 0 came from the factory, and version 1 is good and the default.
    fn machine(&self, name: &str) -> Result<Machine> {
        let words = ["--slot-size", SLOT, "--data-size", DATA, "--record-size", "1"];
        let machine = Machine::new(self.bed, name, &self.bundles[0], &words)?;
        for words in [&["boot"][..], &["confirm"]] {
            machine.must(words)?;
        }
        machine.must(&["install", &self.bundles[1].to_string_lossy()])?;
        for words in [&["boot"][..], &["confirm"]] {
            machine.must(words)?;
        }
        machine.status()?.expect_default(SLOTS[1], "1")?;
        Ok(machine)
    }

    fn early(&self) -> Result<Recording> {
        let machine = self.machine(EARLY)?;
        machine.stage(&self.bundles[NEW])?;
        let mut session = Session::new(&machine)?;
        session.boot("boot", "2", &[], "apply", &[("confirm", "everboot confirm")])?;
        self.finish("early", &machine, session)
    }

    fn running(&self) -> Result<Recording> {
        let machine = self.machine(RUNNING)?;
        let folder = machine.work.join("stick");
        fs::create_dir_all(&folder)?;
        fs::copy(&self.bundles[NEW], folder.join("v2.everboot"))?;
        make_ext4(&folder, 8 << 20, &machine.work.join("stick.img"))?;
        let stick = Drive::Snapshot(machine.work.join("stick.img"));
        let mut session = Session::new(&machine)?;
        let update = [
            ("confirm-old", "everboot confirm"),
            ("mount", "mount -t ext4 -o ro /dev/vdb /mnt"),
            ("stage", "everboot stage /mnt/v2.everboot"),
            ("prepare", "everboot prepare"),
            ("activate", "everboot activate"),
        ];
        session.boot("first", "1", &[stick], "boot", &update)?;
        session.boot("second", "2", &[], "trial", &[("confirm", "everboot confirm")])?;
        self.finish("running", &machine, session)
    }

    /// What is kept of it is enough to make it again: to replay a failure.
    fn finish(&self, name: &str, machine: &Machine, session: Session<'_>) -> Result<Recording> {
        machine.status()?.expect_default(SLOTS[0], "2")?;
        let files: Vec<_> =
            self.images.iter().chain([&self.bundles[NEW]]).map(|path| path.to_string_lossy()).collect();
        let about = json!({ "name": name, "files": files, "boots": session.boots });
        fs::write(machine.work.join(ABOUT), about.to_string())?;
        Recording::kept(&machine.work)
    }
}

impl Recording {
    /// The recording in a machine's folder.
    pub fn kept(folder: &Path) -> Result<Recording> {
        let text = fs::read_to_string(folder.join(ABOUT));
        let text = text.with_context(|| format!("expected a recording in {}", folder.display()))?;
        let about: Value = serde_json::from_str(&text)?;
        let list = |name: &str| about[name].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (mut entries, mut switched_off, mut phases) = (Vec::new(), Vec::new(), Vec::new());
        for boot in list("boots") {
            let log = folder.join(text(&boot["log"]));
            let bytes = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
            let from = entries.len();
            for mark in boot["marks"].as_array().into_iter().flatten() {
                let upto = usize::try_from(mark[1].as_u64().unwrap_or_default())?.min(bytes.len());
                phases.push(Phase { name: text(&mark[0]), end: from + parse(&bytes[..upto])?.len() });
            }
            entries.extend(parse(&bytes)?);
            phases.push(Phase { name: "poweroff".to_owned(), end: entries.len() });
            switched_off.push(entries.len());
        }
        let disk = Disk::open(&folder.join("disk.img"));
        let slots = [disk.part(SLOTS[0])?, disk.part(SLOTS[1])?];
        let parts = Parts { record: disk.part("everboot-record")?, slots, data: disk.part("everboot-data")? };
        let files: Vec<PathBuf> = list("files").iter().map(|file| text(file).into()).collect();
        let [zero, one, two, bundle] = files.try_into().ok().context("expected three images and a bundle")?;
        Ok(Recording {
            name: text(&about["name"]),
            before: pages(&folder.join(BEFORE))?,
            entries,
            switched_off,
            phases,
            parts,
            images: [zero, one, two],
            bundle,
            after: pages(disk.path())?,
        })
    }
}

impl<'a> Session<'a> {
    fn new(machine: &'a Machine) -> Result<Self> {
        machine.disk.copy_to(&machine.work.join(BEFORE))?;
        Ok(Self { machine, boots: Vec::new() })
    }

    /// One boot up to a version's shell, what is typed there, and the end.
    fn boot(
        &mut self,
        name: &str,
        version: &str,
        more: &[Drive],
        phase: &str,
        typed: &[(&str, &str)],
    ) -> Result<()> {
        let file = format!("{name}.blklog");
        let log = self.machine.work.join(&file);
        let mut options = self.machine.options(name);
        options.drives = vec![Drive::Logged(self.machine.disk.path().into(), log.clone())];
        options.drives.extend_from_slice(more);
        let mut guest = Guest::start(&options)?;
        guest.wait_for(&format!("UP {version}"), LIMIT)?;
        guest.wait_for(PROMPT, LIMIT)?;
        let mut marks = vec![json!([phase, log.metadata()?.len()])];
        for (phase, command) in typed {
            let (code, said) = guest.shell(command, LIMIT)?;
            ensure!(code == 0, "`{command}` ended with {code} in the guest:\n{said}");
            marks.push(json!([phase, log.metadata()?.len()]));
        }
        guest.send_line("poweroff -f")?;
        guest.wait_exit(LIMIT)?;
        self.boots.push(json!({ "log": file, "marks": marks }));
        Ok(())
    }
}

/// A file's bytes in pages.
pub fn pages(path: &Path) -> Result<Pages> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let mut pages = Pages::zeroed(bytes.len());
    for (number, page) in bytes.chunks(4096).enumerate() {
        if page.iter().any(|byte| *byte != 0) {
            pages.write(number * 4096, page);
        }
    }
    Ok(pages)
}
