//! Where the other images are that a delta needs.

use super::view::read_manifest;
use super::{Error, Site, View};
use crate::bundle::{self, Body, Bundle, Sources};
use crate::machine::{Access, Machine};
use crate::medium::Medium;
use crate::slot::SlotId;

/// Which slots may tell a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tellers {
    /// Sealed ones: what was true of them stays so.
    Sealed,
    /// Open ones, too. Whoever runs one may write to it at any time, and each block is checked when it is read: so this is
    /// for the running system, where somebody is told, and never for early boot.
    Any,
}

impl<M: Machine> Site<'_, M> {
    /// The images that a delta needs, out of slots other than `target`, which is written; a sealed one first. None for a
    /// whole image.
    pub(super) fn sources<F: Medium>(
        &mut self,
        view: &View<M::Disk>,
        bundle: &Bundle<F>,
        target: Option<SlotId>,
        tellers: Tellers,
    ) -> Result<Sources<M::Disk>, Error> {
        let mut sources = Sources::none();
        let Body::Delta(delta) = bundle.body() else { return Ok(sources) };
        for (root, _) in delta.sources() {
            let others = view.record.ids().map(|(id, _)| id).filter(|id| Some(*id) != target);
            let found = others.filter_map(|id| {
                let part = self.machine.open(view.part(id).ok()?, Access::Read).ok()?;
                let manifest = read_manifest(&part, self.keys)?;
                let fits = !manifest.payload.open || tellers == Tellers::Any;
                (fits && manifest.payload.root_hash == *root).then_some((part, manifest))
            });
            let found = found.min_by_key(|(_, manifest)| manifest.payload.open);
            let (part, manifest) = found.ok_or(bundle::Error::Source { root: *root })?;
            sources.push(part, &manifest)?;
        }
        Ok(sources)
    }
}
