//! The verbs: functions from record to record. Nothing here writes; the caller saves once, afterwards.
//!
//! | verb | from | to | refused when |
//! |---|---|---|---|
//! | stage | any update | staged | the image is remembered as bad; the default already has it; the machine takes no image ([`place`], which `flow` asks) |
//! | begin prepare | staged, preparing, due | preparing, target *writing* | nothing is staged; a trial is pending; no slot may be written |
//! | prepared | preparing | kept, target *proven* | |
//! | activate | staged, preparing; a *proven* slot | due; *trial* | nothing to activate; another trial is pending; no slot may be written; the slot is below the floor; early boot would not find the bundle, or a delta needs an open slot (`flow` finds that) |
//! | applied | due | kept, target *trial* | |
//! | confirm | the booted slot *trial* or *good*, or another one while no default is good | *good*; default, unless it is good and was booted by name | no boot is recorded; the slot holds no image; it was rejected or rolled back; its state is not known here |
//! | reject | *trial*, *proven*, *good*, not known here | *bad* | it is the only good slot that can boot; it holds no image |
//! | rollback | a trial; two good slots | trial *bad*; the other one, or the one that is named, default | there is no other good slot that can boot; the named one is not good; it is below the floor, unless forced |
//! | boot once | a slot that was proven once | the next boot goes there, and only the next | it holds no image; it is bad or below the floor, unless forced; an update is about to write it |
//! | cancel | any update; a trial that was not booted | no update; *proven* | the trial is running |
//!
//! An update of which only a newer everboot knows where it stands is refused by stage, prepare and activate, and
//! withdrawn by cancel.
//!
//! A verb whose result is already there succeeds and changes nothing. The exception is rollback between two
//! good slots: doing it again undoes it.

mod admit;
mod attempt;
mod blocked;
mod floor;
mod newer;
mod once;
mod rebuild;
mod record_fault;
mod target;
mod target_slot;
mod update;
mod verdict;

pub use admit::{Machine, Unfit, admit, admit_parts, image_of};
pub use attempt::counts_attempt;
pub use blocked::Blocked;
pub use floor::{below_floor, may_choose, raise_floor};
pub use newer::in_order;
pub use once::{boot_once, not_once};
pub use rebuild::{Found, rebuild};
pub use record_fault::RecordFault;
pub use target::{CanBoot, choose_target, may_write};
pub use target_slot::{MachineFacts, place};
pub use update::{
    Activated, activate, applied, begin_apply, begin_prepare, cancel, end_trial, prepared, progressed, stage,
    untried,
};
pub use verdict::{Confirmation, confirm, reject, rollback};

use crate::config::Policy;
use crate::record::Record;
use crate::slot::{BadReason, SlotId, SlotState};
use alloc::string::String;
use core::fmt;

