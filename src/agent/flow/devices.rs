//! Whether the devices of an early boot have come.

use super::Site;
use crate::machine::{Machine, matches};
use everboot_core::config::Locator;
use everboot_core::record::Update;

impl<M: Machine> Site<'_, M> {
    /// Whether the record and all slots are there, and, when an apply is due, the staging area. A boot goes on
    /// without what does not come in time.
    pub fn is_complete(&mut self) -> bool {
        let Ok(survey) = self.machine.survey() else { return false };
        let has = |locator: &Locator| !survey.find(|part| matches(locator, part)).is_empty();
        if !has(&self.config.record)
            || !self.config.slots.iter().flat_map(|slot| &slot.parts).all(|(_, locator)| has(locator))
        {
            return false;
        }
        has(&self.config.staging) || !matches!(self.look().record.update, Update::Due { .. })
    }
}
