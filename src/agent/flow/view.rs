//! One look at the machine: where the record and the slots are, and what the record says.

use super::conflict::conflict;
use super::{Error, RecordFault, SeenSlot, Site};
use crate::machine::{Access, Machine, PartitionRef, Survey, matches};
use everboot_core::config::Config;
use everboot_core::decide::{Observation, SlotObservation};
use everboot_core::lifecycle::{self, Blocked, Found, MachineFacts, image_of, rebuild};
use everboot_core::manifest::Manifest;
use everboot_core::mutant::{self, Mutant};
use everboot_core::record::history::{Kind, Stamp};
use everboot_core::record::{LastBoot, Record, Selection, Slot};
use everboot_core::slot::{Image, ImageId, Location, MAX_PARTS, Part, SlotId, SlotName, SlotState, Uuid};
use everboot_storage::apply::{self, Seal};
use everboot_storage::bundle::{Keys, TrustError};
use everboot_storage::medium::Medium;
use everboot_storage::store::{self, History, Loaded, SaveError};
use std::rc::Rc;

/// What a look found. There is always a record to decide by, if only one made from the slots.
#[derive(Debug)]
pub struct View<D> {
    /// All disks; the same for every view of one look.
    pub survey: Rc<Survey>,
    /// The one on which the record is; absent when none has its partition.
    pub disk: Option<usize>,
    /// The record as stored, or as the slots imply it.
    pub record: Record,
    /// The copies.
    pub loaded: Loaded,
    /// The record's partition.
    pub medium: Option<D>,
    /// The partition of each part of each slot of the record, if it is there.
    pub parts: Vec<Vec<Option<PartitionRef>>>,
    /// What was seen of each slot of the record.
    pub slots: Vec<SeenSlot>,
    /// The partition of the staging area.
    pub staging: Option<PartitionRef>,
    /// The partition of the recovery slot.
    pub recovery: Option<PartitionRef>,
    /// What is wrong with the record.
    pub trouble: Option<RecordFault>,
    /// Whether the record may be saved.
    pub can_persist: bool,
}

