//! `prepare`: write and prove the candidate in the running system.

use super::sources::SourceSlots;
use super::{Error, Site};
use crate::machine::{Access, Machine};
use everboot_core::lifecycle::{self, Refusal};
use everboot_core::record::history::Kind;
use everboot_core::slot::SlotName;
use everboot_storage::apply::{self, Progress};

/// Writes the staged image to a slot that neither runs nor is the default, and proves it.
///
/// Order: all checks, and for a delta that slots say they have what it needs; where the slot can boot, the proof of the
/// whole bundle → record: *preparing*, the slot *writing*, in both copies → apply → record: *proven*. A cut leaves a
/// slot that nobody boots, and a record that says how far it is; preparing again goes on with the same slot and writes
/// no proven block twice. It is not activated.
pub fn prepare<M: Machine>(mut site: Site<'_, M>) -> Result<(SlotName, Progress), Error> {
    let mut view = site.look().writable()?;
    view.place(site.config)?;
    let (next, target) = lifecycle::begin_prepare(&view.record, &|id| view.can_boot(id))?;
    let staged = next.update.bundle().cloned().ok_or(Refusal::NothingStaged)?;
    let mut bundle = site.open_staged(&view, &staged)?;
    let name = view.name(target).clone();
    let parts = site.open_parts(&view, target, bundle.manifest(), Access::Exclusive)?;
    apply::fits(&parts, bundle.manifest())?;
    let mut sources = match site.sources(&view, &bundle, Some(target), SourceSlots::Sealed) {
        Err(Error::Refused(Refusal::OpenSource)) => {
            let mut open = site.sources(&view, &bundle, Some(target), SourceSlots::Any)?;
            // It may have changed since the bundle was staged: that is found out before the slot is named *writing*.
            site.prove(&mut bundle, &mut open)?;
            open
        }
        sources => {
            let mut sealed = sources?;
            site.prove_before(&view, target, &mut bundle, &mut sealed)?;
            sealed
        }
    };
    view.save_writing(next)?;
    let machine = &mut *site.machine;
    let threads = machine.threads();
    let applied = apply::apply(&mut bundle, &mut sources, &parts, threads, &mut |progress| {
        machine.show_progress(progress.proven, progress.blocks);
    });
    drop(bundle);
    site.machine.close_staging();
    let progress = applied?;
    view.save(lifecycle::prepared(&view.record))?;
    site.note(&view, Kind::Update, view.record.slot(target).to_string());
    Ok((name, progress))
}
