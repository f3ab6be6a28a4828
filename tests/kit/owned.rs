//! A simulated machine, with what its owner says of it, whose story is not told again.

use crate::sim::SimMachine;
use everboot_agent::flow::{self, Outcome, Site};
use everboot_core::config::Config;
use everboot_storage::bundle::Keys;

/// The machine.
pub struct Owned {
    pub machine: SimMachine,
    pub config: Config,
    pub keys: Keys,
}

impl Owned {
    /// What a verb or a boot works on.
    pub fn site(&mut self) -> Site<'_, SimMachine> {
        Site { machine: &mut self.machine, config: &self.config, keys: &self.keys }
    }

    /// Boots it.
    pub fn boot(&mut self) -> Outcome {
        self.machine.entered = None;
        flow::boot(self.site(), None)
    }
}
