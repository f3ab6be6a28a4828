//! All images of a recording, and their pictures.

use super::address::{Address, COVERAGES};
use super::counts::Counts;
use super::image::{Coverage, Epoch, epochs};
use super::invariants::Disk;
use super::partitions::{Area, Partitions};
use super::recording::Recording;
use super::replay::{Case, Outcome, RecordingContext};
use super::sample::Checked;
use anyhow::{Result, ensure};
use everboot_kit::epoch::{Loss, SECTOR, SectorDamage};
use everboot_kit::seed::Seed;
use everboot_kit::sim::pages::Pages;
use everboot_kit::violation::Violation;

/// Samples of an epoch with too many subsets.
const SAMPLES: usize = 32;
/// Images of each epoch when the last write before its begin may not have been covered.
const UNSURE: usize = 16;
/// Sectors of a write that a picture shows.
const SHOWN: usize = 96;

/// An epoch with all the ways in which it may end.
#[derive(Debug)]
pub struct EpochLosses {
    /// How far the flush before it is believed.
    pub coverage: Coverage,
    /// The writes between two flushes.
    pub epoch: Epoch,
    /// Each way in which the epoch may end.
    pub losses: Vec<Loss>,
    /// The order in which they come.
    pub order: Vec<usize>,
    durable: Disk,
    live: Disk,
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub struct Failure {
    /// On which image.
    pub address: Address,
    /// Which promise.
    pub violation: Violation,
    /// How many sectors are not as they were written.
    pub lost: usize,
    /// The moment, and what the disk lost.
    pub picture: String,
}

/// All images of one recording.
#[derive(Debug)]
pub struct CrashImages<'a> {
    context: RecordingContext<'a>,
    /// Its epochs; those whose flushes are believed come first.
    pub places: Vec<EpochLosses>,
    /// What all chance comes from.
    pub seed: u64,
}

impl<'a> CrashImages<'a> {
    /// Enumerates.
    pub fn new(recording: &'a Recording, seed: u64) -> Result<Self> {
        let context = RecordingContext::new(recording)?;
        let mut places = Vec::new();
        for (coverage, _) in COVERAGES {
            for epoch in epochs(recording, coverage) {
                let losses = epoch.losses(SAMPLES, seed)?;
                let order = order(losses.len(), seed ^ places.len() as u64, coverage);
                let (durable, live) = (context.disk(epoch.base.clone()), context.disk(epoch.whole()));
                places.push(EpochLosses { coverage, epoch, losses, order, durable, live });
            }
        }
        ensure!(!places.is_empty(), "{}: expected writes to lose, found none", recording.name);
        Ok(Self { context, places, seed })
    }

    /// What this says of the recording.
    pub fn count(&self, counts: &mut Counts) {
        let sure = || self.places.iter().filter(|place| place.coverage == Coverage::All);
        counts.epochs += sure().count() as u64;
        counts.enumerated += sure().map(|place| place.losses.len() as u64).sum::<u64>();
        counts.coarse += sure().filter(|place| place.epoch.piece > SECTOR).count() as u64;
        counts.exhaustive += sure().filter(|place| place.epoch.is_exhaustive()).count() as u64;
    }

    /// The address of a way in a place.
    pub fn address(&self, place: &EpochLosses, way: usize) -> Address {
        let recording = self.context.recording.name.to_owned();
        Address { recording, coverage: place.coverage, epoch: place.epoch.number, way, seed: self.seed }
    }

    /// The place and the way of an address.
    pub fn find(&self, address: &Address) -> Option<(&EpochLosses, usize)> {
        let is =
            |place: &&EpochLosses| place.coverage == address.coverage && place.epoch.number == address.epoch;
        let place = self.places.iter().find(is)?;
        (address.way < place.losses.len()).then_some((place, address.way))
    }

    /// The image of an address.
    pub fn image(&self, address: &Address) -> Option<Pages> {
        let (place, way) = self.find(address)?;
        Some(place.epoch.image(&place.losses[way], self.seed))
    }

    /// An image that passed.
    pub fn checked(&self, address: Address, place: &EpochLosses, outcome: Outcome) -> Checked {
        let parts = &self.context.recording.parts;
        let moment = (place.epoch.phase.clone(), place.epoch.kind(parts));
        let saves = place.epoch.areas(parts).contains(&Area::Record);
        Checked { address, moment, saves, outcome }
    }

    /// Whether it has the image of an address.
    pub fn has(&self, address: &Address) -> bool {
        self.context.recording.name == address.recording
    }

    /// What its images are held against.
    pub fn context(&self) -> &RecordingContext<'a> {
        &self.context
    }

    /// A failure at an address.
    pub fn failure(&self, address: &Address, violation: Violation) -> Option<Failure> {
        let (place, way) = self.find(address)?;
        let loss = &place.losses[way];
        let picture = place.picture(loss, &self.context.recording.parts);
        Some(Failure { address: address.clone(), violation, lost: place.lost(loss), picture })
    }
}

/// The first one first, then all in an order that chance gives.
fn order(count: usize, seed: u64, coverage: Coverage) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut seed = Seed::new(seed);
    for at in (2..count).rev() {
        order.swap(at, 1 + (seed.next() % at as u64) as usize);
    }
    if coverage == Coverage::AllButLast {
        order.truncate(UNSURE);
    }
    order
}

impl EpochLosses {
    /// A disk that this place may leave.
    pub fn case(&self, loss: &Loss, image: Pages) -> Case<'_> {
        let is_sound = matches!(loss.damage, SectorDamage::None) && self.coverage == Coverage::All;
        let is_believed = self.coverage == Coverage::All;
        Case { durable: &self.durable, live: &self.live, image, is_sound, is_believed }
    }

    /// How many sectors are not as they were written.
    fn lost(&self, loss: &Loss) -> usize {
        loss.kept.iter().filter(|kept| !**kept).count() + usize::from(loss.damage != SectorDamage::None)
    }

    /// For people.
    pub fn picture(&self, loss: &Loss, parts: &Partitions) -> String {
        let mut text = format!(
            "power fails in `{}`, epoch {} ({}), before entry {} of the log\n",
            self.epoch.phase,
            self.epoch.number,
            self.epoch.kind(parts),
            self.epoch.end
        );
        let mut first = 0;
        for write in &self.epoch.open {
            let count = write.data.len().div_ceil(self.epoch.piece);
            let sign = |sector: usize| match loss.damage {
                SectorDamage::Garbage(damage) if damage == sector => 'g',
                SectorDamage::Zero(damage) if damage == sector => '0',
                SectorDamage::Torn(damage, _) if damage == sector => 't',
                _ if loss.kept.get(sector) == Some(&true) => '#',
                _ => '.',
            };
            let signs: String = (first..first + count.min(SHOWN)).map(sign).collect();
            text.push_str(&format!(
                "{:>10} {:<22} {signs}\n",
                write.at,
                parts.name(parts.area(write.at as u64))
            ));
            first += count;
        }
        text + &format!(
            "           (# new, . old, g garbage, 0 zero, t torn; one sign for {} bytes)\n",
            self.epoch.piece
        )
    }
}
