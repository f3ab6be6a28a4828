//! The part of the configuration that the boot decision depends on.

use super::{Assess, Config, Lock};

/// Numbers and choices for trials and applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts of a trial whose image asks for none.
    pub tries: u8,
    /// Hand-offs of a trial.
    pub handoffs: u8,
    /// Starts of an apply without a newly proven block.
    pub apply_starts: u8,
    /// Starts of an apply, whatever they prove.
    pub apply_starts_in_all: u8,
    /// When boots are recorded.
    pub assess: Assess,
    /// Whether nothing is booted that no trusted key stands behind, not even when nothing else is left.
    pub strict: bool,
}

impl Config {
    /// What the decision needs of it.
    pub fn policy(&self) -> Policy {
        let Self { tries, handoffs, apply_starts, apply_starts_in_all, assess, lock, .. } = *self;
        let strict = lock == Lock::Strict;
        Policy { tries, handoffs, apply_starts, apply_starts_in_all, assess, strict }
    }
}
