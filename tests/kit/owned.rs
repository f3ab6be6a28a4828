//! A simulated machine, with the configuration and keys of its owner, whose test does not run again.

use crate::sim::{SimHandOff, SimMachine, SimOperator};
use everboot_agent::flow::{self, Site};
use everboot_core::config::{BootRequest, Config};
use everboot_core::record::Formats;
use everboot_storage::bundle::Keys;

/// The outcome of a boot of such a machine.
pub type Outcome = flow::Outcome<SimHandOff>;

/// Boots, and goes where the boot leads.
pub fn boot(site: Site<'_, SimMachine>, operator: &mut SimOperator, asked: Option<&BootRequest>) -> Outcome {
    let Site { machine, config, keys, formats } = site;
    machine.entered = None;
    let outcome = flow::boot(Site { machine: &mut *machine, config, keys, formats }, operator, asked);
    if let Some(hand_off) = outcome.destination.clone().hand_off() {
        hand_off.go(machine);
    }
    outcome
}

/// The machine.
pub struct Owned {
    pub machine: SimMachine,
    pub config: Config,
    pub keys: Keys,
    pub operator: SimOperator,
    pub formats: Formats,
}

impl Owned {
    /// What a verb or a boot works on.
    pub fn site(&mut self) -> Site<'_, SimMachine> {
        Site { machine: &mut self.machine, config: &self.config, keys: &self.keys, formats: self.formats }
    }

    /// Boots it.
    pub fn boot(&mut self) -> Outcome {
        let Self { machine, config, keys, operator, formats } = self;
        let formats = *formats;
        boot(Site { machine, config, keys, formats }, operator, None)
    }
}