impl<M: Machine> Site<'_, M> {
    /// What the disk says on which the partition of the record is at `at`.
    pub(super) fn look_at(&mut self, survey: Rc<Survey>, at: PartitionRef) -> View<M::Disk> {
        let disk = Some(at.disk);
        let (medium, loaded, trouble) = match self.open_record(at) {
            Ok((medium, why)) => {
                let loaded = store::load_with(&medium, self.formats);
                let trouble = why.or_else(|| record_trouble(&loaded, &survey, disk));
                (Some(medium), loaded, trouble)
            }
            Err(why) => (None, Loaded::default(), Some(RecordFault::Unusable(why))),
        };
        self.interpret(survey, disk, medium, loaded, trouble)
    }

    /// Whether there is a record that can be read.
    pub(super) fn holds_record(&mut self, at: PartitionRef) -> bool {
        let opened = self.machine.open(at, Access::Read);
        let load = |medium: M::Disk| store::load_with(&medium, self.formats).selection;
        opened.is_ok_and(|medium| !matches!(load(medium), Selection::Lost))
    }

    fn open_record(&mut self, at: PartitionRef) -> Result<(M::Disk, Option<RecordFault>), String> {
        match self.machine.open(at, Access::Shared) {
            Ok(medium) if medium.len() < store::MIN_LEN => {
                Err(format!("expected at least {} bytes, found {}", store::MIN_LEN, medium.len()))
            }
            Ok(medium) => Ok((medium, None)),
            Err(error) => {
                let medium = self.machine.open(at, Access::Read).map_err(|error| error.to_string())?;
                Ok((medium, Some(RecordFault::ReadOnly(error.to_string()))))
            }
        }
    }

    /// Adds to the history of the record that was found. A failure is logged and changes nothing.
    pub(super) fn note(&self, view: &View<M::Disk>, kind: Kind, text: String) {
        let Some(medium) = view.medium.as_ref().filter(|_| view.can_persist) else { return };
        let stamp = Stamp {
            clock: self.machine.wall_clock(),
            boot: self.machine.boot_id(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        };
        if let Err(error) = History::load(medium).append(medium, stamp, kind, text) {
            log::warn!("history: {error}");
        }
    }

    /// Settles which record is decided by, and where its slots are.
    pub(super) fn interpret(
        &mut self,
        survey: Rc<Survey>,
        disk: Option<usize>,
        medium: Option<M::Disk>,
        loaded: Loaded,
        trouble: Option<RecordFault>,
    ) -> View<M::Disk> {
        let here = disk.map(|disk| survey.disks[disk].guid);
        let stored = match &loaded.selection {
            Selection::Current { record, .. } | Selection::Newer { record: Some(record), .. } => {
                Some(Record::clone(record))
            }
            Selection::Newer { record: None, order, older, .. } => {
                let (implied, ..) = self.imply_record(&survey, disk);
                // What a record of another disk says of its slots is not said of these.
                let known =
                    older.as_deref().filter(|older| Some(older.disk) == here).unwrap_or(&implied).clone();
                let mut record = lifecycle::in_order(known, order, &implied);
                self.check_trailers(&mut record, &survey, disk);
                Some(record)
            }
            Selection::Lost => None,
        };
        // Whatever else is wrong with it.
        let is_foreign = loaded.selection.record().is_some_and(|record| Some(record.disk) != here);
        let on_disk = |at: &PartitionRef| disk.is_none_or(|disk| at.disk == disk);
        let find = |locator| survey.find(|part| matches(locator, part)).into_iter().find(on_disk);
        let recovery = find(&self.config.recovery);
        let staging = find(&self.config.staging).or_else(|| self.staging_elsewhere(&survey));
        let (mut record, parts, is_sure) = match stored {
            Some(record) if !is_foreign => {
                let find = |guid| survey.find(|part| part.guid == guid).into_iter().find(on_disk);
                let find = |part: &Part| part.location.partition().and_then(find);
                let mut parts: Vec<Vec<_>> =
                    record.slots.iter().map(|slot| slot.parts.iter().map(find).collect()).collect();
                let mut record = record;
                self.find_made_again(&survey, disk, &mut record, &mut parts);
                (record, parts, true)
            }
            foreign => {
                let (implied, parts, is_sure) = self.imply_record(&survey, disk);
                (foreign.and_then(|record| adopt(record, &implied)).unwrap_or(implied), parts, is_sure)
            }
        };
        // Without a record any disk may say that it has a recovery slot: a locked machine does not believe it.
        let is_ours = disk.is_some() || !self.config.lock.is_on();
        let recovery = recovery.filter(|at| is_ours && !parts.iter().any(|parts| parts.contains(&Some(*at))));
        self.correct_last_boot(&mut record);
        let conflict = disk.and_then(|disk| conflict(&survey, disk, self.config, &parts));
        let trouble = conflict.map(RecordFault::Partitions).or(trouble);
        let can_persist = medium.is_some()
            && match trouble {
                None => true,
                Some(RecordFault::Lost(_)) => is_sure,
                Some(_) => false,
            };
        let slots = self.observe(&record, &parts);
        View { survey, disk, record, loaded, medium, parts, slots, staging, recovery, trouble, can_persist }
    }

    /// The staging area on a disk without slots. Of several nobody can tell which is meant.
    fn staging_elsewhere(&self, survey: &Survey) -> Option<PartitionRef> {
        let found = survey.find(|part| matches(&self.config.staging, part));
        found.first().copied().filter(|_| found.len() == 1)
    }

    /// Marks as insecure what is in a slot whose trailer no key accepts, where there are keys: for a record that rests
    /// on an order alone, whose writer may have trusted other keys. A slot without a trailer was filled by other means,
    /// and the trailer of a newer everboot cannot be read: there the order is all that there is to go by.
    fn check_trailers(&mut self, record: &mut Record, survey: &Survey, disk: Option<usize>) {
        if self.keys.is_empty() {
            return;
        }
        for slot in &mut record.slots {
            let found = survey.find(|part| Some(part.guid) == slot.partition());
            let at = found.into_iter().find(|at| disk.is_none_or(|disk| at.disk == disk));
            let opened = at.and_then(|at| self.machine.open(at, Access::Read).ok());
            let (Some(part), Some(image)) = (opened, &mut slot.image) else { continue };
            if newer_seal(&part, self.keys).is_some() {
                // For a slot that is not in the order nothing speaks.
                image.insecure &= slot.state != SlotState::Good;
            } else if let Ok(Some(trailer)) = apply::read_trailer(&part) {
                image.insecure |= trailer.signed.accept(self.keys, true).is_err();
            }
        }
    }

    /// What each slot of the record says of itself.
    pub(super) fn manifests(&mut self, view: &View<M::Disk>) -> Vec<Option<Manifest>> {
        let read = |id| read_manifest(&self.machine.open(view.root(id)?, Access::Read).ok()?, self.keys);
        view.record.ids().map(|(id, _)| id).map(read).collect()
    }

    /// What runs outweighs what was recorded: a boot that could not be recorded leaves an older one there.
    fn correct_last_boot(&self, record: &mut Record) {
        let Some(running) = self.machine.root_partition() else { return };
        let id = record.ids().find(|(_, slot)| slot.partition() == Some(running)).map(|(id, _)| id);
        if let Some(slot) = id.filter(|id| record.last_boot.is_none_or(|boot| boot.slot != *id)) {
            record.last_boot = Some(LastBoot { slot, confirmed: false, fell_back: false });
        }
    }

    /// An image of which only a newer everboot knows more.
    fn sealed_by_newer(&self, seal: Seal, is_vouched_for: bool) -> Image {
        let insecure = !self.keys.is_empty() && !is_vouched_for;
        Image { version: String::new(), id: Some(seal.image), open: false, tries: 0, insecure }
    }

    /// The record that the configured slots imply, their partitions, and whether it may be kept: every slot
    /// was there and could be read, and at least one can be booted. What could not be read today may be a
    /// good slot tomorrow.
    pub(super) fn imply_record(
        &mut self,
        survey: &Survey,
        disk: Option<usize>,
    ) -> (Record, Vec<Vec<Option<PartitionRef>>>, bool) {
        let on_disk = |at: &PartitionRef| disk.is_none_or(|disk| at.disk == disk);
        let find = |locator| survey.find(|part| matches(locator, part)).into_iter().find(on_disk);
        let mut parts = Vec::new();
        let (mut found, mut is_sure) = (Vec::new(), true);
        for (index, slot) in self.config.slots.iter().enumerate() {
            let there: Vec<_> = slot.parts.iter().map(|(_, locator)| find(locator)).collect();
            let root = slot.parts.iter().position(|(name, _)| name.is_root()).and_then(|at| there[at]);
            let opened = root.and_then(|at| self.machine.open(at, Access::Read).ok());
            let read = opened.as_ref().and_then(|part| apply::read_trailer(part).ok());
            is_sure &= read.is_some() && there.iter().all(Option::is_some);
            let (mut image, mut mark, mut floor) = (None, None, String::new());
            if let Some(trailer) = read.flatten()
                && let Ok(manifest) = trailer.signed.accept(self.keys, true)
            {
                let is_its_own = |mark: &(u64, ImageId)| mark.1 == manifest.image_id();
                mark = trailer.mark.filter(is_its_own).map(|(generation, _)| generation);
                image = Some(image_of(&manifest));
                floor = manifest.floor;
            } else if let Some((seal, is_vouched_for)) = opened.and_then(|part| newer_seal(&part, self.keys))
            {
                // Whoever can read it knows more: nothing is saved.
                image = Some(self.sealed_by_newer(seal, is_vouched_for));
                (mark, is_sure) = (seal.mark, false);
            }
            // A part that is not there has no GUID; any that differs from the others' will do, since such a
            // record is never saved.
            let absent = |at: usize| Uuid([(index * MAX_PARTS + at) as u8; 16]);
            let located = slot.parts.iter().zip(&there).enumerate().map(|(at, ((name, _), there))| Part {
                name: name.clone(),
                location: Location::Partition(
                    there.map_or_else(|| absent(at), |at| survey.partition(at).guid),
                ),
            });
            found.push(Found { name: slot.name.clone(), parts: located.collect(), image, mark, floor });
            parts.push(there);
        }
        let guid = parts.iter().flatten().flatten().next().map(|at| survey.disks[at.disk].guid);
        is_sure &= found.iter().any(|slot| slot.image.is_some());
        // A line that is wrong may have named another slot.
        is_sure &= self.config.faults.is_empty();
        (rebuild(guid.unwrap_or(Uuid([0; 16])), &found), parts, is_sure)
    }
}

