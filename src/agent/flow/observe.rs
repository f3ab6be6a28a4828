//! What a look says of each slot: whether the boot would enter it. The boot decides by this, and so does every verb
//! that writes a slot, chooses one, or foretells a boot.

use super::Site;
use crate::machine::{Access, Machine, PartitionRef, RootError};
use everboot_core::manifest::Manifest;
use everboot_core::mutant::{self, Mutant};
use everboot_core::record::{Record, Slot};
use everboot_core::slot::{RootFault, SlotObservation};
use everboot_storage::apply;
use everboot_storage::bundle::{Signed, TrustError};

/// What was seen of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSlot {
    /// What the decision reads.
    pub seen: SlotObservation,
    /// Why the boot would not enter it, or prefers other good slots; empty when neither.
    pub why: String,
    /// The generation of its confirmed mark, where the trailer was looked at and has one.
    pub mark: Option<u64>,
}

impl SeenSlot {
    /// Whether its partitions are not all there.
    pub(super) fn is_missing(&self) -> bool {
        self.seen == SlotObservation::Missing
    }
}

impl<M: Machine> Site<'_, M> {
    /// What is seen of each slot of a record, whose partitions are `parts`.
    pub(super) fn observe(&mut self, record: &Record, parts: &[Vec<Option<PartitionRef>>]) -> Vec<SeenSlot> {
        record.slots.iter().zip(parts).map(|(slot, parts)| self.observe_slot(slot, parts)).collect()
    }

    fn observe_slot(&mut self, slot: &Slot, parts: &[Option<PartitionRef>]) -> SeenSlot {
        let root = slot.parts.iter().position(|part| part.name.is_root()).and_then(|at| parts[at]);
        let (Some(root), true) = (root, parts.iter().all(Option::is_some)) else {
            let why = "its partition is not there".to_owned();
            return SeenSlot { seen: SlotObservation::Missing, why, mark: None };
        };
        match self.examine_root(slot, root) {
            Ok((None, mark)) => SeenSlot { seen: SlotObservation::Present, why: String::new(), mark },
            Ok((Some(why), mark)) => SeenSlot { seen: SlotObservation::OtherKernel, why, mark },
            Err(RootError { fault: RootFault::Device, why }) => {
                SeenSlot { seen: SlotObservation::Unread, why, mark: None }
            }
            Err(error) => SeenSlot { seen: SlotObservation::Failed(error.fault), why: error.why, mark: None },
        }
    }

    /// Whether a slot may be entered, when its trailer names the image that the record names: a record that is older
    /// than the slot must not have it booted; when somebody trusted has signed it, under a lock; and when an image that
    /// nobody trusted has signed may be booted here. Why it should come last, if it should, and the generation of its
    /// mark.
    fn examine_root(
        &mut self,
        slot: &Slot,
        at: PartitionRef,
    ) -> Result<(Option<String>, Option<u64>), RootError> {
        let refused = |why: &str| Err(RootError::new(RootFault::Unproven, why));
        let Some(image) = &slot.image else { return Ok((None, None)) };
        if image.insecure && !self.keys.allows_insecure() {
            return refused("INSECURE, and insecure = yes is not set here");
        }
        let is_locked = self.config.lock.is_on();
        let Some(expected) = image.id else {
            return if is_locked {
                refused("it was filled by other means, and lock is set")
            } else {
                Ok((None, None))
            };
        };
        if mutant::is(Mutant::TrailerUnread) {
            return Ok((None, None));
        }
        let part = self.machine.open(at, Access::Read).map_err(RootError::device)?;
        let seal = apply::read_seal(&part).map_err(RootError::device)?;
        let Some(seal) = seal.filter(|seal| seal.image == expected) else {
            return refused("its trailer does not name the image that the record names");
        };
        let signed = apply::read_trailer(&part).map_err(RootError::device)?.map(|trailer| trailer.signed);
        if is_locked && !signed.as_ref().is_some_and(|signed| self.is_vouched_for(signed)) {
            return refused("no key that is trusted here has signed its image, and lock is set");
        }
        Ok((self.other_kernel(signed.as_ref()), seal.mark))
    }

    /// Whether somebody trusted has signed this manifest, also one that only a newer everboot can read.
    fn is_vouched_for(&self, signed: &Signed) -> bool {
        match signed.accept(self.keys, true) {
            Err(TrustError::Manifest(error)) => error.is_newer(),
            verdict => verdict.is_ok(),
        }
    }

    /// Says so where an image has no modules for the kernel that runs, as far as that is known. The signature is not
    /// asked: this moves a slot behind others, and closes none.
    fn other_kernel(&self, signed: Option<&Signed>) -> Option<String> {
        let (kernel, manifest) = (self.machine.kernel_release()?, Manifest::parse(&signed?.manifest).ok()?);
        let modules = manifest.modules?;
        let is_other = !modules.contains(&kernel);
        is_other.then(|| {
            format!("its image has no modules for the running kernel {kernel}; other good slots boot first")
        })
    }
}
