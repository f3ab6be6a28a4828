//! One look at the machine: where the record and the slots are, and what the record says.

use super::{Error, Site};
use crate::apply;
use crate::bundle::{Keys, Signed};
use crate::config::Locator;
use crate::lifecycle::{Found, rebuild};
use crate::machine::{Access, Machine, Part, PartRef, Survey};
use crate::manifest::Manifest;
use crate::medium::Medium;
use crate::record::history::Kind;
use crate::record::{Record, Selection};
use crate::slot::{Digest, Image, SlotId, SlotName, Uuid};
use crate::store::{self, History, Loaded, SaveError};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What stands between the record and its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No partition for it.
    NoPartition,
    /// Several disks have one, and nothing tells which is meant.
    Ambiguous(Vec<String>),
    /// The partition cannot be opened for writing.
    ReadOnly(String),
    /// Both copies are bad. What the slots say of themselves serves instead.
    Lost(String),
    /// A copy cannot be read at the moment, so that nothing may be concluded from the other one.
    Unreadable(String),
    /// The record belongs to another disk.
    OtherDisk(Uuid),
    /// A newer everboot wrote it.
    Newer(u16),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartition => f.write_str("no partition for it"),
            Self::Ambiguous(disks) => write!(
                f,
                "expected it on one disk, found it on {}; remove one, or name it by PARTUUID",
                disks.join(" and ")
            ),
            Self::ReadOnly(why) => write!(f, "cannot be opened for writing: {why}"),
            Self::Lost(why) => write!(f, "both copies are bad ({why}); run `everboot record repair`"),
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::OtherDisk(disk) => {
                write!(f, "belongs to the disk {disk}; run `everboot record repair`")
            }
            Self::Newer(version) => {
                write!(f, "expected format version 1, found {version}: a newer everboot wrote it")
            }
        }
    }
}

/// What a look found. There is always a record to decide by, if only one made from the slots.
#[derive(Debug)]
pub struct View<D> {
    /// All disks.
    pub survey: Survey,
    /// The record as stored, or as the slots imply it.
    pub record: Record,
    /// The copies.
    pub loaded: Loaded,
    /// The record's partition.
    pub medium: Option<D>,
    /// The partition of each slot of the record, if it is there.
    pub parts: Vec<Option<PartRef>>,
    /// The partition of the staging area.
    pub staging: Option<PartRef>,
    /// What is wrong with the record.
    pub trouble: Option<Trouble>,
    /// Whether the record may be saved.
    pub can_persist: bool,
}

pub(super) fn matches(locator: &Locator, part: &Part) -> bool {
    match locator {
        Locator::PartLabel(label) => part.label == *label,
        Locator::PartUuid(guid) => part.guid == *guid,
    }
}

