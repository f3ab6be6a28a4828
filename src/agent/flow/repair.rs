//! `repair`: writes the corrupt blocks of a slot anew.

use super::sources::SourceSlots;
use super::{Error, RecordFault, STAGED, Site};
use crate::machine::{Access, Machine};
use everboot_core::lifecycle::Refusal;
use everboot_core::record::history::Kind;
use everboot_core::slot::{BLOCK, SlotName, SlotState};
use everboot_storage::apply::{self, Progress};
use everboot_storage::bundle::Bundle;
use everboot_storage::medium::{Medium, Staging};

/// Where right blocks are to come from.
#[derive(Debug)]
pub enum BlockSource<'a, F> {
    /// The staged bundle if it is that image, else every slot.
    Any,
    /// This slot.
    Slot(&'a str),
    /// This bundle, of the same image.
    Bundle(F),
}

/// Writes the blocks of a sealed slot that are wrong, and no others; none is trusted before it has the digest that
/// follows from the slot's signed manifest, whoever gives it. Also beneath a mount that only reads.
///
/// The record is not saved, nor is the trailer touched: the state of the slot stays. The history has it, for a
/// medium that loses blocks is to be known; a cut before that leaves the repair out of the history. A cut leaves
/// a slot in which fewer blocks are wrong; repairing it again goes on.
pub fn repair_blocks<F: Medium, M: Machine<Staging: Staging<File = F>>>(
    mut site: Site<'_, M>,
    slot: &str,
    source: BlockSource<'_, F>,
) -> Result<(SlotName, SlotState, Progress), Error> {
    let view = site.look();
    // Repair needs no record that can be saved. But a block that it writes must not be another slot's, or on another
    // disk than the one that is meant.
    if let Some(trouble @ (RecordFault::Partitions(_) | RecordFault::Ambiguous(_))) = &view.trouble {
        return Err(Error::Record(trouble.to_string()));
    }
    let (id, parts, manifest) = site.treed(&view, slot, Access::Beneath)?;
    if let SlotState::Other(_) = view.record.slot(id).state {
        return Err(Refusal::NewerState.into());
    }
    if manifest.parts.iter().any(|image| image.open) {
        return Err(Refusal::Open(id).into());
    }
    let is_asked = matches!(source, BlockSource::Bundle(_));
    let (file, from) = match source {
        BlockSource::Bundle(file) => (Some(file), Vec::new()),
        BlockSource::Slot(name) => {
            let id = view.slot(name)?;
            view.root_part(id)?;
            (None, vec![id])
        }
        BlockSource::Any => {
            let area = site.machine.staging(view.staging, view.staging_access()).ok();
            (area.and_then(|area| area.open(STAGED).ok()), view.record.ids().map(|(id, _)| id).collect())
        }
    };
    let is_it = |bundle: &Bundle<F>| bundle.manifest().image_id() == manifest.image_id();
    let mut bundle = match file.map(|file| Bundle::open(file, site.keys)) {
        Some(Err(error)) if is_asked => return Err(error.into()),
        Some(Ok(bundle)) if is_it(&bundle) => Some(bundle),
        Some(Ok(_)) if is_asked => return Err(Error::OtherImage),
        _ => None,
    };
    let mut sources = Vec::new();
    if let Some(found) = &bundle {
        // What a person names may need an open slot; what is found need not be it.
        let from = if is_asked { SourceSlots::Any } else { SourceSlots::Sealed };
        match site.sources(&view, found, Some(id), from) {
            Ok(found) => sources = found,
            Err(error) if is_asked => return Err(error),
            // A delta, and what it tells the image by is gone.
            Err(_) => bundle = None,
        }
    }
    let machine = &mut *site.machine;
    let carried: Vec<_> = bundle.iter_mut().flat_map(Bundle::carried).map(|(_, carried)| carried).collect();
    let mut carried = carried.into_iter().zip(&mut sources);
    let mut progress = Ok(Progress { blocks: manifest.blocks(), ..Progress::default() });
    for (part, image) in parts.iter().zip(&manifest.parts) {
        let places = from.iter().filter_map(|id| view.part(*id, &image.name).ok());
        let others: Vec<_> = places.filter_map(|at| machine.open(at, Access::Read).ok()).collect();
        let (carried, threads) = (carried.next(), machine.threads());
        progress = progress.and_then(|before| {
            apply::repair(carried, (image, &others), (part, before), threads, &mut |progress| {
                machine.show_progress(progress.proven, progress.blocks);
            })
        });
    }
    site.machine.close_staging();
    let (slot, progress) = (view.record.slot(id), progress?);
    let (repaired, wrong) = (progress.bytes_written / BLOCK as u64, progress.blocks - progress.proven);
    if repaired + wrong > 0 {
        let blocks = if repaired == 1 { "block" } else { "blocks" };
        site.note(
            &view,
            Kind::Verb,
            format!("{}: {repaired} {blocks} repaired, {wrong} are wrong", slot.name),
        );
    }
    Ok((slot.name.clone(), slot.state, progress))
}
