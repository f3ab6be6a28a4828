//! The boot decision: a pure function of the record and of what this boot has observed so far.
//!
//! It is taken again after each action that failed, with that failure as a new observation, until a root is
//! entered. It has no error: every input has a target. [`settle`] first draws the conclusions that do not
//! depend on the choice; then the table below is read from the top, and the first row that matches wins.
//!
//! | row | when | target | next record |
//! |---|---|---|---|
//! | 1 | somebody at the console names a slot that was proven once | that slot | its attempt counted, if a trial; the default, if asked so and good, while no trial is pending |
//! | 2 | recovery is asked for, and has not waited | the recovery slot; else, or when the shell is asked for, recovery | |
//! | 3 | the record cannot be written | the default, another good slot, a proven one, the trial; once recovery has waited, as row 10; then as row 11 | not saved |
//! | 4 | `everboot.slot=` names an eligible slot, the default or not below the floor | that slot | its attempt counted, if a trial |
//! | 5 | a slot is to be booted once | that slot | no longer so; its attempt counted, if a trial |
//! | 6 | an apply is due, and no device has failed it in this boot | apply it | one start fewer |
//! | 7 | a trial is due | the trial | its attempt counted |
//! | 8 | the default is good, or another slot | the default, else the one confirmed last, below the floor only if need be; those that have no modules for this kernel come last | the boot notes when it is not the default |
//! | 9 | a slot is proven, and none is on trial | that slot | a trial, its attempt counted |
//! | 10 | recovery has waited, and `lock = strict` is not set | the slot that was last good; then the recovery slot; without one any slot that holds an image, then any that was never written by everboot | |
//! | 11 | | recovery: wait, then look again | one round more |
//!
//! All rows pass over slots that are missing, that may not be entered because of their trailer, or that failed in this
//! boot; row 10 asks for no trailer, since nothing is left to lose. An apply that is due waits while the slots that
//! could boot without it are missing or do not answer. Invariants: a good slot is never
//! demoted here; a trial is never targeted without a counter going down in the same next record, unless the
//! record cannot be written and nothing else is left or somebody at the console says so.

mod choose;
mod settle;

use alloc::vec::Vec;
pub use choose::{FIRST_WAIT, LONGEST_WAIT};

use crate::config::Policy;
use crate::record::Record;
pub use crate::slot::SlotObservation;
use crate::slot::{BadReason, SlotId};
use core::fmt;

/// Where a boot is asked to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// By the kernel command line: to this slot, if it is eligible.
    Slot(SlotId),
    /// By the kernel command line: to recovery; with `shell` not to the recovery slot.
    Recovery {
        /// Whether the recovery slot is passed over.
        shell: bool,
    },
    /// By somebody at the console: to this slot, if it was proven once; with `keep` for good.
    Hand {
        /// The slot.
        slot: SlotId,
        /// Whether it becomes the default, if it is good.
        keep: bool,
    },
}

/// How an apply failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplyFault {
    /// Something is wrong with the bundle, or it was refused: another start would end in the same way.
    Image,
    /// A device did not answer, or not as it should: it may be there, or be well, at the next boot.
    Device,
}

