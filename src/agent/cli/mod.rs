//! The command line, and the entry of the initramfs.
//!
//! A process is one of two: `/init`, which never ends ([`init`]), or a verb: the table of [`everboot_core::verbs`] says what
//! there is, [`arguments`] reads the command line by it, [`session`] opens the machine, [`run`] calls the
//! flow, and [`exit`] has the codes. Nothing is decided here.

mod arguments;
mod blocks;
mod boot_report;
mod doctor;
mod early;
mod exit;
mod explain;
mod fetch;
mod help;
mod init;
mod machine;
mod mount;
mod progress;
mod recovery;
mod run;
mod session;
mod settings;
mod shell;
mod status;
mod status_text;
mod text;

use arguments::Request;
use exit::{Answer, Exit, Failure};
use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

/// The process from its first line to its last.
pub(crate) fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let _name = arguments.next();
    everboot_agent::sys::watch_for_faults(init::is_init());
    if init::is_init() {
        init::run(&arguments.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>());
    }
    everboot_agent::sys::log_to_stderr(log::LevelFilter::Warn);
    let exit = tell(arguments::parse(arguments.collect()).and_then(|request| carry_out(request, false)));
    ExitCode::from(exit as u8)
}

/// Prints how a verb ended.
fn tell(result: Result<Answer, Failure>) -> Exit {
    match result {
        Ok(answer) => print(&answer),
        Err(failure) => {
            let verb = failure.verb.map_or(String::new(), |verb| format!("{verb}: "));
            // One line, whatever the words of the system were.
            let text = failure.text.replace('\n', "; ");
            let _ = writeln!(stderr(), "everboot: {verb}{text}");
            failure.exit
        }
    }
}

/// Does what is asked; `holds_lock` when this process holds the lock of the machine already.
fn carry_out(request: Request, holds_lock: bool) -> Result<Answer, Failure> {
    match request {
        Request::Help(None) => Ok(Answer::done(help::overview())),
        Request::Help(Some(verb)) => Ok(Answer::done(help::of(verb))),
        Request::Version => Ok(Answer::done(format!("everboot {}\n", env!("CARGO_PKG_VERSION")))),
        Request::Verb(arguments) => {
            let named = |failure| Failure { verb: Some(arguments.verb.name), ..failure };
            run::run(&arguments, holds_lock).map_err(named)
        }
    }
}

/// Prints the answer. A reader that has seen enough (`| head`) is no failure.
fn print(answer: &Answer) -> Exit {
    let mut out = stdout().lock();
    match out.write_all(answer.text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Exit::Failed,
        _ => answer.exit,
    }
}