/// Why a verb did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// This image failed here before.
    RememberedBad,
    /// The default slot already holds this image.
    AlreadyInstalled,
    /// Nothing is staged, or prepared.
    NothingStaged,
    /// The trial in that slot is the system that runs.
    TrialRunning(SlotId),
    /// The machine takes no new image.
    Blocked(Blocked),
    /// It is not recorded which slot runs.
    NotBooted,
    /// It is the only good slot.
    OnlyGood(SlotId),
    /// There is no other good slot.
    NoOtherGood,
    /// The slot holds nothing that could be booted, confirmed or rejected.
    NothingIn(SlotId),
    /// An update is about to write the slot, which it could not once it was booted.
    AboutToBeWritten(SlotId),
    /// The boot would not enter the slot; the text says why.
    CannotBoot(String),
    /// The slot is bad.
    Bad(BadReason),
    /// The slot is not good.
    NotGood(SlotState),
    /// Somebody said in this boot that the slot is bad.
    Rejected(SlotId),
    /// Only a newer everboot knows the state of the slot.
    NewerState,
    /// Only a newer everboot knows where the update stands.
    NewerUpdate,
    /// The slot holds an older version than the floor.
    BelowFloor,
    /// The configuration does not allow that an image comes without a trusted signature.
    NotInsecure,
    /// The slot's system changes it as it runs.
    Open(SlotId),
    /// What the staged delta needs is in an open slot only.
    OpenSource,
    /// The staged bundle is not where early boot looks for it.
    OtherStaging,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RememberedBad => {
                f.write_str("this image failed on this machine before; --force tries it again")
            }
            Self::AlreadyInstalled => f.write_str("the default slot already holds this image; --force takes it all the same"),
            Self::NothingStaged => {
                f.write_str("nothing is staged; run `everboot stage FILE`")
            }
            Self::TrialRunning(_) => Blocked::TrialRunning.fmt(f),
            Self::Blocked(why) => why.fmt(f),
            Self::NotBooted => {
                f.write_str("the record does not say which slot runs; boot through everboot, or name a slot")
            }
            Self::OnlyGood(_) => f.write_str("no other good slot can boot; without this one nothing could be booted"),
            Self::NoOtherGood => f.write_str("there is no other good slot to return to that can boot"),
            Self::NothingIn(_) => f.write_str("the slot holds no image"),
            Self::AboutToBeWritten(_) => {
                f.write_str("an update is about to write the slot; run `everboot cancel` first")
            }
            Self::CannotBoot(why) => write!(f, "the boot would not enter the slot: {why}"),
            Self::Bad(reason) => write!(f, "the slot is bad ({reason}); --force boots it all the same, once"),
            Self::NewerState => f.write_str(
                "a newer everboot put the slot into a state that this one does not know; use that one, or `everboot reject` the slot",
            ),
            Self::NewerUpdate => f.write_str(
                "a newer everboot began the update, and this one does not know where it stands; use that one, or run `everboot cancel`",
            ),
            Self::NotGood(state) => write!(f, "only a good slot can be returned to; this one is {state}"),
            Self::Rejected(_) => f.write_str("it was rejected or rolled back, and is not confirmed any more; reboot to leave it"),
            Self::BelowFloor => {
                f.write_str("the slot's version is below the floor; only `rollback` and `boot-once` choose it, with --force")
            }
            Self::NotInsecure => f.write_str("--insecure needs `insecure = yes` in everboot.conf"),
            Self::Open(_) => f.write_str("an open slot cannot be repaired: its own system changes it"),
            Self::OtherStaging => f.write_str(
                "early boot does not look into --staging DIR: `everboot prepare` the bundle, or stage it without --staging",
            ),
            Self::OpenSource => f.write_str(
                "the delta needs an open slot, which early boot does not read: `everboot prepare` it, or use the whole bundle",
            ),
        }
    }
}

impl core::error::Error for Refusal {}

impl From<Blocked> for Refusal {
    fn from(why: Blocked) -> Self {
        Self::Blocked(why)
    }
}

/// Refuses a slot that nobody may choose without force.
pub fn not_below(record: &Record, id: SlotId) -> Result<(), Refusal> {
    if may_choose(record, id) { Ok(()) } else { Err(Refusal::BelowFloor) }
}

/// Marks the slot as bad and remembers its image, unless the image was never seen there.
pub fn make_bad(record: &mut Record, id: SlotId, reason: BadReason) {
    record.slot_mut(id).state = SlotState::Bad { reason };
    drop_once(record, id);
    if reason == BadReason::Unproven {
        return;
    }
    record.remember_bad(record.slot(id).image_id());
}

/// Marks the slot as being written: nothing is known of its content from now on.
pub fn make_writing(record: &mut Record, id: SlotId) {
    let slot = record.slot_mut(id);
    slot.state = SlotState::Writing;
    slot.image = None;
    slot.confirmed = 0;
    drop_once(record, id);
}

/// Nobody who wished to boot the slot once knew what has become of it now.
fn drop_once(record: &mut Record, id: SlotId) {
    record.once = record.once.filter(|once| *once != id);
}

/// Makes a proven slot a trial with all its attempts.
pub fn make_trial(record: &mut Record, id: SlotId, policy: &Policy) {
    let asked = record.slot(id).image.as_ref().map_or(0, |image| image.tries);
    let tries_left = if asked == 0 { policy.tries } else { asked };
    record.slot_mut(id).state = SlotState::Trial { tries_left, handoffs_left: policy.handoffs };
}