/// What this boot has seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    /// Whether the record can be made durable.
    pub can_persist: bool,
    /// Each slot of the record, in its order.
    pub slots: Vec<SlotObservation>,
    /// The recovery slot.
    pub recovery: SlotObservation,
    /// Where this boot is asked to go.
    pub request: Option<Request>,
    /// How the apply that was due has failed in this boot.
    pub apply: Option<ApplyFault>,
    /// Whether recovery has waited and all was looked at anew since.
    pub recovery_waited: bool,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Enter the root of this slot and hand off.
    Boot(SlotId),
    /// Make this slot equal to the staged image, then decide again.
    Apply(SlotId),
    /// Enter the root of the recovery slot and hand off.
    RecoverySlot,
    /// Show what is wrong, wait so many seconds, look at everything anew, decide again.
    Recovery {
        /// Seconds to wait.
        wait: u64,
        /// Whether a shell is offered meanwhile: not while the recovery slot may still be booted.
        shell: bool,
    },
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing is due.
    Default,
    /// A trial is due: this is its attempt of that number.
    Trial {
        /// Tries left after this one.
        tries_left: u8,
    },
    /// A trial ended badly, in this very decision.
    RolledBack {
        /// The slot that became bad.
        from: SlotId,
        /// Why.
        why: BadReason,
    },
    /// The slot that comes first is missing or failed in this boot.
    Fallback {
        /// That slot.
        skipped: SlotId,
    },
    /// The kernel command line asks for it.
    Requested,
    /// Somebody at the console asks for it.
    ByHand,
    /// It was to be booted once.
    Once,
    /// A staged image is due.
    ApplyDue {
        /// Starts left after this one.
        starts_left: u8,
    },
    /// No slot is good, and this one is proven.
    OnlyProven,
    /// The record cannot be written, so nothing is tried that would have to be counted.
    NoRecord,
    /// Recovery has waited; this slot was the last good one.
    RecoveryRetry,
    /// Recovery has waited, and no slot is known to hold an image; this one may have been filled by other means.
    LastResort,
    /// There is nothing left to boot but the recovery slot.
    RecoverySlot,
    /// There is nothing left to boot.
    NothingLeft,
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The record to persist before acting; equal to the one before when there is nothing to persist.
    pub record: Record,
    /// What to do.
    pub target: Target,
    /// Why.
    pub reason: Reason,
    /// What became bad or was given up on the way, as [`settle`] found it.
    pub settled: Vec<Settled>,
}

/// A conclusion that was drawn before the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// A trial became bad.
    TrialBad(SlotId, BadReason),
    /// The apply to that slot was given up: it has used up its starts.
    ApplyAbandoned(SlotId),
    /// The apply to that slot failed in this boot, and is not tried again.
    ApplyFailed(SlotId),
    /// The slot that the apply names may not be written.
    ApplyRefused(SlotId),
}

/// Decides. See the table above.
pub fn decide(record: &Record, seen: &Observation, policy: &Policy) -> Decision {
    let mut next = record.clone();
    let settled = if seen.can_persist { settle::settle(&mut next, seen) } else { Vec::new() };
    let (target, reason) = choose::choose(&mut next, seen, policy, &settled);
    if !seen.can_persist {
        // Only the length of the waits is carried along.
        next = Record { recovery_rounds: next.recovery_rounds, ..record.clone() };
    }
    Decision { record: next, target, reason, settled }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default slot, nothing due"),
            Self::Trial { tries_left: 0 } => f.write_str("trial, the last try"),
            Self::Trial { tries_left: 1 } => f.write_str("trial, 1 more try after this one"),
            Self::Trial { tries_left } => write!(f, "trial, {tries_left} more tries after this one"),
            Self::RolledBack { why, .. } => write!(f, "rolled back: the trial is bad ({why})"),
            Self::Fallback { .. } => f.write_str("fallback: the slot that comes first is missing or failed"),
            Self::Requested => f.write_str("asked for on the kernel command line"),
            Self::ByHand => f.write_str("asked for at the console"),
            Self::Once => f.write_str("asked for with boot-once"),
            Self::ApplyDue { starts_left } => {
                write!(f, "a staged image is due, {starts_left} more starts after this one")
            }
            Self::OnlyProven => f.write_str("no slot is good; this one is proven"),
            Self::NoRecord => f.write_str("the record cannot be written, so nothing new is tried"),
            Self::RecoveryRetry => f.write_str("recovery: trying the slot again that was last good"),
            Self::LastResort => f.write_str("recovery: trying a slot of which nothing is known"),
            Self::RecoverySlot => f.write_str("recovery: no other slot can be booted"),
            Self::NothingLeft => f.write_str("no slot left to boot"),
        }
    }
}
