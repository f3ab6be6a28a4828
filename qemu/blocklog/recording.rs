//! Two real updates on logged disks: the early apply of a bundle that was staged before, and an update in the
//! running system.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use everboot_core::slot::{ImageId, SlotId};
use serde::{Deserialize, Serialize};

use super::console::{self, STICK, STUCK};
use super::disk::{good_default, pages, record_on};
use super::log::{Entry, parse};
use super::partitions::Partitions;
use super::subject::Subject;
use everboot_builder::command::{program, run};
use everboot_builder::paths;
use everboot_kit::sim::pages::Pages;
use everboot_testbed::machine::{LIMIT, make_ext4};
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Drive, Machine, Testbed, Vm};

/// The folder of the machine that applies an update in early boot.
const EARLY: &str = "log-early";
/// The folder of the machine that updates itself while it runs.
const RUNNING: &str = "log-running";
/// Where [`About`] is kept.
const ABOUT: &str = "recording.json";
/// The disk before.
const BEFORE: &str = "before.img";
/// What the machine boots.
const INITRAMFS: &str = "console.img";
/// The bundle on a second disk.
const UPDATE: &str = "update.everboot";

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
    /// All that reached the disk, the boots one after the other.
    pub entries: Vec<Entry>,
    /// The numbers of the entries at which power was switched off in order.
    pub switched_off: Vec<usize>,
    /// What was done when.
    pub phases: Vec<Phase>,
    /// The disk.
    pub parts: Partitions,
    /// The slot that is good and the default before the update, which goes to the other one.
    pub old: usize,
    /// The bundle that is brought.
    pub bundle: PathBuf,
    /// The root hash of its image.
    pub image: ImageId,
    /// Boots of the new version that nobody confirms.
    pub tries: usize,
    /// Whether the systems say `UP` and their version when they are up.
    pub says_up: bool,
    /// The disk as QEMU left it.
    pub after: Pages,
}

/// What is kept of a recording beside the logs and the disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct About {
    name: String,
    boots: Vec<BootLog>,
}

/// The log of one boot.
#[derive(Debug, Serialize, Deserialize)]
struct BootLog {
    /// The file, in the machine's folder.
    log: String,
    /// Each phase, and how long the log was at its end.
    marks: Vec<(String, u64)>,
}

/// One machine under the eyes of the log.
struct Session<'a> {
    machine: &'a Machine,
    boots: Vec<BootLog>,
}

/// Records both, side by side.
pub fn record(testbed: &'static Testbed, subject: &Subject) -> Result<Vec<Recording>> {
    std::thread::scope(|scope| {
        let early = scope.spawn(|| early(testbed, subject));
        let running = running(testbed, subject);
        let early = early.join().map_err(|_| anyhow!("the recording panicked"))?;
        Ok(vec![early?, running?])
    })
}

/// The recordings of the last run.
pub fn kept(subject: &Subject) -> Result<Vec<Recording>> {
    let folders = [EARLY, RUNNING].map(|name| paths::out(&format!("work/{name}")));
    folders.into_iter().map(|folder| Recording::kept(&folder?, subject)).collect()
}

fn early(testbed: &'static Testbed, subject: &Subject) -> Result<Recording> {
    let machine = Machine::copy_of(testbed, EARLY, &subject.disk, &subject.settings)?;
    machine.must(&["stage", &subject.bundle.to_string_lossy()])?;
    machine.must(&["activate"])?;
    put_staged(&machine, subject)?;
    let mut session = Session::new(testbed, &machine, subject)?;
    session.boot("boot", &[], "apply", &[("confirm", "everboot confirm")])?;
    session.finish("early", subject)
}

fn running(testbed: &'static Testbed, subject: &Subject) -> Result<Recording> {
    let machine = Machine::copy_of(testbed, RUNNING, &subject.disk, &subject.settings)?;
    let (folder, image) = (machine.work.join("stick"), machine.work.join("stick.img"));
    fs::create_dir_all(&folder)?;
    fs::copy(&subject.bundle, folder.join(UPDATE))?;
    make_ext4(&folder, fs::metadata(&subject.bundle)?.len() * 5 / 4 + (4 << 20), &image)?;
    let (mount, stage) =
        (format!("mount -t ext4 -o ro /dev/vdb {STICK}"), format!("everboot stage {STICK}/{UPDATE}"));
    let update = [
        ("confirm-old", "everboot confirm"),
        ("mount", &*mount),
        ("stage", &*stage),
        ("prepare", "everboot prepare"),
        ("activate", "everboot activate"),
    ];
    let mut session = Session::new(testbed, &machine, subject)?;
    session.boot("first", &[Drive::Snapshot(image)], "boot", &update)?;
    session.boot("second", &[], "trial", &[("confirm", "everboot confirm")])?;
    session.finish("running", subject)
}

