//! The state of a slot, as the record keeps it.

use super::{RootFault, Tagged};
use core::fmt;

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// Nothing is known to be in it.
    Empty,
    /// An apply or a prepare began and did not end: its bytes are undefined.
    Writing,
    /// Every block was read back and found right; not to be booted until it is activated.
    Proven,
    /// To be tried at the next boot, until it is confirmed or a counter is used up.
    Trial {
        /// Attempts left. Counted down before each hand-off.
        tries_left: u8,
        /// Hand-offs left, whatever the evidence says of how the attempts ended. Never given back.
        handoffs_left: u8,
    },
    /// Confirmed by a running system.
    Good,
    /// Not to be booted.
    Bad {
        /// Why.
        reason: BadReason,
    },
    /// A newer everboot knows. Neither booted nor written here; `reject` makes it bad.
    Other(Tagged),
}

/// Why a slot is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadReason {
    /// All its attempts ended without a confirmation.
    TriesExhausted,
    /// The hard number of hand-offs was reached without a confirmation.
    HandoffsExhausted,
    /// Its root had [`RootFault::NotMountable`].
    NotMountable,
    /// Its root had [`RootFault::NoInit`].
    NoInit,
    /// The running system or an operator rejected it.
    Rejected,
    /// An operator returned to the previous good slot while this one was on trial.
    RolledBack,
    /// Its root had [`RootFault::Unproven`], which says nothing about the image.
    Unproven,
    /// A newer everboot knows.
    Other(Tagged),
}

impl SlotState {
    /// Whether everboot would hand off to a slot in this state without further ado.
    pub fn is_eligible(self) -> bool {
        match self {
            Self::Good => true,
            Self::Trial { tries_left, handoffs_left } => tries_left > 0 && handoffs_left > 0,
            Self::Empty | Self::Writing | Self::Proven | Self::Bad { .. } | Self::Other(_) => false,
        }
    }

    /// Whether its bytes were proven once, whatever became of it since: somebody may boot it by name.
    pub fn was_proven(self) -> bool {
        match self {
            Self::Empty | Self::Writing | Self::Bad { reason: BadReason::Unproven } | Self::Other(_) => false,
            Self::Proven | Self::Trial { .. } | Self::Good | Self::Bad { .. } => true,
        }
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Writing => f.write_str("writing"),
            Self::Proven => f.write_str("proven"),
            Self::Trial { tries_left, handoffs_left } => {
                let tries = if *tries_left == 1 { "try" } else { "tries" };
                let handoffs = if *handoffs_left == 1 { "hand-off" } else { "hand-offs" };
                write!(f, "trial ({tries_left} {tries} left, {handoffs_left} {handoffs} left)")
            }
            Self::Good => f.write_str("good"),
            Self::Bad { reason } => write!(f, "bad ({reason})"),
            Self::Other(tagged) => write!(f, "in state {}, which only a newer everboot knows", tagged.tag()),
        }
    }
}

impl BadReason {
    /// Why a trial whose root has this fault is bad; `None` when it stays a trial, because its image is not to blame.
    pub fn of(fault: RootFault) -> Option<Self> {
        match fault {
            RootFault::Device => None,
            RootFault::NotMountable => Some(Self::NotMountable),
            RootFault::NoInit => Some(Self::NoInit),
            RootFault::Unproven => Some(Self::Unproven),
        }
    }
}

impl fmt::Display for BadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TriesExhausted => f.write_str("all tries used without a confirmation"),
            Self::HandoffsExhausted => f.write_str("all hand-offs used without a confirmation"),
            Self::NotMountable => RootFault::NotMountable.fmt(f),
            Self::NoInit => RootFault::NoInit.fmt(f),
            Self::Rejected => f.write_str("rejected"),
            Self::RolledBack => f.write_str("rolled back by the operator"),
            Self::Unproven => RootFault::Unproven.fmt(f),
            Self::Other(tagged) => {
                write!(f, "reason {}, which only a newer everboot knows", tagged.tag())
            }
        }
    }
}
