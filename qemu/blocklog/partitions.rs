//! Where the partitions of a machine are on its disk.

use anyhow::{Context, Result, bail, ensure};
use everboot_agent::machine::{Machine, Survey};
use everboot_agent::sys::DiskFileMachine;
use everboot_core::config::{Config, Locator};
use everboot_storage::apply::TRAILER_LEN;
use everboot_testbed::disk::Extent;
use std::path::Path;

const PAGE: u64 = 4096;

/// What a part of a disk is for; what matters most for a boot comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// A copy of the record.
    Record,
    /// What is between the copies.
    History,
    /// Image and tree of a slot.
    Slot(usize),
    /// The end of a slot.
    Trailer(usize),
    /// The data partition.
    Data,
    /// The partition table, and partitions that everboot does not know.
    Table,
}

/// What everboot has of a disk.
#[derive(Debug, Clone)]
pub struct Partitions {
    /// The record's.
    pub record: Extent,
    /// The slots'.
    pub slots: [Extent; 2],
    /// How they are called.
    pub names: [String; 2],
    /// The data partition.
    pub data: Extent,
}

impl Partitions {
    /// Finds what the configuration names on a disk in a file.
    pub fn of(disk: &Path, config: &Config) -> Result<Self> {
        let survey = DiskFileMachine::look(disk, None).survey()?;
        let [first, other] = &config.slots[..] else {
            bail!("expected a configuration of two slots, found {}", config.slots.len())
        };
        let find = |locator| find(&survey, locator).with_context(|| disk.display().to_string());
        Ok(Self {
            record: find(&config.record)?,
            slots: [find(&first.parts[0].1)?, find(&other.parts[0].1)?],
            names: [first.name.to_string(), other.name.to_string()],
            data: find(&config.staging)?,
        })
    }

    /// What a byte of the disk belongs to.
    pub fn area(&self, at: u64) -> Area {
        let within = |part: Extent| at.checked_sub(part.start).filter(|inside| *inside < part.length);
        if let Some(at) = within(self.record) {
            let is_copy = at < PAGE || at >= self.record.length - PAGE;
            return if is_copy { Area::Record } else { Area::History };
        }
        for (number, slot) in self.slots.into_iter().enumerate() {
            if let Some(at) = within(slot) {
                let is_trailer = at >= slot.length - TRAILER_LEN;
                return if is_trailer { Area::Trailer(number) } else { Area::Slot(number) };
            }
        }
        if within(self.data).is_some() { Area::Data } else { Area::Table }
    }

    /// How people call an area.
    pub fn name(&self, area: Area) -> String {
        match area {
            Area::Record => "record".to_owned(),
            Area::History => "history".to_owned(),
            Area::Slot(number) => self.names[number].clone(),
            Area::Trailer(number) => format!("{}'s trailer", self.names[number]),
            Area::Data => "data".to_owned(),
            Area::Table => "table".to_owned(),
        }
    }

    /// The position of a slot by its name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }
}

fn find(survey: &Survey, locator: &Locator) -> Result<Extent> {
    let (found, what) = match locator {
        Locator::PartLabel(label) => (survey.find(|part| part.label == *label), format!("PARTLABEL={label}")),
        Locator::PartUuid(guid) => (survey.find(|part| part.guid == *guid), format!("PARTUUID={guid}")),
    };
    let [at] = found[..] else { bail!("expected one partition {what}, found {}", found.len()) };
    let part = survey.partition(at);
    let is_aligned = part.start.is_multiple_of(PAGE) && part.len.is_multiple_of(PAGE);
    ensure!(is_aligned, "expected partition {what} at a multiple of 4096 bytes, found it at {}", part.start);
    Ok(Extent { start: part.start, length: part.len })
}
