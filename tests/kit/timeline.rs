//! Crash images: what a power cut at some moment of a trace may leave.
//!
//! All media of a machine share one line of time, and a barrier on one makes nothing durable on another.
//! The history ring is left out: no decision reads it, which a test shows.

use crate::epoch::{Loss, Open, SECTOR, SectorDamage};
use crate::facts::NEXT;
use crate::seed::Seed;
use crate::sim::pages::{PAGE, Pages};
use crate::sim::power::{Event, FIRST_FILE, MediumId};
use crate::sim::{DurableState, RECORD, SLOT_A, SLOT_B};
use everboot_core::record::{Copy, Record};
use std::collections::BTreeMap;

/// What is durable after some events, and what is still in caches.
#[derive(Debug, Clone)]
pub struct Timeline {
    parts: Vec<Pages>,
    files: BTreeMap<MediumId, Pages>,
    names: BTreeMap<String, MediumId>,
    open: Vec<Event>,
}

impl Timeline {
    /// Nothing has happened yet.
    pub fn start(durable: &DurableState) -> Self {
        let numbered = || durable.files.iter().enumerate();
        Self {
            parts: durable.parts.clone(),
            files: numbered().map(|(at, (_, content))| (FIRST_FILE + at, content.clone())).collect(),
            names: numbered().map(|(at, (name, _))| (name.clone(), FIRST_FILE + at)).collect(),
            open: Vec::new(),
        }
    }

    /// The same, where files have the numbers that a machine gave them.
    pub fn with_files(durable: &DurableState, numbers: &[(String, MediumId)]) -> Self {
        let content = |(name, id): &(String, MediumId)| Some((*id, durable.files.get(name)?.clone()));
        Self {
            parts: durable.parts.clone(),
            files: numbers.iter().filter_map(content).collect(),
            names: numbers.iter().cloned().collect(),
            open: Vec::new(),
        }
    }

    /// After these events.
    pub fn after(durable: &DurableState, events: &[Event]) -> Self {
        let mut timeline = Self::start(durable);
        events.iter().for_each(|event| timeline.push(event));
        timeline
    }

    /// The same, on devices whose last `lies` barriers did nothing.
    pub fn lied(durable: &DurableState, events: &[Event], lies: usize) -> Self {
        let is_barrier = |event: &Event| matches!(event, Event::Sync(_) | Event::SyncDirectory);
        let mut left = lies;
        let mut kept: Vec<&Event> = Vec::new();
        for event in events.iter().rev() {
            if is_barrier(event) && left > 0 {
                left -= 1;
            } else {
                kept.push(event);
            }
        }
        let mut timeline = Self::start(durable);
        kept.into_iter().rev().for_each(|event| timeline.push(event));
        timeline
    }

    /// One more event.
    pub fn push(&mut self, event: &Event) {
        let of = |medium: MediumId| move |open: &Event| matches!(open, Event::Write { medium: on, .. } if *on == medium);
        match event {
            Event::Write { medium: RECORD, at, .. } if !is_copy(&self.parts[RECORD], *at) => {}
            Event::Write { .. } | Event::Link(..) | Event::Unlink(_) | Event::Rename(..) => {
                self.open.push(event.clone());
            }
            Event::Sync(medium) => self.settle(of(*medium)),
            Event::SyncFailed(medium) => {
                let of = of(*medium);
                self.open.retain(|open| !of(open));
            }
            Event::SyncDirectory => self.settle(|open| !matches!(open, Event::Write { .. })),
        }
    }

    /// Makes some open events durable.
    fn settle(&mut self, which: impl Fn(&Event) -> bool) {
        let (done, open) = std::mem::take(&mut self.open).into_iter().partition(which);
        self.open = open;
        for event in &done {
            self.make(event, |_| true);
        }
    }

    /// The medium's bytes; those of a file that was only just created are none.
    fn medium(&mut self, medium: MediumId) -> &mut Pages {
        match medium {
            part if part < self.parts.len() => &mut self.parts[part],
            file => self.files.entry(file).or_insert_with(|| Pages::zeroed(0)),
        }
    }

    /// Carries out an event, or those of its sectors that are kept.
    fn make(&mut self, event: &Event, kept: impl Fn(usize) -> bool) {
        match event {
            Event::Write { medium, at, data } => {
                let medium = self.medium(*medium);
                for run in runs(sectors(data).len(), &kept) {
                    let (from, to) = (run.start * SECTOR, (run.end * SECTOR).min(data.len()));
                    medium.write(at + from, &data[from..to]);
                }
            }
            _ if !kept(0) => {}
            Event::Link(name, file) => drop(self.names.insert(name.clone(), *file)),
            Event::Unlink(name) => drop(self.names.remove(name)),
            Event::Rename(from, to, file) => {
                self.names.remove(from);
                self.names.insert(to.clone(), *file);
            }
            Event::Sync(_) | Event::SyncFailed(_) | Event::SyncDirectory => {}
        }
    }

