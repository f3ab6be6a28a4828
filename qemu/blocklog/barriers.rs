//! Whether every barrier of the agent reached the disk.
//!
//! The same flows run over the same start disk in memory, on media that write down what reaches them. Between two
//! writes that a medium separated by a barrier there must be a flush in the log of the real disk, and the sectors
//! must be the same. A sync that gets lost between the agent and the device shows here and nowhere else.

use super::log::Entry;
use super::partitions::Partitions;
use super::recording::Recording;
use super::staging::{Staged, StagingCache};
use anyhow::{Context, Result, bail, ensure};
use everboot_agent::flow::{self, Destination, Site};
use everboot_agent::machine::{Machine, Partition};
use everboot_agent::sys::DiskFileMachine;
use everboot_core::config::Config;
use everboot_core::record::Formats;
use everboot_kit::epoch::SECTOR;
use everboot_kit::owned::boot;
use everboot_kit::sim::pages::Pages;
use everboot_kit::sim::power::{Event, Power};
use everboot_kit::sim::{DurableState, SimDisk, SimMachine, SimOperator};
use everboot_storage::bundle::Keys;
use everboot_testbed::disk::Extent;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Record and slots are the first media of a machine in memory. The staging area is a file system on the real disk.
const MEDIA: usize = 3;

/// What agreed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Sectors that were written, of the record and of the slots.
    pub sectors: u64,
    /// Barriers that reached the media.
    pub barriers: u64,
    /// Flushes of the real disk without which a barrier would be missing.
    pub needed: u64,
}

/// Compares a recording with what reached the media.
pub fn compare(recording: &Recording, folder: &Path, config: &Config, keys: &Keys) -> Result<Agreement> {
    let in_memory = in_memory(recording, folder, config, keys)?;
    let mut agreement = check(&in_memory, &recording.entries, &recording.parts)
        .with_context(|| format!("{}: the disk did not get what reached the media", recording.name))?;
    // What takes the place of a flush means nothing.
    let (mut entries, nothing) = (recording.entries.clone(), Entry::Discard { at: 0, len: 0 });
    for at in 0..entries.len() {
        if entries[at] == Entry::Flush {
            entries[at] = nothing.clone();
            agreement.needed += u64::from(check(&in_memory, &entries, &recording.parts).is_err());
            entries[at] = Entry::Flush;
        }
    }
    ensure!(agreement.needed > 0, "{}: no flush is missed when it is taken away", recording.name);
    Ok(agreement)
}

/// Runs the recording's flows in memory.
fn in_memory(recording: &Recording, folder: &Path, config: &Config, keys: &Keys) -> Result<Vec<Event>> {
    let disk = folder.join("memory.img");
    fs::create_dir_all(folder)?;
    fs::write(&disk, recording.before.to_vec())?;
    let mut survey = DiskFileMachine::look(&disk, None).survey()?;
    let part = |at: Extent| {
        let mut bytes = vec![0; at.length as usize];
        recording.before.read(at.start as usize, &mut bytes);
        Pages::of(&bytes)
    };
    let Partitions { record, slots: [first, other], data, .. } = recording.parts;
    for disk in &mut survey.disks {
        let place =
            |part: &Partition| [record, first, other, data].iter().position(|at| at.start == part.start);
        disk.parts.retain(|part| place(part).is_some());
        disk.parts.sort_by_key(place);
    }
    let mut files = BTreeMap::new();
    let mut cache = StagingCache::new(folder.join("memory"));
    if let Staged::Files(from, _) = cache.staged(&recording.before, data)? {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, Pages::of(&fs::read(entry.path())?));
        }
    }
    let parts = [record, first, other, data].map(part).to_vec();
    let mut machine = SimMachine::of(survey, &DurableState { parts, files });
    machine.enters_any_root = true;
    let bundle = SimDisk::of(Pages::of(&fs::read(&recording.bundle)?), &Power::default(), 0);
    for phase in &recording.phases {
        let site = Site { machine: &mut machine, config, keys, formats: Formats::CURRENT };
        act(&phase.name, site, &bundle).with_context(|| format!("{} in memory", phase.name))?;
    }
    Ok(machine.power.take_events())
}

/// What was done in a phase.
fn act(phase: &str, site: Site<'_, SimMachine>, bundle: &SimDisk) -> Result<()> {
    match phase {
        "apply" | "boot" | "trial" => {
            let outcome = boot(site, &mut SimOperator::default(), None);
            ensure!(matches!(outcome.destination, Destination::Root(..)), "{:?}", outcome.notes);
        }
        "confirm" | "confirm-old" => drop(flow::confirm(site)?),
        "stage" => drop(flow::stage(site, Some(bundle.clone()), flow::Overrides::default())?),
        "prepare" => drop(flow::prepare(site)?),
        "activate" => drop(flow::activate(site)?),
        "mount" | "poweroff" => {}
        other => bail!("expected a phase that is known, found {other}"),
    }
    Ok(())
}

