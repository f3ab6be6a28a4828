//! The checks that an image passes before a byte of it is written, wherever it comes from.

use super::{Error, STAGED, Site, View};
use crate::machine::{Access, Machine};
use everboot_core::lifecycle::{self, Refusal, admit};
use everboot_core::manifest::Manifest;
use everboot_core::record::{Record, Staged};
use everboot_storage::bundle::Bundle;
use everboot_storage::medium::{Medium, Staging};

impl<M: Machine> Site<'_, M> {
    /// Refuses an image that does not fit this machine.
    pub(super) fn admit(&self, manifest: &Manifest, record: &Record) -> Result<(), Error> {
        let installed = record.default.and_then(|id| record.slot(id).version());
        let kernel = self.machine.kernel_release();
        let compatible = self.config.compatible.as_str();
        let (floor, kernel) = (record.floor.as_str(), kernel.as_deref());
        let machine = lifecycle::Machine { compatible, installed, floor, kernel };
        Ok(admit(manifest, machine)?)
    }

    /// Opens the bundle that `staged` names, checking everything anew from the signature on: nothing that
    /// was true when it was staged is trusted.
    pub(super) fn open_staged<D: Medium>(
        &mut self,
        view: &View<D>,
        staged: &Staged,
    ) -> Result<Bundle<<M::Staging as Staging>::File>, Error> {
        let area = self.machine.staging(view.staging, Access::Read).map_err(Error::Staging)?;
        let file = area.open(STAGED).map_err(Error::Staging)?;
        let bundle = Bundle::open_insecure(file, self.keys, staged.image.insecure)?;
        if bundle.signed().digest() != staged.manifest {
            return Err(Error::Exchanged);
        }
        if view.record.bad_images.contains(&bundle.manifest().image_id()) {
            return Err(Refusal::RememberedBad.into());
        }
        self.admit(bundle.manifest(), &view.record)?;
        Ok(bundle)
    }
}
