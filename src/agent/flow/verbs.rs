//! The verbs that change the record, and little else.

use super::{Error, STAGED, STAGED_PART, Site, View};
use crate::machine::{Access, Machine, PartitionRef};
use everboot_core::lifecycle::{self, Activated};
use everboot_core::mutant::{self, Mutant};
use everboot_core::record::history::Kind;
use everboot_core::record::{Record, Update};
use everboot_core::slot::{ImageId, SlotId, SlotName};
use everboot_storage::apply;
use everboot_storage::medium::{self, Medium, Staging};
use std::io::ErrorKind;

impl<M: Machine> Site<'_, M> {
    /// Removes the staged bundle when the record does not name one any more. Left behind by a cut or by an
    /// early boot, which mounts the staging area read-only; a failure costs room and nothing else.
    ///
    /// Whether there is one is looked up without a write: power that fails while a file system is mounted writable may
    /// tear its superblock.
    fn sweep<D: Medium>(&mut self, view: &View<D>) {
        if view.record.update != Update::None {
            return;
        }
        let mut swept = self
            .staged_files(view, Access::Look, |area| Ok(area.exists(STAGED)? || area.exists(STAGED_PART)?));
        if let Ok(true) = swept {
            swept = self.staged_files(view, Access::Exclusive, |area| {
                area.remove(STAGED)?;
                area.remove(STAGED_PART)?;
                area.sync_dir()?;
                Ok(false)
            });
        }
        match swept {
            // The first bundle makes the directory.
            Err(error) if error.source.kind() != ErrorKind::NotFound => log::warn!("staging area: {error}"),
            _ => {}
        }
    }

    fn staged_files<D: Medium>(
        &mut self,
        view: &View<D>,
        access: Access,
        act: impl FnOnce(M::Staging) -> Result<bool, medium::Error>,
    ) -> Result<bool, medium::Error> {
        let done = self.machine.staging(view.staging, access).and_then(act);
        self.machine.close_staging();
        done
    }

    /// The floor that the image at `at` sets, if it is the image with that id.
    fn floor_at(&mut self, at: PartitionRef, image: Option<ImageId>) -> Result<String, medium::Error> {
        let trailer = apply::read_trailer(&self.machine.open(at, Access::Read)?)?;
        let accepted = trailer.and_then(|trailer| trailer.signed.accept(self.keys, true).ok());
        let found = accepted.filter(|manifest| Some(manifest.image_id()) == image);
        Ok(found.map_or(String::new(), |manifest| manifest.floor))
    }

    /// Writes the mark of a slot as the record has it. A failure is logged: the record says it already.
    fn mark(&mut self, view: &View<M::Disk>, id: SlotId) {
        let slot = view.record.slot(id);
        let (Some(at), Some(image)) = (view.root(id), slot.image_id()) else { return };
        let part = self.machine.open(at, Access::Shared);
        if let Err(error) = part.and_then(|part| apply::mark(&part, slot.confirmed, image)) {
            log::warn!("{}: {error}", slot.name);
        }
    }

    /// Removes the mark of a slot that is bad. A failure is logged: the record says it already.
    fn unmark(&mut self, view: &View<M::Disk>, id: SlotId) {
        let Some(at) = view.root(id) else { return };
        let unmarked = self.machine.open(at, Access::Shared).and_then(|part| apply::unmark(&part));
        if let Err(error) = unmarked {
            log::warn!("{}: {error}", view.name(id));
        }
    }
}

/// The text of a save, and what was wrong with the copies of the record, which it writes anew: nothing shows it later.
fn with_complaints<D: Medium>(view: &View<D>, mut text: String) -> String {
    for line in view.loaded.complaints() {
        log::warn!("record: {line}");
        text.push_str("\nrecord: ");
        text.push_str(&line);
    }
    text
}