/// What reached a medium between two barriers.
#[derive(Debug, Default)]
struct MediumEpoch<'a> {
    medium: usize,
    sectors: BTreeMap<usize, &'a [u8]>,
    /// The numbers of its first write and of the barrier behind it.
    begun: usize,
    closed: Option<usize>,
    /// The numbers of the entries in which the disk saw it.
    seen: Option<(usize, usize)>,
}

/// Whether the disk got the sectors that reached the media, and a flush for every barrier.
pub fn check(in_memory: &[Event], entries: &[Entry], parts: &Partitions) -> Result<Agreement> {
    let mut epochs = epochs(in_memory);
    let mut agreement = Agreement::default();
    for medium in 0..MEDIA {
        let mut writes = writes(entries, part(parts, medium)).into_iter().peekable();
        for epoch in epochs.iter_mut().filter(|epoch| epoch.medium == medium) {
            agreement.sectors += epoch.sectors.len() as u64;
            see(epoch, &mut writes)?;
        }
        if let Some((entry, sectors)) = writes.next() {
            let first = sectors.first().map_or(0, |(sector, _)| *sector);
            bail!("entry {entry} writes sector {first} of medium {medium}, which no flow wrote");
        }
    }
    for epoch in &epochs {
        agreement.barriers += u64::from(epoch.closed.is_some());
        flushed(epoch, &epochs, entries)?;
    }
    Ok(agreement)
}

fn part(parts: &Partitions, medium: usize) -> Extent {
    [parts.record, parts.slots[0], parts.slots[1]][medium]
}

/// Those with a write.
fn epochs(in_memory: &[Event]) -> Vec<MediumEpoch<'_>> {
    let mut epochs: Vec<MediumEpoch<'_>> = Vec::new();
    for (number, event) in in_memory.iter().enumerate() {
        let open = |epochs: &mut Vec<MediumEpoch<'_>>, on: usize| {
            epochs.iter().position(|epoch| epoch.medium == on && epoch.closed.is_none())
        };
        match event {
            Event::Write { medium, at, data } if *medium < MEDIA => {
                let at_epoch = open(&mut epochs, *medium).unwrap_or_else(|| {
                    epochs.push(MediumEpoch { medium: *medium, begun: number, ..MediumEpoch::default() });
                    epochs.len() - 1
                });
                let sectors = data.chunks(SECTOR).enumerate();
                epochs[at_epoch].sectors.extend(sectors.map(|(index, bytes)| (at / SECTOR + index, bytes)));
            }
            Event::Sync(medium) if *medium < MEDIA => {
                if let Some(at) = open(&mut epochs, *medium) {
                    epochs[at].closed = Some(number);
                }
            }
            _ => {}
        }
    }
    epochs
}

type Seen<'a> = (usize, Vec<(usize, &'a [u8])>);

/// The disk's writes to a partition: the number of the entry, and the sectors, counted from the partition's start.
fn writes(entries: &[Entry], at: Extent) -> Vec<Seen<'_>> {
    let mut found = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Write { at: place, data, .. } if (at.start..at.start + at.length).contains(place) => {
                let first = (place - at.start) as usize / SECTOR;
                let sectors = data.chunks(SECTOR).enumerate().map(|(index, bytes)| (first + index, bytes));
                found.push((number, sectors.collect()));
            }
            _ => {}
        }
    }
    found
}

/// Takes as many of the disk's writes as make up what the flow wrote.
fn see<'a>(epoch: &mut MediumEpoch<'_>, writes: &mut impl Iterator<Item = Seen<'a>>) -> Result<()> {
    let mut left: BTreeSet<usize> = epoch.sectors.keys().copied().collect();
    while let Some(sector) = left.first() {
        let next = writes.next();
        let (entry, sectors) = next.with_context(|| {
            format!(
                "medium {}: sector {sector} was written by the flow, and never reached the disk",
                epoch.medium
            )
        })?;
        for (sector, bytes) in sectors {
            let in_memory = epoch.sectors.get(&sector);
            let in_memory = in_memory.with_context(|| {
                format!(
                    "entry {entry} writes sector {sector} of medium {}, which the flow did not write then",
                    epoch.medium
                )
            })?;
            ensure!(
                epoch.medium == 0 || *in_memory == bytes,
                "entry {entry} writes other bytes to sector {sector} of medium {} than the flow did",
                epoch.medium
            );
            left.remove(&sector);
        }
        let first = epoch.seen.map_or(entry, |(first, _)| first);
        epoch.seen = Some((first, entry));
    }
    Ok(())
}

/// Whether a flush came after the last write of a closed epoch, and before all that was written after its barrier.
fn flushed(epoch: &MediumEpoch<'_>, epochs: &[MediumEpoch<'_>], entries: &[Entry]) -> Result<()> {
    let (Some(closed), Some((_, last))) = (epoch.closed, epoch.seen) else { return Ok(()) };
    let later = epochs.iter().filter(|later| later.begun > closed).filter_map(|later| later.seen);
    let next = later.map(|(first, _)| first).min().unwrap_or(entries.len());
    let has_flush = entries.get(last..next).is_some_and(|between| between.contains(&Entry::Flush));
    ensure!(
        has_flush,
        "medium {}: no flush between entries {last} and {next}, where the flow had a barrier",
        epoch.medium
    );
    Ok(())
}