impl<M: Machine> Site<'_, M> {
    /// Looks at the machine. Never fails: what is not there is trouble to be reported.
    pub fn look(&mut self) -> View<M::Disk> {
        let survey = self.machine.survey().unwrap_or_else(|error| {
            log::warn!("disks: {error}");
            Survey::default()
        });
        let candidates = survey.find(|part| matches(&self.config.record, part));
        let chosen = self.choose_record(&candidates);
        let mut trouble = chosen.is_none().then_some(Trouble::NoPartition);
        let (mut medium, mut loaded) = (None, Loaded::default());
        if let Some(at) = chosen {
            match self.open_record(at) {
                Ok((opened, why)) => {
                    loaded = store::load(&opened);
                    medium = Some(opened);
                    trouble = why;
                }
                Err(why) => trouble = Some(Trouble::Unreadable(why)),
            }
        }
        if candidates.len() > 1 {
            let names = candidates.iter().map(|at| survey.disks[at.disk].name.clone());
            trouble = Some(Trouble::Ambiguous(names.collect()));
        }
        let disk = chosen.map(|at| at.disk);
        let trouble = trouble.or_else(|| medium.as_ref().and_then(|_| judge(&loaded, &survey, disk)));
        self.interpret(survey, disk, medium, loaded, trouble)
    }

    /// The first partition that holds a record that can be read, else the first.
    fn choose_record(&mut self, candidates: &[PartRef]) -> Option<PartRef> {
        let readable = |at: &&PartRef| {
            let opened = self.machine.open(**at, Access::Read);
            opened.is_ok_and(|medium| matches!(store::load(&medium).selection, Selection::Current { .. }))
        };
        match candidates {
            [] => None,
            [only] => Some(*only),
            several => several.iter().find(readable).or(several.first()).copied(),
        }
    }

    fn open_record(&mut self, at: PartRef) -> Result<(M::Disk, Option<Trouble>), String> {
        match self.machine.open(at, Access::Shared) {
            Ok(medium) => Ok((medium, None)),
            Err(error) => {
                let medium = self.machine.open(at, Access::Read).map_err(|error| error.to_string())?;
                Ok((medium, Some(Trouble::ReadOnly(error.to_string()))))
            }
        }
    }

    /// Settles which record is decided by, and where its slots are.
    fn interpret(
        &mut self,
        survey: Survey,
        disk: Option<usize>,
        medium: Option<M::Disk>,
        loaded: Loaded,
        trouble: Option<Trouble>,
    ) -> View<M::Disk> {
        let stored = match &loaded.selection {
            Selection::Current { record, .. } | Selection::Newer { readable: Some(record), .. } => {
                Some(Record::clone(record))
            }
            Selection::Newer { readable: None, .. } | Selection::Lost => None,
        };
        let stored = stored.filter(|_| !matches!(trouble, Some(Trouble::OtherDisk(_))));
        let on_disk = |at: &PartRef| disk.is_none_or(|disk| at.disk == disk);
        let staging = survey.find(|part| matches(&self.config.staging, part)).into_iter().find(on_disk);
        let (record, parts) = match stored {
            Some(record) => {
                let find = |guid| survey.find(|part| part.guid == guid).into_iter().find(on_disk);
                let parts = record.slots.iter().map(|slot| find(slot.part)).collect();
                (record, parts)
            }
            None => self.imply_record(&survey, disk),
        };
        let whole = parts.iter().all(|part: &Option<PartRef>| part.is_some());
        let can_persist = medium.is_some()
            && match trouble {
                None => true,
                // A record made from the slots is kept only when none of them was missing.
                Some(Trouble::Lost(_) | Trouble::OtherDisk(_)) => whole,
                Some(_) => false,
            };
        View { survey, record, loaded, medium, parts, staging, trouble, can_persist }
    }

    /// The record that the configured slots imply.
    pub(super) fn imply_record(
        &mut self,
        survey: &Survey,
        disk: Option<usize>,
    ) -> (Record, Vec<Option<PartRef>>) {
        let on_disk = |at: &PartRef| disk.is_none_or(|disk| at.disk == disk);
        let mut parts: Vec<Option<PartRef>> = Vec::new();
        let mut found = Vec::new();
        for (index, (name, locator)) in self.config.slots.iter().enumerate() {
            let at = survey.find(|part| matches(locator, part)).into_iter().find(on_disk);
            let trailer = at.and_then(|at| {
                let part = self.machine.open(at, Access::Read).ok()?;
                read_image(&part, self.keys)
            });
            // A slot that is not there has no GUID; any that differs from the others' will do, since such a
            // record is never saved.
            let absent = Uuid([index as u8; 16]);
            let part = at.map_or(absent, |at| survey.part(at).guid);
            let (image, mark) = trailer.map_or((None, None), |(image, mark, _)| (Some(image), mark));
            found.push(Found { name: name.clone(), part, image, mark });
            parts.push(at);
        }
        let guid = parts.iter().flatten().next().map(|at| survey.disks[at.disk].guid);
        (rebuild(guid.unwrap_or(Uuid([0; 16])), &found), parts)
    }
}

