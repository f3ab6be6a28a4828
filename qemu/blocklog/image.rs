//! Crash images: what a power cut may have left of a disk whose writes were logged.
//!
//! Writes between two flushes have no order: the log has them as they were completed, and a cache brings them to
//! the medium as it likes. A flush covers the whole disk.

use super::log::Entry;
use super::partitions::{Area, Partitions};
use super::recording::Recording;
use anyhow::{Result, ensure};
use everboot_kit::epoch::{EXHAUSTIVE, Loss, Open, SECTOR, SectorDamage, expected, losses};
use everboot_kit::seed::Seed;
use everboot_kit::sim::pages::Pages;
use std::collections::BTreeSet;

/// How far a flush is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coverage {
    /// What was completed before it is durable.
    All,
    /// The log knows when a write was completed, and not when a flush was begun: the last write before a flush
    /// may have come after its begin, and is not covered.
    AllButLast,
}

/// A write that no flush covered.
#[derive(Debug, Clone)]
pub struct Pending {
    /// From this byte on.
    pub at: usize,
    /// The bytes; of a discard, zeroes.
    pub data: Vec<u8>,
}

/// What is between two flushes.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// Its number in the recording.
    pub number: usize,
    /// What was going on.
    pub phase: String,
    /// The number of the entry that ends it.
    pub end: usize,
    /// What is durable.
    pub base: Pages,
    /// What is not, in the order of the log.
    pub open: Vec<Pending>,
    /// Bytes that are lost or kept together: a sector, or more of them where there are very many.
    pub piece: usize,
}

/// Pieces of an epoch, beside what is left over at the end of each write: the ways in which they get lost are three
/// times as many.
const PIECES: usize = 2048;

/// The epochs of a recording that have a write.
pub fn epochs(recording: &Recording, coverage: Coverage) -> Vec<Epoch> {
    let mut found = Vec::new();
    let (mut base, mut open) = (recording.before.clone(), Vec::<Pending>::new());
    for (at, entry) in recording.entries.iter().enumerate() {
        if recording.switched_off.contains(&at) {
            close(&mut base, &mut open, 0);
        }
        match entry {
            Entry::Write { at, data, durable: true } => base.write(*at as usize, data),
            Entry::Write { at, data, .. } => open.push(Pending { at: *at as usize, data: data.clone() }),
            Entry::Discard { at, len } => {
                open.push(Pending { at: *at as usize, data: vec![0; *len as usize] });
            }
            Entry::Flush => {
                add(&mut found, recording, at, &base, &open);
                close(&mut base, &mut open, usize::from(coverage == Coverage::AllButLast));
            }
        }
    }
    add(&mut found, recording, recording.entries.len(), &base, &open);
    found
}

fn add(found: &mut Vec<Epoch>, recording: &Recording, end: usize, base: &Pages, open: &[Pending]) {
    if !open.is_empty() {
        let phase = recording.phases.iter().find(|phase| end < phase.end).or(recording.phases.last());
        let phase = phase.map_or(String::new(), |phase| phase.name.clone());
        let piece = piece(open.iter().map(|write| write.data.len()).sum());
        found.push(Epoch { number: found.len(), phase, end, base: base.clone(), open: open.to_vec(), piece });
    }
}

/// The size of the pieces of so many bytes.
fn piece(bytes: usize) -> usize {
    bytes.div_ceil(PIECES).next_power_of_two().max(SECTOR)
}

/// Makes all but the last `kept` writes durable.
fn close(base: &mut Pages, open: &mut Vec<Pending>, kept: usize) {
    let covered = open.len().saturating_sub(kept);
    for write in open.drain(..covered) {
        base.write(write.at, &write.data);
    }
}

impl Epoch {
    /// What the enumerator sees of it.
    pub fn open(&self) -> Vec<Open> {
        let describe = |write: &Pending| {
            let pieces = write.data.chunks(self.piece).enumerate();
            let differs = pieces.map(|(number, piece)| {
                let mut there = vec![0; piece.len()];
                !self.base.read(write.at + number * self.piece, &mut there) || there != piece
            });
            Open { differs: differs.collect(), is_name: false }
        };
        self.open.iter().map(describe).collect()
    }

    /// All ways in which a power cut in it may end. The enumerator must not have skipped one.
    pub fn losses(&self, samples: usize, seed: u64) -> Result<Vec<Loss>> {
        let open = self.open();
        let found = losses(&open, samples, &mut Seed::new(seed ^ self.number as u64));
        let wanted = expected(&open, samples);
        ensure!(
            found.all.len() == wanted,
            "epoch {}: expected {wanted} losses, the enumerator gave {}",
            self.number,
            found.all.len()
        );
        Ok(found.all)
    }

    /// Whether all subsets of its pieces are among the losses.
    pub fn is_exhaustive(&self) -> bool {
        let changing =
            self.open().iter().flat_map(|write| write.differs.clone()).filter(|differs| *differs).count();
        changing <= EXHAUSTIVE
    }

    /// Where it writes.
    pub fn areas(&self, parts: &Partitions) -> BTreeSet<Area> {
        self.open.iter().map(|write| parts.area(write.at as u64)).collect()
    }

    /// The same for people: `slot-a`, `data`, `record and data`.
    pub fn kind(&self, parts: &Partitions) -> String {
        let names: Vec<String> = self.areas(parts).into_iter().map(|area| parts.name(area)).collect();
        names.join(" and ")
    }

    /// The disk after that loss.
    pub fn image(&self, loss: &Loss, seed: u64) -> Pages {
        let mut disk = self.base.clone();
        let mut first = 0;
        for write in &self.open {
            for (number, piece) in write.data.chunks(self.piece).enumerate() {
                let at = write.at + number * self.piece;
                match loss.damage {
                    SectorDamage::Garbage(damage) if damage == first + number => {
                        let mut bytes = vec![0; piece.len()];
                        Seed::new(seed ^ damage as u64).fill(&mut bytes);
                        disk.write(at, &bytes);
                    }
                    SectorDamage::Zero(damage) if damage == first + number => {
                        disk.write(at, &vec![0; piece.len()])
                    }
                    SectorDamage::Torn(damage, count) if damage == first + number => {
                        disk.write(at, &piece[..count.min(piece.len())]);
                    }
                    _ if loss.kept.get(first + number) == Some(&true) => disk.write(at, piece),
                    _ => {}
                }
            }
            first += write.data.len().div_ceil(self.piece);
        }
        disk
    }

    /// The disk when all of it has become durable.
    pub fn whole(&self) -> Pages {
        let mut disk = self.base.clone();
        self.open.iter().for_each(|write| disk.write(write.at, &write.data));
        disk
    }
}
