//! What everboot does, from looking at the machine to the hand-off, and each verb of the running system.
//! Generic over the [`crate::machine`]; no byte offsets and no policy of its own.
//!
//! Every verb looks, asks `lifecycle` for the next record, and saves once. Where a verb also writes
//! elsewhere, its documentation gives the order and what a power cut leaves.

mod admission;
mod boot;
mod candidates;
mod conflict;
mod devices;
mod doctor;
mod error;
mod inspect;
mod made_again;
mod observe;
mod outcome;
mod prepare;
mod proof;
mod record;
mod repair;
mod role;
mod slot_parts;
mod sources;
mod stage;
mod upgrade;
mod verbs;
mod view;

pub use boot::boot;
pub use doctor::{Finding, Findings, Host, examine};
pub use error::Error;
pub use inspect::{SlotReport, Staging as StagingReport, Status, bootable, slot_difference, status};
pub use observe::SeenSlot;
pub use outcome::{Destination, Outcome};
pub use prepare::prepare;
pub use record::{init, repair};
pub use repair::{BlockSource, repair_blocks};
pub use stage::{Overrides, Receiver, StagedNow, receive, slots, stage};
pub use upgrade::{Blind, Upgrade, upgrade};
pub use verbs::{Confirmed, activate, boot_once, cancel, confirm, reject, rollback};
pub use view::View;

pub use everboot_core::lifecycle::RecordFault;

use everboot_core::config::Config;
use everboot_core::record::Formats;
use everboot_storage::bundle::Keys;

/// A machine together with what its owner says of it.
#[derive(Debug)]
pub struct Site<'a, M> {
    /// The machine.
    pub machine: &'a mut M,
    /// Its configuration.
    pub config: &'a Config,
    /// The keys that it trusts.
    pub keys: &'a Keys,
    /// The formats of the record that it reads and writes.
    pub formats: Formats,
}

/// Name of the staged bundle in the staging area.
pub const STAGED: &str = "staged.everboot";
/// Name of one that was fetched there, and is not staged yet. Nobody but `everboot-fetch` and its stage touches it.
pub const FETCHED: &str = "fetched.everboot";
/// Name of a copy there that is not complete.
pub const STAGED_PART: &str = "staged.everboot.part";
