//! Where the other images are that a delta needs.

use super::view::read_manifest;
use super::{Error, Site, View};
use crate::machine::{Access, Machine};
use everboot_core::lifecycle::Refusal;
use everboot_core::slot::SlotId;
use everboot_storage::bundle::{self, Body, Bundle, Sources};
use everboot_storage::medium::Medium;

/// Which slots may hold the sources of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceSlots {
    /// Sealed ones: what was true of them stays so.
    Sealed,
    /// Open ones, too. Their systems may write to them at any time; each block is checked when it is read, so a change
    /// fails the apply. For the running system, where somebody is told, never for early boot.
    Any,
}

impl<M: Machine> Site<'_, M> {
    /// The images that a delta needs, out of slots other than `target`, which is written; of a sealed one rather than
    /// of an open one. None for a whole image.
    pub(super) fn sources<F: Medium>(
        &mut self,
        view: &View<M::Disk>,
        bundle: &Bundle<F>,
        target: Option<SlotId>,
        from: SourceSlots,
    ) -> Result<Sources<M::Disk>, Error> {
        let mut sources = Sources::none();
        let Body::Delta(delta) = bundle.body() else { return Ok(sources) };
        for (root, _) in delta.sources() {
            let others = view.record.ids().map(|(id, _)| id).filter(|id| Some(*id) != target);
            let found = others.filter_map(|id| {
                let part = self.machine.open(view.part(id).ok()?, Access::Read).ok()?;
                let manifest = read_manifest(&part, self.keys)?;
                (manifest.payload.root_hash == *root).then_some((part, manifest))
            });
            let found = found.min_by_key(|(_, manifest)| manifest.payload.open);
            let (part, manifest) = found.ok_or(bundle::Error::Source { root: *root })?;
            if manifest.payload.open && from == SourceSlots::Sealed {
                return Err(Refusal::OpenSource.into());
            }
            sources.push(part, &manifest)?;
        }
        Ok(sources)
    }

    /// Refuses to leave the staged bundle for early boot if it is a delta that needs an open slot. Whatever else is
    /// wrong with it is found there, and told.
    pub(super) fn refuse_open_source(&mut self, view: &View<M::Disk>, target: SlotId) -> Result<(), Error> {
        let sources = view.record.update.bundle().cloned().and_then(|staged| {
            let bundle = self.open_staged(view, &staged).ok()?;
            Some(self.sources(view, &bundle, Some(target), SourceSlots::Sealed))
        });
        self.machine.close_staging();
        match sources {
            Some(Err(Error::Refused(Refusal::OpenSource))) => Err(Refusal::OpenSource.into()),
            _ => Ok(()),
        }
    }
}
