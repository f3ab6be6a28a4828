//! The outcome of an early boot.

use crate::machine::Root;
use everboot_core::record::Record;
use everboot_core::slot::{SlotId, Uuid};

/// Where the boot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination<H> {
    /// The root of this slot is mounted and ready for the hand-off.
    Root(SlotId, Root, H),
    /// The same of the recovery slot.
    RecoverySlot(Root, H),
    /// Nothing can be booted, and nobody waits here for that to change.
    Recovery,
}

impl<H> Destination<H> {
    /// The hand-off to what was entered.
    pub fn hand_off(self) -> Option<H> {
        match self {
            Self::Root(_, _, hand_off) | Self::RecoverySlot(_, hand_off) => Some(hand_off),
            Self::Recovery => None,
        }
    }
}

/// The outcome of an early boot, for the hand-off and for `/run/everboot/boot.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<H> {
    /// Where it goes.
    pub destination: Destination<H>,
    /// The GUID of the partition whose root was entered.
    pub partition: Option<Uuid>,
    /// Why.
    pub reason: String,
    /// The record as it is now.
    pub record: Record,
    /// What was noticed on the way, oldest first.
    pub notes: Vec<String>,
    /// What was wrong with the record before this boot wrote it anew.
    pub record_faults: Vec<String>,
    /// What was done, with the milliseconds that it took.
    pub steps: Vec<(&'static str, u64)>,
}
