//! What a partition is for, in a word.

use super::View;
use crate::machine::{PartitionRef, matches};
use everboot_core::config::Config;

impl<D> View<D> {
    /// The role of the partition at `at`; `None` when it is none of ours.
    pub fn role(&self, config: &Config, at: PartitionRef) -> Option<String> {
        if let Some(id) = self.slot_at(at) {
            return Some(format!("slot {}", self.record.slot(id).name));
        }
        let part = self.survey.partition(at);
        let roles = [
            (&config.record, "record"),
            (&config.staging, "staging area"),
            (&config.recovery, "recovery slot"),
        ];
        let role = roles.iter().find(|(locator, _)| matches(locator, part));
        role.map(|(_, role)| (*role).to_owned())
    }
}
