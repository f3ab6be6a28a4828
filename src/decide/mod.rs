//! The boot decision: a pure function of the record and of what this boot has observed so far.
//!
//! It is taken again after each action that failed, with that failure as a new observation, until a root is
//! entered. It has no error: every input has a target. [`settle`] first draws the conclusions that do not
//! depend on the choice; then the table below is read from the top, and the first row that matches wins.
//!
//! | row | when | target | next record |
//! |---|---|---|---|
//! | 1 | the record cannot be written | the default, another good slot, a proven one, the trial; once recovery has waited, as row 8; else as row 9 | not saved |
//! | 2 | `everboot.slot=` names an eligible slot | that slot | its attempt counted, if a trial |
//! | 3 | an apply is due | apply it | one start fewer |
//! | 4 | a trial is due | the trial | its attempt counted |
//! | 5 | the default is good | the default | |
//! | 6 | another slot is good | the one confirmed last | |
//! | 7 | a slot is proven, and none is on trial | that slot | a trial, its attempt counted |
//! | 8 | recovery has waited | the slot that was last good, else any that holds an image | |
//! | 9 | | recovery: wait, then look again | one round more |
//!
//! Rows 1 to 8 pass over slots that are missing or that failed in this boot. Invariants: a good slot is
//! never demoted here; a trial is never targeted without a counter going down in the same next record; no
//! count goes down when the record cannot be written.

mod choose;
mod settle;

use crate::config::Policy;
use crate::record::Record;
use crate::slot::{BadReason, SlotId};
use std::fmt;

/// What this boot has seen of a slot so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Its partition is there.
    Present,
    /// Its partition is not there.
    Missing,
    /// Entering it failed in this boot.
    Failed(Failure),
}

/// How entering a slot failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The device did not answer: says nothing about the image.
    Device,
    /// It holds nothing that can be mounted.
    NotMountable,
    /// It has no init.
    NoInit,
    /// Its trailer does not name the image that the record names.
    Unproven,
}

/// What this boot has seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    /// Whether the record can be made durable.
    pub can_persist: bool,
    /// Each slot of the record, in its order.
    pub slots: Vec<Seen>,
    /// The slot that the kernel command line asks for.
    pub request: Option<SlotId>,
    /// Whether the apply that was due has failed in this boot.
    pub apply_failed: bool,
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
    /// Show what is wrong, wait so many seconds, look at everything anew, decide again.
    Recovery {
        /// Seconds to wait.
        wait: u64,
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
    /// The apply to that slot was given up: all its starts brought nothing.
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
            Self::Fallback { .. } => f.write_str("fallback: the slot before it is missing or failed"),
            Self::Requested => f.write_str("asked for on the kernel command line"),
            Self::ApplyDue { starts_left } => {
                write!(f, "a staged image is due, {starts_left} more starts after this one")
            }
            Self::OnlyProven => f.write_str("no slot is good; this one is proven"),
            Self::NoRecord => f.write_str("the record cannot be written, so nothing new is tried"),
            Self::RecoveryRetry => f.write_str("recovery: trying the slot again that was last good"),
            Self::NothingLeft => f.write_str("no slot left to boot"),
        }
    }
}
