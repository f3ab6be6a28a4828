//! Crash images booted in QEMU, with the real kernel and its file systems, up to the first line of the system.
//!
//! One guest is brought up to the moment before the initramfs loads the disk's driver, and its memory is saved.
//! Each boot goes on from there with another disk: half a second instead of three.

use super::facts::Facts;
use super::field::{Failure, Field};
use super::image::Coverage;
use super::invariants::{self, Check, hold};
use super::recording::pages;
use super::replay::{Court, Outcome};
use super::sample::Judged;
use super::sim::pages::Pages;
use crate::harness::cpio::Node;
use crate::harness::machine::{LIMIT, SLOTS};
use crate::harness::rootfs::mini;
use crate::harness::{Bed, Drive, Guest, GuestOptions, initramfs};
use anyhow::{Context, Result, anyhow};
use everboot::slot::SlotId;
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
exec /everboot
";
const READY: &str = "READY FOR A DISK";
/// Enough for a small system, and quick to bring back.
const MEMORY: u32 = 160;

/// What a boot ends with: a version's first line, or none of them.
const ENDS: [&str; 5] = ["UP 0", "UP 1", "UP 2", "CANNOT GO ON", "nothing can be booted"];
const VERSIONS: usize = 3;

/// What a boot came to.
#[derive(Debug)]
pub struct Booted {
    /// The version that is up.
    pub version: Option<usize>,
    /// What the console said.
    pub said: String,
    /// The disk then.
    pub disk: Pages,
}

/// A guest's saved memory.
#[derive(Debug)]
pub struct Snapshot {
    folder: PathBuf,
    memory: PathBuf,
    initramfs: PathBuf,
}

impl Snapshot {
    /// Takes it, for disks of this size.
    pub fn take(bed: &'static Bed, folder: &Path, len: usize) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut archive = initramfs::everboot_archive(&bed.kernel, &bed.agent, &[&bed.key.public])?;
        archive.add("everboot", 0o755, Node::File(fs::read(&bed.agent)?));
        archive.add("init", 0o755, Node::File(PAUSING_INIT.into()));
        archive.add("bin/busybox", 0o755, Node::File(fs::read(mini::busybox()?)?));
        let initramfs = folder.join("pausing.img");
        fs::write(&initramfs, archive.to_bytes())?;
        let disk = folder.join("none.img");
        File::create(&disk)?.set_len(len as u64)?;
        let snapshot = Self { folder: folder.into(), memory: folder.join("memory"), initramfs };
        let mut guest = Guest::start(&snapshot.options(bed, "snapshot", &disk))?;
        guest.wait_for(READY, LIMIT)?;
        guest.save_to(&snapshot.memory)?;
        guest.kill()?;
        Ok(snapshot)
    }

    fn options(&self, bed: &Bed, name: &str, disk: &Path) -> GuestOptions {
        let mut options = GuestOptions::new(&self.folder, name, &bed.kernel, &self.initramfs);
        options.memory = MEMORY;
        options.drive(Drive::Raw(disk.into()))
    }

    /// Boots a disk up to the first line of a system, and cuts the power there.
    pub fn boot(&self, bed: &Bed, name: &str, disk: &Pages) -> Result<Booted> {
        let image = self.folder.join(format!("{name}.img"));
        write_sparse(disk, &image)?;
        let mut options = self.options(bed, name, &image);
        options.extra = vec!["-incoming".to_owned(), format!("exec:cat '{}'", self.memory.display())];
        let mut guest = Guest::start(&options)?;
        guest.go_on()?;
        guest.send_line("go")?;
        let (which, _) = guest.wait_for_any(&ENDS, LIMIT)?;
        let said = guest.kill()?;
        let disk = pages(&image)?;
        fs::remove_file(&image)?;
        Ok(Booted { version: Some(which).filter(|version| *version < VERSIONS), said, disk })
    }
}

/// Boots a sample, several guests side by side. How many, and which did not go where they should.
pub fn run(
    bed: &'static Bed,
    snapshot: &Snapshot,
    fields: &[Field<'_>],
    sample: &[Judged],
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
            let field =
                fields.iter().find(|field| field.has(&one.address)).context("an image of no recording")?;
            let image = field.image(&one.address).context("an image of no recording")?;
            let booted = snapshot.boot(bed, &format!("guest{thread}"), &image);
            let booted = booted.with_context(|| format!("boot {}", one.address))?;
            if let Err(violation) = check(one, field.court(), image, booted) {
                let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.extend(field.failure(&one.address, violation));
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
fn check(one: &Judged, court: &Court<'_>, image: Pages, booted: Booted) -> Check {
    let (was, is) = (court.disk(image), court.disk(booted.disk));
    let (expected, slot) = (&one.outcome, SLOTS[one.outcome.slot]);
    invariant_real_boot_agrees(expected, booted.version, &is.facts, &booted.said)?;
    if one.address.coverage == Coverage::AllButLast {
        return invariants::invariant_redundancy_restored(&is.facts);
    }
    invariants::invariant_known_good_untouched(&was, &is, &court.recording.parts, &court.known)?;
    invariants::invariant_eligible_slots_are_whole(&is.facts)?;
    invariants::invariant_attempts_are_counted(SlotId(expected.slot as u8), &was.facts, &is.facts)?;
    invariants::invariant_redundancy_restored(&is.facts)?;
    hold(is.facts.whole[expected.slot] == Some(expected.version), "ends_in_a_stated_slot", || {
        format!("expected version {} in {slot}, found {:?}", expected.version, is.facts.whole)
    })
}

/// The system that came up is the one that the agent chose on the host, from the same bytes.
fn invariant_real_boot_agrees(expected: &Outcome, version: Option<usize>, is: &Facts, said: &str) -> Check {
    let record = is.record.as_ref().map(|(_, record)| record);
    let slot = record.and_then(|record| record.last_boot).map(|boot| boot.slot.index());
    hold(version == Some(expected.version) && slot == Some(expected.slot), "real_boot_agrees", || {
        format!(
            "expected {expected:?}, found version {version:?} in slot {slot:?}; the console said:\n{said}"
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