/// What the trailer of a slot says which only a newer everboot can read: its own format is newer, or that of its
/// manifest. And whether a trusted key has signed the manifest, as far as that can be told here.
fn newer_seal(part: &impl Medium, keys: &Keys) -> Option<(Seal, bool)> {
    let seal = apply::read_seal(part).ok()??;
    if seal.is_newer() {
        return Some((seal, false));
    }
    let signed = apply::read_trailer(part).ok()??.signed;
    let is_newer = |insecure| match signed.accept(keys, insecure) {
        Err(TrustError::Manifest(error)) => error.is_newer(),
        _ => false,
    };
    is_newer(true).then(|| (seal, is_newer(false)))
}

/// What a slot says of itself, if it may be believed.
pub(super) fn read_manifest(part: &impl Medium, keys: &Keys) -> Option<Manifest> {
    apply::read_trailer(part).ok()??.signed.accept(keys, true).ok()
}

/// A record of another disk for this one, whose slots say nothing of themselves: the disk was copied or got new
/// GUIDs. `None` when the slots say something, or are others by name.
fn adopt(mut record: Record, implied: &Record) -> Option<Record> {
    let names = |record: &Record| record.slots.iter().map(|slot| slot.name.clone()).collect::<Vec<_>>();
    let parts = |slot: &Slot| slot.parts.iter().map(|part| part.name.clone()).collect::<Vec<_>>();
    // A part that is not known here would get lost.
    let is_alike = |(slot, here): (&Slot, &Slot)| parts(slot) == parts(here);
    if implied.slots.iter().any(|slot| slot.image.is_some())
        || names(&record) != names(implied)
        || !record.slots.iter().zip(&implied.slots).all(is_alike)
    {
        return None;
    }
    for (slot, here) in record.slots.iter_mut().zip(&implied.slots) {
        slot.parts.clone_from(&here.parts);
    }
    record.disk = implied.disk;
    Some(record)
}

