//! A staged bundle that is not what was staged: the staging area changes it while power is off.

use everboot_agent::flow::STAGED;
use everboot_kit::sim::DurableState;
use everboot_kit::sim::pages::Pages;

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagedDamage {
    /// One byte in its middle is another one.
    Flipped,
    /// It ends in its middle.
    CutOff,
}

impl StagedDamage {
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Flipped, "flip-staged"), (Self::CutOff, "cut-off-staged")];

    /// The disk with it; `None` where nothing is staged.
    pub fn of(self, durable: &DurableState) -> Option<DurableState> {
        let mut bytes = durable.files.get(STAGED)?.to_vec();
        let middle = bytes.len() / 2;
        match self {
            Self::Flipped => *bytes.get_mut(middle)? ^= 1,
            Self::CutOff => bytes.truncate(middle),
        }
        let mut durable = durable.clone();
        durable.files.insert(STAGED.to_owned(), Pages::of(&bytes));
        Some(durable)
    }
}
