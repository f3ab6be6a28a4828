//! Why a step failed, and whether a retry may help.

use anyhow::Error;
use everboot_core::verbs::Exit;
use std::io::ErrorKind;
use std::thread::sleep;
use std::time::Duration;

/// Why.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) exit: Exit,
    /// Whether it may be over the next time.
    is_passing: bool,
    error: Error,
}

pub(crate) type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// What another try does not repair.
    pub(crate) fn lasting(exit: Exit, error: impl Into<Error>) -> Self {
        Self { exit, is_passing: false, error: error.into() }
    }

    /// What another try may repair.
    pub(crate) fn passing(error: impl Into<Error>) -> Self {
        Self { exit: Exit::Failed, is_passing: true, error: error.into() }
    }

    /// Whether another try may repair it.
    pub(crate) fn is_passing(&self) -> bool {
        self.is_passing
    }

    pub(crate) fn context(self, text: impl ToString) -> Self {
        Self { error: self.error.context(text.to_string()), ..self }
    }

    /// One line, whatever the words of others were. What a cause says that was said already is left out.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for cause in self.error.chain() {
            let text = cause.to_string().trim().replace('\n', "; ");
            if !line.ends_with(&text) {
                line += if line.is_empty() { "" } else { ": " };
                line += &text;
            }
        }
        line
    }
}

/// What fails on this machine is no better the next time.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
        let is_full =
            io.is_some_and(|io| matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded));
        Self::lasting(if is_full { Exit::NoSpace } else { Exit::Failed }, error)
    }
}

/// How often something is tried, and how long is waited in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tries {
    left: u32,
    wait: Duration,
    first: (u32, Duration),
}

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);

impl Tries {
    pub(crate) fn new(count: u32, wait: Duration) -> Self {
        Self { left: count - 1, wait, first: (count - 1, wait) }
    }

    /// As if nothing had failed yet.
    pub(crate) fn renew(&mut self) {
        (self.left, self.wait) = self.first;
    }

    /// Waits for the next try; hands the problem back when there is none, or when it would not help.
    pub(crate) fn again(&mut self, problem: Problem) -> Result<()> {
        if !problem.is_passing || self.left == 0 {
            return Err(problem);
        }
        eprintln!("everboot-fetch: {}; trying again in {} s", problem.line(), self.wait.as_secs());
        sleep(self.wait);
        self.left -= 1;
        self.wait = (self.wait * 2).min(WAIT_MAX);
        Ok(())
    }

    /// Does something that may have to be tried again.
    pub(crate) fn with_retries<T>(mut self, mut act: impl FnMut() -> Result<T>) -> Result<T> {
        loop {
            match act() {
                Ok(done) => return Ok(done),
                Err(problem) => self.again(problem)?,
            }
        }
    }
}