/// What is wrong with the copies, if anything that matters.
fn record_trouble(loaded: &Loaded, survey: &Survey, disk: Option<usize>) -> Option<RecordFault> {
    let disk = disk.map(|disk| survey.disks[disk].guid);
    let why = || {
        let mut why = loaded.faults.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
        why.dedup();
        why.join("; ")
    };
    match &loaded.selection {
        Selection::Current { record, .. } if Some(record.disk) != disk => {
            Some(RecordFault::OtherDisk(record.disk))
        }
        Selection::Current { .. } => loaded.has_unreadable().then(|| RecordFault::OneCopy(why())),
        Selection::Newer { unread, .. } => Some(RecordFault::Newer(*unread)),
        Selection::Lost if loaded.has_unreadable() => Some(RecordFault::Unreadable(why())),
        Selection::Lost => Some(RecordFault::Lost(why())),
    }
}

/// The slot of that name, or an error that lists those that are.
pub(super) fn find_slot(record: &Record, name: &str) -> Result<SlotId, Error> {
    let known = || record.slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
    record.find(name).ok_or_else(|| Error::NoSuchSlot(name.to_owned(), known()))
}

impl<D: Medium> View<D> {
    /// What the decision reads of it; nobody asks for anything.
    pub(super) fn observation(&self) -> Observation {
        // A trial whose trailer cannot be read counts as there: so its hand-offs are counted, and it has an end. It
        // cannot be entered.
        let trial = self.record.trial();
        let seen = |((id, _), slot): ((SlotId, &Slot), &SeenSlot)| match slot.seen {
            SlotObservation::Unread if Some(id) == trial => SlotObservation::Present,
            seen => seen,
        };
        let recovery = self.recovery.map_or(SlotObservation::Missing, |_| SlotObservation::Present);
        Observation {
            can_persist: self.can_persist,
            slots: self.record.ids().zip(&self.slots).map(seen).collect(),
            recovery,
            request: None,
            apply: None,
            recovery_waited: false,
        }
    }

    /// Saves the record, unless both copies can be used and it is what is stored already: one that is torn or cannot
    /// be read is written with it.
    pub fn save(&mut self, mut record: Record) -> Result<(), SaveError> {
        record.drop_orphans();
        let stored = matches!(&self.loaded.selection, Selection::Current { record: old, .. } if **old == record)
            && self.loaded.is_whole();
        let is_newly_critical = record.has_critical()
            && !self.loaded.selection.record().is_some_and(|stored| stored.has_critical());
        if let (Some(medium), false) = (&self.medium, stored) {
            self.loaded = store::save(medium, &self.loaded, &record)?;
            // Both were bad: the other one, too. And one copy alone that keeps older agents away would not do so when
            // it is lost.
            if !self.loaded.is_whole() || (is_newly_critical && !self.loaded.agree) {
                self.loaded = store::save(medium, &self.loaded, &record)?;
            }
        }
        self.record = record;
        Ok(())
    }

    /// Saves a record in both copies, unless they hold it already: what it says is not lost with one of them. So no
    /// older copy calls a slot bootable that is written or was rejected, or a slot a trial that was confirmed.
    pub(super) fn save_in_both(&mut self, record: Record) -> Result<(), SaveError> {
        self.save(record)?;
        if let (Some(medium), false) = (&self.medium, self.loaded.agree) {
            self.loaded = store::save(medium, &self.loaded, &self.record)?;
        }
        Ok(())
    }

