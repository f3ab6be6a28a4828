//! Crash images booted in QEMU, with the real kernel and its file systems, up to the first line of the system.
//!
//! One virtual machine is brought up to the moment before the initramfs loads the disk's driver, and its memory is
//! saved. Each boot goes on from there with another disk: half a second instead of three.

use super::crash_images::{CrashImages, Failure};
use super::disk::pages;
use super::image::Coverage;
use super::invariants;
use super::replay::{Outcome, RecordingContext};
use super::sample::Checked;
use super::subject::Subject;
use anyhow::{Context, Result, anyhow};
use everboot_builder::initramfs;
use everboot_core::slot::SlotId;
use everboot_kit::invariants::{
    Entered, invariant_attempts_are_durable, invariant_eligible_slots_are_whole, invariant_record_survives,
    invariant_redundancy_restored,
};
use everboot_kit::sim::pages::Pages;
use everboot_kit::violation::{Check, hold};
use everboot_testbed::machine::LIMIT;
use everboot_testbed::{Drive, Testbed, Vm, VmOptions};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Waits for a line before it becomes everboot: the first process, as it is in any other boot.
const PAUSING_INIT: &str = "\
#!/bin/busybox sh
echo READY FOR A DISK
read line
exec /everboot-init
";
const READY: &str = "READY FOR A DISK";
/// Enough for a small system, and quick to bring back.
const MEMORY: u32 = 160;

/// What the agent says when there is no root to go to.
const STUCK: [&str; 2] = ["CANNOT GO ON", "nothing can be booted"];
/// What the campaign's own systems say first.
const UP: [&str; 3] = ["UP 0", "UP 1", "UP 2"];

/// What a boot came to.
#[derive(Debug)]
pub struct Booted {
    /// The slot that the agent said it would go to.
    pub slot: Option<usize>,
    /// The version that said that it is up; those of others may say what they like.
    pub up: Option<usize>,
    /// What the console said.
    pub output: String,
    /// The disk then.
    pub disk: Pages,
}

/// A virtual machine's saved memory.
#[derive(Debug)]
pub struct Snapshot {
    folder: PathBuf,
    memory: PathBuf,
    initramfs: PathBuf,
    says_up: bool,
}

impl Snapshot {
    /// Takes it, for disks of this size.
    pub fn take(testbed: &'static Testbed, subject: &Subject, folder: &Path, len: usize) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (settings, drivers) = (&subject.settings, subject.drivers());
        let archive = initramfs::scripted(&testbed.kernel, &testbed.agent, settings, PAUSING_INIT, drivers)?;
        let initramfs = folder.join("pausing.img");
        fs::write(&initramfs, archive.to_bytes())?;
        let disk = folder.join("none.img");
        File::create(&disk)?.set_len(len as u64)?;
        let snapshot = Self {
            folder: folder.into(),
            memory: folder.join("memory"),
            initramfs,
            says_up: subject.says_up,
        };
        let mut vm = Vm::start(&snapshot.options(testbed, "snapshot", &disk))?;
        vm.wait_for(READY, LIMIT)?;
        vm.save_to(&snapshot.memory)?;
        vm.kill()?;
        Ok(snapshot)
    }

    fn options(&self, testbed: &Testbed, name: &str, disk: &Path) -> VmOptions {
        let mut options = VmOptions::new(&self.folder, name, &testbed.kernel, &self.initramfs);
        options.memory = MEMORY;
        options.drive(Drive::Raw(disk.into()))
    }