fn save<M: Machine>(
    site: &Site<'_, M>,
    view: &mut View<M::Disk>,
    next: Record,
    text: String,
) -> Result<(), Error> {
    if next != view.record || !view.loaded.is_whole() {
        let text = with_complaints(view, text);
        view.save(next)?;
        site.note(view, Kind::Verb, text);
    }
    Ok(())
}

/// Saves what an operator or the running system asked for: in both copies, before the verb reports success. A
/// block that forgets what was written does not undo it.
fn save_in_both<M: Machine>(
    site: &Site<'_, M>,
    view: &mut View<M::Disk>,
    next: Record,
    text: String,
) -> Result<(), Error> {
    if mutant::is(Mutant::VerdictInOneCopy) {
        return save(site, view, next, text);
    }
    if next != view.record || !view.loaded.agree {
        let text = with_complaints(view, text);
        view.save_in_both(next)?;
        site.note(view, Kind::Verb, text);
    }
    Ok(())
}

/// Makes the prepared slot's trial, or the staged bundle's apply, due at the next boot.
pub fn activate<M: Machine>(mut site: Site<'_, M>) -> Result<(Activated, SlotName), Error> {
    let mut view = site.look().writable()?;
    let (next, activated) =
        lifecycle::activate(&view.record, &site.config.policy(), &|id| view.can_boot(id))?;
    let (id, what) = match activated {
        Activated::Apply(id) => (id, "an apply is due at the next boot"),
        Activated::Trial(id) => (id, "its trial is due at the next boot"),
    };
    // What is due already was asked before.
    if next != view.record
        && let Activated::Apply(_) = activated
    {
        site.check_for_early_boot(&view, id)?;
    }
    let name = view.name(id).clone();
    save_in_both(&site, &mut view, next, format!("{name}: {what}"))?;
    Ok((activated, name))
}

/// A slot that was confirmed.
#[derive(Debug)]
pub struct Confirmed {
    /// Its name.
    pub slot: SlotName,
    /// Why its mark could not be written, where the record alone says it until the next boot.
    pub unmarked: Option<medium::Error>,
}

/// Whether nobody may write there: neither the device nor its data is to blame. A kernel that keeps mounted devices
/// from writers (`bdev_allow_write_mounted=0`) says EBUSY, and of a device that is set read-only EPERM, EACCES or
/// EROFS.
fn is_forbidden(error: &medium::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.source.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy)
}

/// Says that the running system is good: its slot becomes the default, and the floor of its image the machine's.
///
/// Order: mark in the slot's trailer · barrier → record → the bundle is removed. A cut after the mark leaves
/// a trial with a mark that counts only where the record is lost; confirming again writes the same mark. A cut
/// between the two copies of the record leaves a confirmed slot, and an older copy that does not say so yet; the
/// verb has not reported success. A cut after the record leaves a bundle that no record names.
///
/// Where nobody may write to a mounted slot the record alone says it, and the next early boot writes the mark before
/// it mounts the slot. Should the record be lost before that, the slot comes back as proven: it boots when no good one
/// does.
pub fn confirm<M: Machine>(mut site: Site<'_, M>) -> Result<Confirmed, Error> {
    let view = site.look();
    let is_sure = view.loaded.is_whole();
    let mut view = view.repairable()?;
    let mut confirmation = lifecycle::confirm(&view.record)?;
    let slot = view.record.slot(confirmation.slot).clone();
    // What was booted last may stand in a copy that is lost: then only the running root shows it.
    let is_known = is_sure || confirmation.mark.is_none();
    if site.machine.root_partition().map_or(!is_known, |root| Some(root) != slot.partition()) {
        return Err(Error::WrongRoot(slot.name));
    }
    if let (Some(at), true) = (view.root(confirmation.slot), confirmation.record.is_good(confirmation.slot)) {
        match site.floor_at(at, slot.image_id()) {
            Ok(floor) => lifecycle::raise_floor(&mut confirmation.record, &floor),
            // What becomes good here is asked first.
            Err(error) if confirmation.mark.is_some() => return Err(Error::Slot(slot.name, error)),
            Err(_) => {}
        }
    }
    if mutant::is(Mutant::RecordBeforeMark) {
        view.save(confirmation.record.clone())?;
    }
    let mut unmarked = None;
    if let (Some(generation), Some(image)) = (confirmation.mark, slot.image_id()) {
        let at = view.root_part(confirmation.slot)?;
        let part = site.machine.open(at, Access::Shared);
        match part.and_then(|part| apply::mark(&part, generation, image)) {
            Ok(()) => {}
            Err(error) if is_forbidden(&error) => unmarked = Some(error),
            Err(error) => return Err(Error::Slot(slot.name, error)),
        }
    }
    save_in_both(&site, &mut view, confirmation.record, format!("{}: confirmed", slot.name))?;
    site.sweep(&view);
    Ok(Confirmed { slot: slot.name, unmarked })
}

