//! The slots that hold the images which a delta needs.

use super::view::read_manifest;
use super::{Error, STAGED, Site, View};
use crate::machine::{Access, Machine};
use everboot_core::lifecycle::Refusal;
use everboot_core::manifest::PartImage;
use everboot_core::slot::{RootHash, SlotId};
use everboot_storage::bundle::{self, Body, Bundle, Sources};
use everboot_storage::medium::{Medium, Staging};
use std::io::ErrorKind;

/// Which slots may hold the sources of a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceSlots {
    /// Sealed ones: what was true of them stays so.
    Sealed,
    /// Open ones, too. Their systems may write to them at any time; each block is checked when it is read, so a change
    /// fails the apply. For the running system, where an operator sees the error, never for early boot.
    Any,
}

impl<M: Machine> Site<'_, M> {
    /// The images that a delta needs for each part, out of slots other than `target`, which is written; of a sealed one
    /// rather than of an open one. None for a part that the bundle has whole.
    pub(super) fn sources<F: Medium>(
        &mut self,
        view: &View<M::Disk>,
        bundle: &Bundle<F>,
        target: Option<SlotId>,
        from: SourceSlots,
    ) -> Result<Vec<Sources<M::Disk>>, Error> {
        let mut all = Vec::new();
        for body in bundle.bodies() {
            let mut sources = Sources::none();
            if let Body::Delta(delta) = body {
                for (root, _) in delta.sources() {
                    let (part, image) = self.source(view, *root, target)?;
                    if image.open && from == SourceSlots::Sealed {
                        return Err(Refusal::OpenSource.into());
                    }
                    sources.push(part, &image)?;
                }
            }
            all.push(sources);
        }
        Ok(all)
    }

    /// A part of a slot that holds the image with this root hash.
    fn source(
        &mut self,
        view: &View<M::Disk>,
        root: RootHash,
        target: Option<SlotId>,
    ) -> Result<(M::Disk, PartImage), Error> {
        let (mut found, mut failed) = (None, None);
        for id in (0..view.record.slots.len()).map(|at| SlotId(at as u8)).filter(|id| Some(*id) != target) {
            match self.part_with(view, id, root) {
                Ok(Some((part, image))) if !image.open => return Ok((part, image)),
                Ok(open) => found = found.or(open),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        // A slot that does not answer may have it.
        found.ok_or(failed.unwrap_or(bundle::Error::Source { root }.into()))
    }

    /// The part of this slot that holds that image.
    fn part_with(
        &mut self,
        view: &View<M::Disk>,
        id: SlotId,
        root: RootHash,
    ) -> Result<Option<(M::Disk, PartImage)>, Error> {
        let failed = |error| Error::Slot(view.name(id).clone(), error);
        let part = self.machine.open(view.root_part(id)?, Access::Read).map_err(failed)?;
        let manifest = read_manifest(&part, self.keys).into_iter().flat_map(|manifest| manifest.parts);
        let Some(image) = { manifest }.find(|image| image.root_hash == root) else { return Ok(None) };
        let part = self.machine.open(view.part(id, &image.name)?, Access::Read).map_err(failed)?;
        Ok(Some((part, image)))
    }

    /// Refuses to leave the staged bundle for early boot if that would not find it, or if it is a delta that needs an
    /// open slot. A staging area that does not answer may do so by then; whatever else is wrong is found and reported
    /// there.
    pub(super) fn check_for_early_boot(&mut self, view: &View<M::Disk>, target: SlotId) -> Result<(), Error> {
        if !self.machine.has_usual_staging() {
            return Err(Refusal::OtherStaging.into());
        }
        let found = self.machine.staging(view.staging, Access::Read).and_then(|area| area.exists(STAGED));
        let is_missing = match found {
            Ok(is_there) => !is_there,
            Err(error) => error.source.kind() == ErrorKind::NotFound,
        };
        if is_missing {
            self.machine.close_staging();
            return Err(Error::Exchanged);
        }
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