    /// The open epoch, as the enumerator sees it.
    pub fn open(&self) -> Vec<Open> {
        let describe = |event: &Event| match event {
            Event::Write { medium, at, data } => {
                let before = match medium {
                    part if *part < self.parts.len() => Some(&self.parts[*part]),
                    file => self.files.get(file),
                };
                let differs = |(number, sector): (usize, &[u8])| {
                    let mut there = [0; SECTOR];
                    let there = &mut there[..sector.len()];
                    !before.is_some_and(|before| before.read(at + number * SECTOR, there)) || there != sector
                };
                Open { differs: sectors(data).enumerate().map(differs).collect(), is_name: false }
            }
            _ => Open { differs: vec![true], is_name: true },
        };
        self.open.iter().map(describe).collect()
    }

    /// How many sectors are open.
    pub fn open_sectors(&self) -> usize {
        self.open.iter().map(sectors_of).sum()
    }

    /// The crash image of a loss.
    pub fn image(&self, loss: &Loss, seed: u64) -> DurableState {
        let mut after = Self {
            open: Vec::new(),
            parts: self.parts.clone(),
            files: self.files.clone(),
            names: self.names.clone(),
        };
        let mut first = 0;
        for (number, event) in self.open.iter().enumerate() {
            let damage = after.damage(event, first, loss.damage);
            after.make(event, |sector| loss.kept.get(first + sector) == Some(&true));
            if let (Some((at, bytes)), Event::Write { medium, .. }) = (damage, event) {
                after.medium(*medium).write(at, &filled(bytes, loss.damage, seed));
            }
            if matches!(loss.damage, SectorDamage::Page(write, _) if write == number) {
                after.trash(event, loss.damage, seed);
            }
            first += sectors_of(event);
        }
        after.durable()
    }

    /// Where the damaged sector is, if it is of this event, with the bytes that are there if nothing else is said.
    fn damage(&mut self, event: &Event, first: usize, damage: SectorDamage) -> Option<(usize, Vec<u8>)> {
        let (SectorDamage::Garbage(sector) | SectorDamage::Zero(sector) | SectorDamage::Torn(sector, _)) =
            damage
        else {
            return None;
        };
        let Event::Write { medium, at, data } = event else { return None };
        let sector = sector.checked_sub(first).filter(|sector| *sector < sectors(data).len())?;
        let new = &data[sector * SECTOR..((sector + 1) * SECTOR).min(data.len())];
        let mut bytes = vec![0; new.len()];
        let at = at + sector * SECTOR;
        self.medium(*medium).read(at, &mut bytes);
        if let SectorDamage::Torn(_, count) = damage {
            let count = count.min(new.len());
            bytes[..count].copy_from_slice(&new[..count]);
        }
        Some((at, bytes))
    }

    /// What a reader sees: all that is in caches included.
    pub fn live(&self) -> DurableState {
        self.image(&Loss { kept: vec![true; self.open_sectors()], damage: SectorDamage::None }, 0)
    }

    fn trash(&mut self, event: &Event, damage: SectorDamage, seed: u64) {
        let (Event::Write { medium, at, data }, SectorDamage::Page(_, kib)) = (event, damage) else { return };
        let medium = self.medium(*medium);
        let page = kib * 1024;
        let (from, to) = (at / page * page, (at + data.len()).next_multiple_of(page).min(medium.len()));
        let mut bytes = vec![0; to.saturating_sub(from)];
        Seed::new(seed ^ from as u64).fill(&mut bytes);
        medium.write(from, &bytes);
    }

    /// What is durable.
    pub fn durable(&self) -> DurableState {
        let file = |(name, file): (&String, &MediumId)| {
            (name.clone(), self.files.get(file).cloned().unwrap_or_else(|| Pages::zeroed(0)))
        };
        DurableState { parts: self.parts.clone(), files: self.names.iter().map(file).collect() }
    }
}

fn filled(mut bytes: Vec<u8>, damage: SectorDamage, seed: u64) -> Vec<u8> {
    match damage {
        SectorDamage::Garbage(sector) => Seed::new(seed ^ sector as u64).fill(&mut bytes),
        SectorDamage::Zero(_) => bytes.fill(0),
        SectorDamage::None | SectorDamage::Torn(..) | SectorDamage::Page(..) => {}
    }
    bytes
}

fn sectors(data: &[u8]) -> std::slice::Chunks<'_, u8> {
    data.chunks(SECTOR)
}

