//! How a verb ended, on standard output and standard error.

use super::answer::{Answer, Exit, Failure, Outcome};
use crate::sys::{self, Output};
use std::io::ErrorKind;

/// Prints how a verb ended; returns the code to end with.
pub fn tell(outcome: Outcome) -> Exit {
    match outcome {
        Ok(answer) => print(&answer),
        Err(failure) => complain(&failure),
    }
}

/// One line, whatever the words of the system were.
pub fn complain(failure: &Failure) -> Exit {
    let verb = failure.verb.map_or(String::new(), |verb| format!("{verb}: "));
    let text = failure.text.replace('\n', "; ");
    let _ = sys::print(Output::Message, &format!("everboot: {verb}{text}\n"));
    failure.exit
}

/// Prints the answer. A reader that has seen enough (`| head`) is no failure.
fn print(answer: &Answer) -> Exit {
    match sys::print(Output::Answer, &answer.output.text()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Exit::Failed,
        _ => answer.exit,
    }
}