    /// Boots a disk up to the agent's word where it goes, and to the system's first line when one is expected; cuts
    /// the power there.
    pub fn boot(&self, testbed: &Testbed, name: &str, disk: &Pages, slots: &[String; 2]) -> Result<Booted> {
        let image = self.folder.join(format!("{name}.img"));
        write_sparse(disk, &image)?;
        let mut options = self.options(testbed, name, &image);
        options.extra = vec!["-incoming".to_owned(), format!("exec:cat '{}'", self.memory.display())];
        let mut vm = Vm::start(&options)?;
        vm.go_on()?;
        vm.send_line("go")?;
        let words = slots.each_ref().map(|slot| format!("everboot: {slot}, version "));
        let (slot, _) = vm.wait_for_any(&[&words[0], &words[1], STUCK[0], STUCK[1]], LIMIT)?;
        let slot = Some(slot).filter(|slot| *slot < slots.len());
        let mut up = None;
        if self.says_up && slot.is_some() {
            let (which, _) = vm.wait_for_any(&[UP[0], UP[1], UP[2], STUCK[0]], LIMIT)?;
            up = Some(which).filter(|which| *which < UP.len());
        }
        let output = vm.kill()?;
        let disk = pages(&image)?;
        fs::remove_file(&image)?;
        Ok(Booted { slot, up, output, disk })
    }
}

/// Boots a sample, several virtual machines side by side. How many, and which did not go where they should.
pub fn run(
    testbed: &'static Testbed,
    snapshot: &Snapshot,
    all_images: &[CrashImages<'_>],
    sample: &[Checked],
    threads: usize,
    until: Instant,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(u64, Vec<Failure>)> {
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let failures = Mutex::new(Vec::new());
    let work = |thread: usize| -> Result<()> {
        while let Some(one) =
            sample.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| Instant::now() < until)
        {
            let images = all_images
                .iter()
                .find(|images| images.has(&one.address))
                .context("an image of no recording")?;
            let image = images.image(&one.address).context("an image of no recording")?;
            let booted = snapshot.boot(
                testbed,
                &format!("vm{thread}"),
                &image,
                &images.context().recording.parts.names,
            );
            let booted = booted.with_context(|| format!("boot {}", one.address))?;
            if let Err(violation) = check(one, images.context(), image, booted) {
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.extend(images.failure(&one.address, violation));
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.max(1)).map(|thread| scope.spawn(move || work(thread))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread of the campaign panicked"))?)
    })?;
    Ok((done.into_inner(), failures.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// The real boot ends where the agent on the host went, and leaves a disk that keeps the promises.
fn check(one: &Checked, context: &RecordingContext<'_>, image: Pages, booted: Booted) -> Check {
    let (recording, expected) = (context.recording, &one.outcome);
    invariant_real_boot_agrees(expected, &booted, recording.says_up)?;
    let (was, is) = (context.disk(image), context.disk(booted.disk));
    invariant_record_survives(&was.facts, &is.facts)?;
    if one.address.coverage == Coverage::AllButLast {
        return invariant_redundancy_restored(&is.facts, [true, true]);
    }
    let entered = Some(Entered { slot: Some(SlotId(expected.slot as u8)), after_recovery: false });
    invariants::untouched(&was, &is, &recording.parts, &context.known)?;
    invariant_eligible_slots_are_whole(&is.facts)?;
    invariant_attempts_are_durable(&was.facts, entered, &is.facts)?;
    invariant_redundancy_restored(&is.facts, [true, true])?;
    let found = context.known.version(is.facts.whole[expected.slot]);
    hold(found == Some(expected.version), "ends_in_a_stated_slot", || {
        let slot = &recording.parts.names[expected.slot];
        format!("expected version {} in {slot}, found {:?}", expected.version, is.facts.whole)
    })
}

/// The real boot goes where the agent went on the host, from the same bytes, and what is there comes up.
fn invariant_real_boot_agrees(expected: &Outcome, found: &Booted, says_up: bool) -> Check {
    let is_up = !says_up || found.up == Some(expected.version);
    hold(found.slot == Some(expected.slot) && is_up, "real_boot_agrees", || {
        format!(
            "expected {expected:?}, found slot {:?}, version {:?}; the console said:\n{}",
            found.slot, found.up, found.output
        )
    })
}

fn write_sparse(disk: &Pages, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    file.set_len(disk.len() as u64)?;
    for page in (0..disk.count()).filter(|page| disk.page(*page).iter().any(|byte| *byte != 0)) {
        file.write_all_at(disk.page(page), (page * 4096) as u64)?;
    }
    Ok(())
}
