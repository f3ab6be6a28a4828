//! `record upgrade`, as [`super::System`] has it.

use super::answer::{Answer, Exit, Failure, Outcome};
use super::arguments::Arguments;
use super::session::Session;
use crate::flow::{self, Blind, Upgrade};
use crate::runtime::boot_report::BootReport;
use crate::sys::Roots;

/// Raises the format version of the record, and names every everboot on this machine that could not read it.
pub fn upgrade(roots: &Roots, session: &mut Session, arguments: &Arguments) -> Outcome {
    // Of the machine that runs, and of no disk in a file.
    let report = session.linux().and_then(|_| BootReport::read(roots));
    let initramfs = report.as_ref().map(|report| &*report.formats);
    let list = |blind: &[Blind]| blind.iter().map(|blind| format!("{blind}\n")).collect::<String>();
    match flow::upgrade(session.site(), initramfs, arguments.has("force"))? {
        Upgrade::Already(version) => Ok(Answer::done(format!("the record has version {version} already\n"))),
        Upgrade::Done(version, blind) => {
            Ok(Answer::done(format!("{}the record has version {version} now\n", list(&blind))))
        }
        Upgrade::Refused(version, blind) => {
            let blind = list(&blind).trim_end().replace('\n', "; ");
            let text = format!(
                "refused: not everything on this machine reads version {version} of the record: {blind}. Such an \
                 everboot still boots, but neither updates nor confirms; bring it up to date first, or --force"
            );
            Err(Failure::new(Exit::Refused, text))
        }
    }
}
