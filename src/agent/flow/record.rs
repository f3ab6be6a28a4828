//! `record init` makes a record where there is none; `record repair` makes both copies whole.

use super::view::find_slot;
use super::{Error, RecordFault, Site, View};
use crate::machine::Machine;
use everboot_core::lifecycle;
use everboot_core::record::history::Kind;
use everboot_core::record::{Record, Selection, Slot, Unread};
use everboot_core::slot::{Image, SlotState};
use everboot_storage::store::{self, SaveError};

/// Makes a record from what the slots say of themselves.
///
/// `good` names a slot that was filled by other means and is to count as good, with its version if that is
/// known. Refused over a record that can be read, unless `force`.
pub fn init<M: Machine>(
    mut site: Site<'_, M>,
    good: Option<(&str, &str)>,
    force: bool,
) -> Result<Record, Error> {
    let view = site.look();
    let exists = !matches!(view.loaded.selection, Selection::Lost);
    if exists && !force {
        return Err(Error::RecordExists);
    }
    let disk =
        view.staging.or_else(|| view.parts.iter().flatten().flatten().next().copied()).map(|at| at.disk);
    let (mut record, parts, _) = site.imply_record(&view.survey, disk);
    if let Some(index) = parts.iter().position(|parts| parts.contains(&None)) {
        return Err(Error::SlotMissing(record.slots[index].name.clone()));
    }
    refuse_unread(&record)?;
    if let Some((name, version)) = good {
        declare_good(&mut record, name, version)?;
    }
    write(&site, view, record, "record made from the slots")
}

/// Refuses to save a record of slots that only a newer everboot can read: it knows their versions, floors and keys.
fn refuse_unread(record: &Record) -> Result<(), Error> {
    let is_unread = |image: &Image| image.id.is_some() && image.version.is_empty();
    match record.slots.iter().find(|slot| slot.image.as_ref().is_some_and(is_unread)) {
        Some(Slot { name, .. }) => {
            Err(Error::Record(format!("a newer everboot wrote {name}; make the record with that one")))
        }
        None => Ok(()),
    }
}

/// Declares a slot good that has no trailer.
fn declare_good(record: &mut Record, name: &str, version: &str) -> Result<(), Error> {
    let id = find_slot(record, name)?;
    let highest = record.slots.iter().map(|slot| slot.confirmed).max().unwrap_or(0);
    let slot = record.slot_mut(id);
    let untreed = Image { version: version.to_owned(), id: None, open: true, tries: 0, insecure: false };
    slot.image.get_or_insert(untreed);
    slot.state = SlotState::Good;
    slot.confirmed = highest.saturating_add(1);
    record.default = Some(id);
    Ok(())
}

/// Makes both copies valid and equal. From the copy that can be read; from the slots when there is none.
pub fn repair<M: Machine>(mut site: Site<'_, M>, force: bool) -> Result<Record, Error> {
    let view = site.look();
    match &view.trouble {
        None if view.loaded.is_whole() && view.loaded.lost_saves == 0 => return Ok(view.record),
        None | Some(RecordFault::Lost(_) | RecordFault::OtherDisk(_) | RecordFault::OneCopy(_)) => {}
        Some(RecordFault::Newer(_) | RecordFault::Unreadable(_)) if force => {}
        Some(trouble) => return Err(Error::Record(trouble.to_string())),
    }
    let is_read = matches!(
        view.loaded.selection,
        Selection::Current { .. }
            | Selection::Newer { record: Some(_), .. }
            | Selection::Newer { older: Some(_), .. }
    );
    // Of slots that say nothing comes a record that boots nothing, and is never made anew.
    if !is_read && view.record.slots.iter().all(|slot| slot.image.is_none()) {
        let text = "no slot says what it holds: are the keys there? Else `everboot record init --good SLOT`";
        return Err(Error::Record(text.to_owned()));
    }
    if matches!(view.trouble, Some(RecordFault::Lost(_))) && !view.can_persist && !force {
        return Err(Error::Record("not every slot can be read; repeat it, or --force".to_owned()));
    }
    if !is_read {
        refuse_unread(&view.record)?;
    }
    // Nothing of a record of this disk is taken from the slots.
    let is_ours = is_read && view.loaded.selection.disk() == Some(view.record.disk);
    if let (Some(index), false) = (view.parts.iter().position(|parts| parts.contains(&None)), is_ours) {
        return Err(Error::SlotMissing(view.record.slots[index].name.clone()));
    }
    let mut record = match view.trouble {
        // An attempt may stand in the copy that is lost, and must not be given back.
        Some(RecordFault::OneCopy(_)) if !force => lifecycle::end_trial(&view.record)?,
        _ => view.record.clone(),
    };
    // Somebody insists that this everboot can save the record again.
    if let Some(RecordFault::Newer(unread)) = view.trouble {
        // An older copy may call a slot a trial that the newer one has counted, or judged.
        if let (Unread::Version(_), Some(id)) = (unread, record.trial()) {
            record.slot_mut(id).state = SlotState::Proven;
        }
        record.extensions.retain(|extension| !extension.is_critical);
    }
    write(&site, view, record, "record repaired")
}

fn write<M: Machine>(
    site: &Site<'_, M>,
    mut view: View<M::Disk>,
    mut record: Record,
    text: &str,
) -> Result<Record, Error> {
    if let Some(
        trouble @ (RecordFault::Unusable(_)
        | RecordFault::ReadOnly(_)
        | RecordFault::Ambiguous(_)
        | RecordFault::Removable(_)
        | RecordFault::Partitions(_)),
    ) = &view.trouble
    {
        return Err(Error::Record(trouble.to_string()));
    }
    record.drop_orphans();
    let medium = view.medium.as_ref().ok_or_else(|| Error::Record(RecordFault::NoPartition.to_string()))?;
    view.loaded = store::save_both(medium, &view.loaded, &record)?;
    match &view.loaded.selection {
        Selection::Current { record: saved, .. } if **saved == record => {}
        _ => return Err(SaveError::ReadBack.into()),
    }
    view.can_persist = true;
    site.note(&view, Kind::Verb, text.to_owned());
    Ok(record)
}