/// Makes a slot, or the running one, unbootable from now on. The record first, then the slot's mark goes: a cut
/// between them leaves a mark that counts only where the record is lost.
pub fn reject<M: Machine>(mut site: Site<'_, M>, slot: Option<&str>) -> Result<SlotName, Error> {
    let mut view = site.look().writable()?;
    let running = || view.record.last_boot.map(|boot| boot.slot).ok_or(lifecycle::Refusal::NotBooted.into());
    let id = slot.map_or_else(running, |name| view.slot(name))?;
    let name = view.name(id).clone();
    let next = lifecycle::reject(&view.record, id, &|id| view.can_boot(id))?;
    save_in_both(&site, &mut view, next, format!("{name}: rejected"))?;
    site.unmark(&view, id);
    site.sweep(&view);
    Ok(name)
}

/// The next boot goes to this slot, and only the next; without one, the request is withdrawn.
pub fn boot_once<M: Machine>(mut site: Site<'_, M>, slot: Option<&str>, force: bool) -> Result<(), Error> {
    let mut view = site.look().writable()?;
    let (next, text) = match slot {
        Some(name) => {
            let id = view.slot(name)?;
            let next = lifecycle::boot_once(&view.record, id, force)?;
            view.enterable(id)?;
            (next, format!("{name}: boots once"))
        }
        None => (lifecycle::not_once(&view.record), "no slot boots once".to_owned()),
    };
    save_in_both(&site, &mut view, next, text)
}

/// Returns to the previous good slot at the next boot, or to the one that is named; with `force` also below the floor.
///
/// Order: record → mark of the slot that is default now → the mark of the trial that was left goes. A cut before the
/// marks, or a mark that cannot be written, leaves the order of the slots as it was, which counts only where the record
/// is lost.
pub fn rollback<M: Machine>(mut site: Site<'_, M>, to: Option<&str>, force: bool) -> Result<SlotName, Error> {
    let mut view = site.look().writable()?;
    let to = to.map(|name| view.slot(name)).transpose()?;
    if let Some(id) = to {
        view.enterable(id)?;
    }
    let (next, target) = lifecycle::rollback(&view.record, to, force, &|id| view.can_boot(id))?;
    let name = view.name(target).clone();
    let (left, confirmed) = (view.record.trial(), view.record.slot(target).confirmed);
    save_in_both(&site, &mut view, next, format!("{name}: default again, by rollback"))?;
    if view.record.slot(target).confirmed != confirmed {
        site.mark(&view, target);
    }
    if let Some(id) = left {
        site.unmark(&view, id);
    }
    site.sweep(&view);
    Ok(name)
}

/// Withdraws an update that was not booted yet. The record first, then the bundle.
pub fn cancel<M: Machine>(mut site: Site<'_, M>) -> Result<(), Error> {
    let mut view = site.look().writable()?;
    let next = lifecycle::cancel(&view.record)?;
    save_in_both(&site, &mut view, next, "update cancelled".to_owned())?;
    site.sweep(&view);
    Ok(())
}
