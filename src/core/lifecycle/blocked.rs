//! Why a machine takes no new image. [`place`](super::place) answers in this order, the first that holds:
//!
//! | code                  | when |
//! |-----------------------|------|
//! | `not-configured`      | `everboot.conf` cannot be used: the machine type is not known |
//! | `record-...`          | the record cannot be used or not be written; one code for each [`RecordFault`] |
//! | `trial-running`       | the running system is a trial that was not confirmed yet |
//! | `trial-pending`       | a slot waits for its trial, which does not run |
//! | `default-unconfirmed` | the only free slot is the way back from a default not confirmed in its latest boot |
//! | `only-bootable`       | the only free slot that could be written is the only one that can boot |
//! | `no-slot`             | every slot is the default or the running one |
//! | `slot-missing`        | the partition of the slot to be written is not there |
//!
//! What only a bundle or the staging area brings up (a wrong signature, too little room) is not asked here. A bundle
//! that is staged already may be staged again while the machine is blocked: nothing changes.

use super::RecordFault;
use crate::record::Record;
use crate::slot::{SlotId, SlotName};
use core::fmt;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// The machine type is not known.
    NotConfigured,
    /// The record cannot be used or written.
    Record(RecordFault),
    /// The running system is a trial.
    TrialRunning,
    /// A trial is due in a slot that does not run.
    TrialPending,
    /// Only good slots are left, and the default was not confirmed in its latest boot.
    DefaultUnconfirmed,
    /// The default cannot boot, and the slot that would be written is needed.
    OnlyBootable(SlotName),
    /// Every slot is the default or the running one.
    NoSlot,
    /// The slot that would be written has no partition.
    SlotMissing(SlotName),
}

impl Blocked {
    /// Its code; part of the interface.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::Record(trouble) => trouble.code(),
            Self::TrialRunning => "trial-running",
            Self::TrialPending => "trial-pending",
            Self::DefaultUnconfirmed => "default-unconfirmed",
            Self::OnlyBootable(_) => "only-bootable",
            Self::NoSlot => "no-slot",
            Self::SlotMissing(_) => "slot-missing",
        }
    }

    /// Of the trial in that slot.
    pub(super) fn trial(record: &Record, id: SlotId) -> Self {
        let is_running = record.last_boot.is_some_and(|boot| boot.slot == id);
        if is_running { Self::TrialRunning } else { Self::TrialPending }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => {
                f.write_str("everboot.conf cannot be used; `everboot doctor` says what is wrong with it")
            }
            Self::Record(trouble) => write!(f, "record: {trouble}"),
            Self::TrialRunning => {
                f.write_str("the running system is a trial; run `everboot confirm` or `everboot reject`")
            }
            Self::TrialPending => f.write_str(
                "another slot waits for its trial; run `everboot cancel`, or reboot and `confirm` it",
            ),
            Self::DefaultUnconfirmed => f.write_str(
                "the other good slot may be written only after the default was confirmed in its latest boot; \
                 run `everboot confirm`",
            ),
            Self::OnlyBootable(name) => write!(
                f,
                "{name} may not be written: no other good slot can boot; reboot, which tries {name}, and confirm it",
            ),
            Self::NoSlot => f.write_str(
                "every slot is the default or the running one: none may be written; reboot into the default slot",
            ),
            Self::SlotMissing(name) => {
                write!(f, "{name}: its partition was not found, or does not answer; `everboot doctor` says more")
            }
        }
    }
}

impl core::error::Error for Blocked {}
