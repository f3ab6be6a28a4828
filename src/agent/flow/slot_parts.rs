//! Where the parts of the slots are.

use super::{Error, Site, View};
use crate::machine::{Access, Machine, PartitionRef};
use everboot_core::lifecycle::{Refusal, admit_parts};
use everboot_core::manifest::Manifest;
use everboot_core::slot::{PartName, SlotId};

impl<D> View<D> {
    /// Refuses a slot that the boot would not enter.
    pub(super) fn enterable(&self, id: SlotId) -> Result<(), Refusal> {
        if self.can_boot(id) { Ok(()) } else { Err(Refusal::CannotBoot(self.slots[id.index()].why.clone())) }
    }

    /// Whether the boot would enter a slot, were its state one that boots.
    pub(super) fn can_boot(&self, id: SlotId) -> bool {
        self.slots.get(id.index()).is_some_and(|slot| slot.seen.can_enter())
    }

    /// Where the root part of a slot is, if it is there.
    pub fn root(&self, id: SlotId) -> Option<PartitionRef> {
        let at = self.record.slot(id).parts.iter().position(|part| part.name.is_root())?;
        self.parts[id.index()][at]
    }

    /// The slot to which the partition at `at` belongs.
    pub(super) fn slot_at(&self, at: PartitionRef) -> Option<SlotId> {
        self.record.ids().map(|(id, _)| id).find(|id| self.parts[id.index()].contains(&Some(at)))
    }

    /// Where a part of a slot is.
    pub(super) fn part(&self, id: SlotId, name: &PartName) -> Result<PartitionRef, Error> {
        let slot = self.record.slot(id);
        let at = slot.parts.iter().position(|part| part.name == *name);
        at.and_then(|at| self.parts[id.index()][at]).ok_or_else(|| Error::SlotMissing(slot.name.clone()))
    }

    /// The same of its root part.
    pub(super) fn root_part(&self, id: SlotId) -> Result<PartitionRef, Error> {
        self.root(id).ok_or_else(|| Error::SlotMissing(self.record.slot(id).name.clone()))
    }
}

impl<M: Machine> Site<'_, M> {
    /// The parts of a slot, opened, in the order of the manifest. Refused when the slot is made of others.
    pub(super) fn open_parts(
        &mut self,
        view: &View<M::Disk>,
        id: SlotId,
        manifest: &Manifest,
        access: Access,
    ) -> Result<Vec<M::Disk>, Error> {
        admit_parts(manifest, view.record.slot(id))?;
        let mut parts = Vec::new();
        for image in &manifest.parts {
            let opened = self.machine.open(view.part(id, &image.name)?, access);
            parts.push(opened.map_err(|error| Error::Slot(view.record.slot(id).name.clone(), error))?);
        }
        Ok(parts)
    }
}
