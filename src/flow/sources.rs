//! Where the other images are that a delta needs.

use super::view::read_manifest;
use super::{Error, Site, View};
use crate::bundle::{self, Body, Bundle, Sources};
use crate::machine::{Access, Machine};
use crate::medium::Medium;
use crate::slot::SlotId;

impl<M: Machine> Site<'_, M> {
    /// The images that a delta needs, out of sealed slots other than `target`, which is written: an open one has
    /// changed since it was installed. None for a whole image.
    pub(super) fn sources<F: Medium>(
        &mut self,
        view: &View<M::Disk>,
        bundle: &Bundle<F>,
        target: Option<SlotId>,
    ) -> Result<Sources<M::Disk>, Error> {
        let mut sources = Sources::none();
        let Body::Delta(delta) = bundle.body() else { return Ok(sources) };
        for (root, _) in delta.sources() {
            let mut others = view.record.ids().map(|(id, _)| id).filter(|id| Some(*id) != target);
            let found = others.find_map(|id| {
                let part = self.machine.open(view.part(id).ok()?, Access::Read).ok()?;
                let manifest = read_manifest(&part, self.keys)?;
                let fits = manifest.payload.root_hash == *root && !manifest.payload.open;
                fits.then_some((part, manifest))
            });
            let (part, manifest) = found.ok_or(bundle::Error::Source { root: *root })?;
            sources.push(part, &manifest)?;
        }
        Ok(sources)
    }
}
