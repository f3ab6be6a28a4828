//! Whoever sits at the console of a simulated machine.

use everboot_agent::machine::{Operator, OperatorChoice, RecoveryNotice};
use everboot_core::config::Breakpoint;

/// An operator whose choices, and how long they wait, are given beforehand.
#[derive(Debug, Default)]
pub struct SimOperator {
    /// Waits of recovery, in seconds; the operator gives up waiting after [`SimOperator::patience`] of them.
    pub waits: Vec<u64>,
    pub patience: usize,
    /// What recovery showed last.
    pub notice: Option<RecoveryNotice>,
    /// Where the boot stops.
    pub breakpoints: Vec<Breakpoint>,
    /// What is wished at each stop, last first.
    pub choices: Vec<OperatorChoice>,
}

impl SimOperator {
    /// One that waits so often.
    pub fn of_patience(patience: usize) -> Self {
        Self { patience, ..Self::default() }
    }
}

impl Operator for SimOperator {
    fn recover(&mut self, notice: &RecoveryNotice) -> OperatorChoice {
        self.waits.push(notice.wait);
        self.notice = Some(notice.clone());
        match self.waits.len() <= self.patience {
            true => self.choices.pop().unwrap_or(OperatorChoice::LookAgain),
            false => OperatorChoice::Leave,
        }
    }

    fn breakpoint(&mut self, point: Breakpoint) -> Option<OperatorChoice> {
        let wanted = self.breakpoints.iter().position(|wanted| *wanted == point)?;
        self.breakpoints.remove(wanted);
        Some(self.choices.pop().unwrap_or(OperatorChoice::LookAgain))
    }
}