fn sectors_of(event: &Event) -> usize {
    if let Event::Write { data, .. } = event { sectors(data).len() } else { 1 }
}

/// Neighbouring numbers below `count` for which `kept` holds.
fn runs(count: usize, kept: &impl Fn(usize) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..count).filter(|at| kept(*at)) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// Whether a byte of the record's partition is of one of the copies, and not of the history.
fn is_copy(record: &Pages, at: usize) -> bool {
    at < PAGE || at >= record.len() - PAGE
}

/// The same without history.
pub fn without_history(durable: &DurableState) -> DurableState {
    let mut next = durable.clone();
    let mut record = Pages::zeroed(durable.parts[RECORD].len());
    let last = record.count() - 1;
    for page in [0, last] {
        if durable.parts[RECORD].page(page) != &[0; PAGE] {
            record.write(page * PAGE, durable.parts[RECORD].page(page));
        }
    }
    next.parts[RECORD] = record;
    next
}

/// The records that were saved, one after the other; a slot that was written stands between them.
pub fn saves(events: &[Event]) -> Vec<Option<Record>> {
    let of = |event: &Event| match event {
        Event::Write { medium: RECORD, data, .. } => {
            match Copy::decode_with(data[..].try_into().ok()?, &NEXT) {
                Copy::Valid { record, .. } => Some(Some(*record)),
                Copy::Newer { .. } | Copy::Bad(_) => None,
            }
        }
        Event::Write { medium: SLOT_A | SLOT_B, .. } => Some(None),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// The hash of all bytes.
pub fn hash(durable: &DurableState) -> u64 {
    use crate::sim::pages::{hash_of, mix};
    let parts = durable.parts.iter().fold(0, |hash, part| mix(hash, part.hash()));
    durable
        .files
        .iter()
        .fold(parts, |hash, (name, file)| mix(mix(hash, hash_of(name.as_bytes())), file.hash()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::losses;

    fn durable() -> DurableState {
        let old = || Pages::of(&[1; 8192]);
        DurableState { parts: vec![Pages::zeroed(1 << 20), old(), old()], files: BTreeMap::new() }
    }

    fn write(medium: MediumId, at: usize, len: usize) -> Event {
        Event::Write { medium, at, data: vec![2; len].into() }
    }

    #[test]
    fn a_barrier_on_one_medium_makes_nothing_durable_on_another() {
        let events = [write(1, 0, 512), write(2, 0, 512), Event::Sync(2)];
        let timeline = Timeline::after(&durable(), &events);
        assert_eq!(timeline.open_sectors(), 1);
        assert_eq!(timeline.durable().parts[1].page(0)[0], 1);
        assert_eq!(timeline.durable().parts[2].page(0)[0], 2);
        let lied = Timeline::lied(&durable(), &events, 1);
        assert_eq!((lied.open_sectors(), lied.durable().parts[2].page(0)[0]), (2, 1));
    }

    #[test]
    fn a_failed_barrier_loses_what_it_should_have_covered_even_when_a_later_one_succeeds() {
        let events = [write(1, 0, 512), Event::SyncFailed(1), write(1, 512, 512), Event::Sync(1)];
        let page = *Timeline::after(&durable(), &events).durable().parts[1].page(0);
        assert_eq!((page[0], page[512]), (1, 2));
    }

    #[test]
    fn each_sector_is_old_new_garbage_zero_or_torn() {
        let timeline = Timeline::after(&durable(), &[write(1, 512, 1024)]);
        let found = losses(&timeline.open(), 0, &mut Seed::new(1));
        let mut seen = std::collections::BTreeSet::new();
        for loss in &found.all {
            let page = *timeline.image(loss, 7).parts[1].page(0);
            assert_eq!((page[0], page[1536]), (1, 1), "{loss}");
            seen.insert((page[512..1024].to_vec(), page[1024..1536].to_vec()));
        }
        assert_eq!((found.all.len(), seen.len()), (4 + 12, 4 + 12));
    }

    #[test]
    fn a_name_is_there_or_not_and_history_leaves_no_trace() {
        let events = [Event::Link("x".into(), 100), write(100, 0, 10), write(RECORD, 1 << 19, 4096)];
        let timeline = Timeline::after(&durable(), &events);
        let found = losses(&timeline.open(), 0, &mut Seed::new(1));
        let lens: Vec<_> = found
            .all
            .iter()
            .map(|loss| timeline.image(loss, 7).files.get("x").map(|file| file.len()))
            .collect();
        assert!(lens.contains(&None) && lens.contains(&Some(0)) && lens.contains(&Some(10)));
        assert!(found.all.iter().all(|loss| timeline.image(loss, 7).parts[0].page(128)[0] == 0));
    }
}
