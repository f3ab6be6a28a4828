//! Slots whose partition was made again: it has another PARTUUID than the record says.
//!
//! The partition on the same disk that has the name of the configuration is the slot when no other slot has it and it
//! holds what the record says, by a trailer that a trusted key has signed; of a slot without an image, when it holds
//! no trailer. The record that is decided by has the new PARTUUID then, and the next save keeps it. A cut before that
//! leaves the old one, and the next look finds the partition again.

use super::Site;
use crate::machine::{Access, Machine, PartitionRef, Survey, matches};
use everboot_core::record::{Record, Slot};
use everboot_core::slot::{Location, PartName};
use everboot_storage::apply;

impl<M: Machine> Site<'_, M> {
    /// Completes `parts`, those of the slots of the record, and the record.
    pub(super) fn find_made_again(
        &mut self,
        survey: &Survey,
        disk: Option<usize>,
        record: &mut Record,
        parts: &mut [Vec<Option<PartitionRef>>],
    ) {
        for index in 0..record.slots.len() {
            for part in 0..record.slots[index].parts.len() {
                let slot = &record.slots[index];
                let location = slot.parts[part].location;
                // Only a newer everboot finds the others.
                if parts[index][part].is_some() || location.partition().is_none() {
                    continue;
                }
                let named = self.named(survey, disk, slot, &slot.parts[part].name);
                let free = named.filter(|at| !parts.iter().flatten().any(|taken| *taken == Some(*at)));
                if let Some(at) = free.filter(|at| self.holds(slot, *at)) {
                    parts[index][part] = Some(at);
                    let guid = survey.partition(at).guid;
                    log::warn!(
                        "{}: its partition was made again, and has the PARTUUID {guid} now",
                        slot.name
                    );
                    record.slots[index].parts[part].location = Location::Partition(guid);
                }
            }
        }
    }

    /// The only partition of the disk that has the name which the configuration gives to a part of a slot.
    fn named(
        &self,
        survey: &Survey,
        disk: Option<usize>,
        slot: &Slot,
        part: &PartName,
    ) -> Option<PartitionRef> {
        let configured = self.config.slots.iter().find(|configured| configured.name == slot.name)?;
        let (_, locator) = configured.parts.iter().find(|(name, _)| name == part)?;
        let found = survey.find(|part| matches(locator, part));
        match found.into_iter().filter(|at| Some(at.disk) == disk).collect::<Vec<_>>()[..] {
            [at] => Some(at),
            _ => None,
        }
    }

    /// Whether a partition holds what the record says of the slot.
    fn holds(&mut self, slot: &Slot, at: PartitionRef) -> bool {
        let Ok(part) = self.machine.open(at, Access::Read) else { return false };
        if slot.image.is_none() {
            return matches!(apply::read_seal(&part), Ok(None));
        }
        let trailer = apply::read_trailer(&part).ok().flatten();
        let manifest = trailer.and_then(|trailer| trailer.signed.accept(self.keys, false).ok());
        manifest.is_some_and(|manifest| Some(manifest.image_id()) == slot.image_id())
    }
}
