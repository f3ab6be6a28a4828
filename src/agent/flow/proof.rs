//! Proving a bundle before anything is given up for it.

use super::{Error, Site, View};
use crate::machine::Machine;
use everboot_core::slot::{SlotId, SlotState};
use everboot_storage::apply;
use everboot_storage::bundle::{Bundle, Sources};
use everboot_storage::medium::Medium;

impl<M: Machine> Site<'_, M> {
    /// Reads the whole bundle and proves it, where the slot that it is about to be written to can boot: promise 7. The
    /// staging area may have changed it since it was staged. Where nothing can be lost it is not read twice.
    pub(super) fn prove_before<F: Medium>(
        &mut self,
        view: &View<M::Disk>,
        target: SlotId,
        bundle: &mut Bundle<F>,
        sources: &mut [Sources<M::Disk>],
    ) -> Result<(), Error> {
        match view.record.slot(target).state {
            SlotState::Good | SlotState::Proven => self.prove(bundle, sources),
            _ => Ok(()),
        }
    }

    /// The same, whatever is in the slot.
    pub(super) fn prove<F: Medium>(
        &mut self,
        bundle: &mut Bundle<F>,
        sources: &mut [Sources<M::Disk>],
    ) -> Result<(), Error> {
        let machine = &mut *self.machine;
        let threads = machine.threads();
        Ok(apply::check(bundle, sources, threads, &mut |done, of| machine.show_progress(done, of))?)
    }
}