    /// Saves what a boot decided. One that counts an attempt goes into both copies: a block that forgets what it was
    /// told, or returns to what it held before, gives no attempt back. Power that fails between the two leaves a copy
    /// that counts and is the newer one, and an attempt that was counted and not made.
    pub(super) fn save_counted(&mut self, record: Record) -> Result<(), SaveError> {
        let counts = lifecycle::counts_attempt(&self.record, &record);
        if counts && !mutant::is(Mutant::AttemptInOneCopy) {
            self.save_in_both(record)
        } else {
            self.save(record)
        }
    }

    /// Saves a record that names a slot *writing*.
    pub(super) fn save_writing(&mut self, record: Record) -> Result<(), SaveError> {
        if mutant::is(Mutant::WritingInOneCopy) { self.save(record) } else { self.save_in_both(record) }
    }

    /// How the staging area is opened by those who only look. What the record names is made durable by the journal of
    /// the file system, perhaps by it alone, and has to be seen.
    pub(super) fn staging_access(&self) -> Access {
        if self.record.update.bundle().is_some() { Access::Read } else { Access::Look }
    }

    /// What is wrong with the table of the machine's disk; of all disks, where that was not found.
    pub(super) fn table_notes(&self) -> Vec<String> {
        let disks = self.survey.disks.iter().enumerate();
        let disks = disks.filter(|(at, _)| self.disk.is_none_or(|own| own == *at)).map(|(_, disk)| disk);
        disks
            .flat_map(|disk| disk.complaints().into_iter().map(|text| format!("{}: {text}", disk.name)))
            .collect()
    }

    /// What the machine calls the disk.
    pub(super) fn disk_name(&self) -> &str {
        self.disk.map_or("every disk", |disk| &self.survey.disks[disk].name)
    }

    /// The history.
    pub fn history(&self) -> History {
        self.medium.as_ref().map(History::load).unwrap_or_default()
    }

    /// The slot that a new image goes to, or why this machine takes none.
    pub(super) fn place(&self, config: &Config) -> Result<SlotId, Blocked> {
        let seen: Vec<_> = self.slots.iter().map(|slot| slot.seen).collect();
        // A configuration that was read names the machine type.
        let is_configured = !config.compatible.is_empty();
        lifecycle::place(
            &self.record,
            MachineFacts { is_configured, trouble: self.trouble.as_ref(), seen: &seen },
        )
    }

    /// Refuses when the record may not be changed.
    pub(super) fn writable(self) -> Result<Self, Error> {
        match &self.trouble {
            None => Ok(self),
            Some(trouble) => Err(Error::Record(trouble.to_string())),
        }
    }

    /// The same, but for a copy that cannot be read: the next save writes it anew, which often repairs it.
    ///
    /// Saves take turns. So the copy that can be read lacks the last save at most, and stays as it is while the
    /// other one is written; whatever a cut leaves there, the higher generation is the one to go by. That the last
    /// save is lost is as if power had failed before it, which every flow is made for, but for what came after it:
    /// - a slot was written, confirmed, rejected, or left by a rollback: both copies say so by then;
    /// - an attempt was begun: it must not be given back. So early boot does not do this: it counts nothing, tries
    ///   nothing, and boots a good slot; its system, which does, ends the trial first;
    /// - somebody was told that what they asked for is done: they have to ask again.
    pub(super) fn repairable(mut self) -> Result<Self, Error> {
        if let Some(RecordFault::OneCopy(_)) = self.trouble {
            (self.trouble, self.can_persist) = (None, true);
            // Of a trial that runs, its confirmation makes a good slot.
            if let Ok(record) = lifecycle::end_trial(&self.record) {
                self.record = record;
            }
        }
        // Made of the slots, as early boot makes it, which may not have been sure of its own configuration. What runs
        // was seen.
        let is_known = self.can_persist && self.record.last_boot.is_some();
        if let (Some(RecordFault::Lost(_)), true) = (&self.trouble, is_known) {
            self.trouble = None;
        }
        self.writable()
    }

    /// The slot of that name.
    pub(super) fn slot(&self, name: &str) -> Result<SlotId, Error> {
        find_slot(&self.record, name)
    }

    /// The name of a slot of the record.
    pub(super) fn name(&self, id: SlotId) -> &SlotName {
        &self.record.slot(id).name
    }
}
