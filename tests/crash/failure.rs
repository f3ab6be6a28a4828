//! What a search finds.

use super::step::Step;
use everboot_kit::violation::Violation;

/// A broken promise, and the way to it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub violation: Violation,
    pub steps: Vec<Step>,
}