/// What was staged on the host is put into the file system of the data partition, which stays as it is otherwise.
fn put_staged(machine: &Machine, subject: &Subject) -> Result<()> {
    let (data, script) = (machine.work.join("data.img"), machine.work.join("debugfs"));
    let at = Partitions::of(machine.disk.path(), &subject.config)?.data;
    machine.disk.extract_part(at, &data)?;
    let mut commands = "mkdir /everboot\n".to_owned();
    for entry in fs::read_dir(machine.staging())? {
        let entry = entry?;
        commands += &format!(
            "rm /everboot/{0}\nwrite {1} /everboot/{0}\n",
            entry.file_name().to_string_lossy(),
            entry.path().display()
        );
    }
    fs::write(&script, commands)?;
    // A file system that was not unmounted has a journal to be replayed first.
    let checked = program("e2fsck").args(["-p", "-f"]).arg(&data).output().context("start e2fsck")?;
    ensure!(
        checked.status.code().is_some_and(|code| code < 4),
        "{}: expected an ext4 file system in the data partition, found {}",
        machine.disk.path().display(),
        String::from_utf8_lossy(&checked.stdout).trim()
    );
    run(program("debugfs").arg("-w").arg("-f").arg(&script).arg(&data))?;
    let file = File::options().write(true).open(machine.disk.path())?;
    Ok(file.write_all_at(&fs::read(&data)?, at.start)?)
}

impl Recording {
    /// The recording in a machine's folder.
    pub fn kept(folder: &Path, subject: &Subject) -> Result<Recording> {
        let about = About::read(folder)?;
        let (mut entries, mut switched_off, mut phases) = (Vec::new(), Vec::new(), Vec::new());
        for boot in about.boots {
            let log = folder.join(boot.log);
            let bytes = fs::read(&log).with_context(|| format!("read {}", log.display()))?;
            let from = entries.len();
            for (name, upto) in boot.marks {
                let until = bytes.get(..usize::try_from(upto)?);
                let until = until.with_context(|| {
                    format!("{}: expected {upto} bytes or more, found {}", log.display(), bytes.len())
                })?;
                // A boot may write nothing, and the log is empty then.
                let entries = if until.is_empty() { 0 } else { parse(until)?.len() };
                phases.push(Phase { name, end: from + entries });
            }
            entries.extend(parse(&bytes)?);
            phases.push(Phase { name: "poweroff".to_owned(), end: entries.len() });
            switched_off.push(entries.len());
        }
        let (before, after) = (pages(&folder.join(BEFORE))?, pages(&folder.join("disk.img"))?);
        let parts = Partitions::of(&folder.join("disk.img"), &subject.config)?;
        let recording = Recording {
            name: about.name,
            old: default_of(&before, &parts)?.index(),
            entries,
            switched_off,
            phases,
            bundle: subject.bundle.clone(),
            image: subject.manifest.image_id(),
            tries: subject.tries(),
            says_up: subject.says_up,
            before,
            after,
            parts,
        };
        let new = default_of(&recording.after, &recording.parts)?.index();
        ensure!(new != recording.old, "{}: the update was not confirmed", recording.name);
        Ok(recording)
    }
}

impl About {
    /// That of the machine in this folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(ABOUT);
        let expected = || format!("{}: expected what is kept of a recording", path.display());
        serde_json::from_str(&fs::read_to_string(&path).with_context(expected)?).with_context(expected)
    }
}

/// The default slot.
fn default_of(disk: &Pages, parts: &Partitions) -> Result<SlotId> {
    let record = record_on(disk, parts);
    record.as_ref().and_then(good_default).context("expected a record with a good default slot, found none")
}

impl<'a> Session<'a> {
    fn new(testbed: &Testbed, machine: &'a Machine, subject: &Subject) -> Result<Self> {
        console::initramfs(testbed, subject, &machine.work.join(INITRAMFS))?;
        machine.disk.copy_to(&machine.work.join(BEFORE))?;
        Ok(Self { machine, boots: Vec::new() })
    }

    /// One boot up to the shell in the root, what is typed there, and the end.
    fn boot(&mut self, name: &str, more: &[Drive], phase: &str, typed: &[(&str, &str)]) -> Result<()> {
        let file = format!("{name}.blklog");
        let log = self.machine.work.join(&file);
        let mut options = self.machine.options(name);
        options.initramfs = Some(self.machine.work.join(INITRAMFS));
        options.drives = vec![Drive::Logged(self.machine.disk.path().into(), log.clone())];
        options.drives.extend_from_slice(more);
        let mut vm = Vm::start(&options)?;
        let (which, _) = vm.wait_for_any(&[PROMPT, STUCK], LIMIT)?;
        ensure!(which == 0, "the machine does not boot; log: {}", vm.log().display());
        let mut marks = vec![(phase.to_owned(), log.metadata()?.len())];
        for (phase, command) in typed {
            let (code, output) = vm.shell(command, LIMIT)?;
            ensure!(code == 0, "`{command}` ended with {code} in the virtual machine:\n{output}");
            marks.push(((*phase).to_owned(), log.metadata()?.len()));
        }
        vm.send_line("poweroff -f")?;
        vm.wait_exit(LIMIT)?;
        self.boots.push(BootLog { log: file, marks });
        Ok(())
    }

    /// What is kept of it is enough to make it again: to replay a failure.
    fn finish(self, name: &str, subject: &Subject) -> Result<Recording> {
        let about = About { name: name.to_owned(), boots: self.boots };
        fs::write(self.machine.work.join(ABOUT), serde_json::to_string(&about)?)?;
        Recording::kept(&self.machine.work, subject)
    }
}
