//! A bundle that is not a file on this machine yet: `everboot-fetch` brings it into the staging area, and then calls
//! this verb anew, with a source of the kind [`FETCHED`]. The lock is not held meanwhile: a download may take long, and
//! a system that has to be confirmed does not wait for it.

use super::answer::{Answer, Exit, Failure, Outcome};
use super::arguments::Arguments;
use crate::sys::{self, Roots};

/// The kind of the bundle that was fetched.
pub(crate) const FETCHED: &[u8] = b"fetched";

/// Whether the verb names what has to be fetched.
pub(crate) fn is_due(arguments: &Arguments) -> bool {
    arguments.verb.fetches && !matches!(arguments.kind(), b"" | FETCHED)
}

/// Has it fetched and staged. What is wrong, others have said.
pub fn fetch(roots: &Roots, arguments: &Arguments) -> Outcome {
    let failed = |text: &str| Failure::new(Exit::Failed, text);
    match sys::run_fetch(roots, &arguments.words).map_err(|error| failed(&error.to_string()))? {
        127 => Err(failed("everboot-fetch is not installed; install it, or give a file")),
        code => {
            let exit = Exit::ALL.get(usize::from(code)).copied().unwrap_or(Exit::Failed);
            Ok(Answer::text(String::new(), exit))
        }
    }
}