/// What a slot says of itself, if a trusted key has signed it.
pub(super) fn read_image(part: &impl Medium, keys: &Keys) -> Option<(Image, Option<u64>, Manifest)> {
    let trailer = apply::read_trailer(part).ok()??;
    let manifest = trailer.signed.verify(keys).ok()?;
    let image = image_of(&manifest);
    let mark = trailer.mark.filter(|(_, hash)| *hash == manifest.payload.root_hash);
    Some((image, mark.map(|(generation, _)| generation), manifest))
}

/// What the record keeps of a manifest.
pub(super) fn image_of(manifest: &Manifest) -> Image {
    Image {
        version: manifest.version.clone(),
        root_hash: Some(manifest.payload.root_hash),
        open: manifest.payload.open,
        tries: manifest.tries.unwrap_or(0),
    }
}

/// The digest by which the record knows a staged bundle.
pub(super) fn digest_of(signed: &Signed) -> Digest {
    Sha256::digest(&signed.manifest).into()
}

/// What is wrong with the copies, if anything that matters.
fn judge(loaded: &Loaded, survey: &Survey, disk: Option<usize>) -> Option<Trouble> {
    let disk = disk.map(|disk| survey.disks[disk].guid);
    match &loaded.selection {
        Selection::Current { record, .. } if Some(record.disk) != disk => {
            Some(Trouble::OtherDisk(record.disk))
        }
        Selection::Current { .. } => None,
        Selection::Newer { version, .. } => Some(Trouble::Newer(*version)),
        Selection::Lost => {
            let faults = loaded.faults.iter().flatten();
            let why = faults.map(ToString::to_string).collect::<Vec<_>>().join("; ");
            match loaded.has_unreadable() {
                true => Some(Trouble::Unreadable(why)),
                false => Some(Trouble::Lost(why)),
            }
        }
    }
}

impl<D: Medium> View<D> {
    /// Saves the record, unless it is what is stored already.
    pub fn save(&mut self, record: Record) -> Result<(), SaveError> {
        let stored =
            matches!(&self.loaded.selection, Selection::Current { record: old, .. } if **old == record);
        if let (Some(medium), false) = (&self.medium, stored) {
            self.loaded = store::save(medium, &self.loaded, &record)?;
        }
        self.record = record;
        Ok(())
    }

    /// Saves the record once more, so that both copies hold it.
    pub(super) fn save_again(&mut self) -> Result<(), SaveError> {
        if let Some(medium) = &self.medium {
            self.loaded = store::save(medium, &self.loaded, &self.record)?;
        }
        Ok(())
    }

    /// Adds to the history. A failure is logged and changes nothing.
    pub fn note(&self, kind: Kind, text: String) {
        let Some(medium) = self.medium.as_ref().filter(|_| self.can_persist) else { return };
        if let Err(error) = History::load(medium).append(medium, kind, text) {
            log::warn!("history: {error}");
        }
    }

    /// The history.
    pub fn history(&self) -> History {
        self.medium.as_ref().map(History::load).unwrap_or_default()
    }

    /// Refuses when the record may not be changed.
    pub(super) fn writable(self) -> Result<Self, Error> {
        match &self.trouble {
            None => Ok(self),
            Some(trouble) => Err(Error::Record(trouble.to_string())),
        }
    }

    /// The slot of that name.
    pub(super) fn slot(&self, name: &str) -> Result<SlotId, Error> {
        let known = || self.record.slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
        self.record.find(name).ok_or_else(|| Error::NoSuchSlot(name.to_owned(), known()))
    }

    /// The name of a slot of the record.
    pub(super) fn name(&self, id: SlotId) -> &SlotName {
        &self.record.slot(id).name
    }

    /// Where a slot is.
    pub(super) fn part(&self, id: SlotId) -> Result<PartRef, Error> {
        self.parts[id.index()].ok_or_else(|| Error::SlotMissing(self.name(id).clone()))
    }
}
