//! What a campaign is asked for.

use super::user_machine::UserMachine;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// So many distinct images.
    pub images: usize,
    /// So many boots of them in QEMU; more where each kind of outcome asks for one.
    pub boots: usize,
    /// Seconds for images, two thirds of them, and boots; what is not done then is left out.
    pub seconds: u64,
    /// The number that all chance comes from.
    pub seed: u64,
    /// Threads, and virtual machines.
    pub threads: usize,
    /// What a user brings, in place of the campaign's own machine and update.
    pub user_machine: UserMachine,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            images: 4000,
            boots: 40,
            seconds: 300,
            seed: 1,
            threads: 2,
            user_machine: UserMachine::default(),
        }
    }
}
