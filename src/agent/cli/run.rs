//! What each verb does: one function of `flow`, and the words for its outcome.

use super::arguments::{Arguments, usage};
use super::blocks::{repair, verify};
use super::boot_report::BootReport;
use super::doctor::doctor;
use super::exit::{Answer, Exit, Failure};
use super::explain::{Explanation, facts, why};
use super::recovery::emergency;
use super::session::{self, Session};
use super::shell::{Opening, Place, Shell};
use super::status::{StatusReport, name};
use super::text::list;
use super::{early, fetch, mount};
use everboot_agent::flow::{self, Destination};
use everboot_agent::sys::{self, FileMedium};
use everboot_core::config::Asked;
use everboot_core::lifecycle::{Activated, Refusal};
use everboot_core::record::history::Kind;
use everboot_core::record::{Record, Update};
use everboot_core::slot::{SlotId, SlotName, SlotState};
use everboot_core::verbs::{Action, Verb};
use everboot_storage::apply::Progress;
use serde::Serialize;
use std::path::Path;

pub(super) type Outcome = Result<Answer, Failure>;

/// Runs a verb.
pub(crate) fn run(arguments: &Arguments, holds_lock: bool) -> Outcome {
    match without_session(arguments) {
        Some(outcome) => outcome,
        None if fetch::is_due(arguments) => fetch::fetch(arguments),
        None => with_session(&mut Session::open(arguments, holds_lock)?, arguments),
    }
}

/// What needs no session, and what is refused; absent for all else.
fn without_session(arguments: &Arguments) -> Option<Outcome> {
    let wrong = |text| Some(Err(usage(Some(arguments.verb), text)));
    let refused = |text: &str| Some(Err(Failure::new(Exit::Refused, text)));
    match arguments.verb.action {
        _ if arguments.verb.is_for_shell() => wrong("expected in the shell only: see `everboot shell`"),
        Action::Shell if arguments.has("emergency") => Some(emergency(arguments)),
        Action::Shell => Some(Ok(shell(arguments))),
        Action::Boot if arguments.word(0).is_some() => refused(
            "refused: SLOT is for the shell of an early boot; `everboot boot-once SLOT`, then a reboot, \
             does it from here",
        ),
        Action::Boot if arguments.has("sysroot") => Some(early::boot(arguments)),
        Action::Boot if !arguments.has("disk") => {
            wrong("expected --sysroot DIR in an initramfs, or --disk FILE")
        }
        _ if speaks_of_the_running_system(arguments) && sys::is_in_initramfs() => {
            refused("refused: no system runs here of which it could be said; see `everboot help`")
        }
        _ => None,
    }
}

fn with_session(session: &mut Session, arguments: &Arguments) -> Outcome {
    let action = arguments.verb.action;
    match action {
        Action::Status | Action::Slots => status(session, arguments.has("json"), action == Action::Slots),
        Action::Explain => explain(session, arguments),
        Action::Why => tell_why(session, arguments.has("disk")),
        Action::Log => log(session),
        Action::Stage => stage(session, arguments),
        Action::Prepare => prepare(session),
        Action::Apply => apply(session),
        Action::Activate => activate(session),
        Action::Install => install(session, arguments),
        Action::Cancel => {
            flow::cancel(session.site())?;
            Ok(Answer::done("nothing is due or staged any more\n"))
        }
        Action::Confirm => {
            let slot = flow::confirm(session.site())?;
            Ok(Answer::done(format!("{slot}: confirmed\n")))
        }
        Action::Reject => {
            let slot = flow::reject(session.site(), arguments.word(0).as_deref())?;
            Ok(Answer::done(format!("{slot}: rejected\n")))
        }
        Action::Rollback => {
            let slot = flow::rollback(session.site(), arguments.word(0).as_deref(), arguments.has("force"))?;
            Ok(Answer::done(format!("{slot}: boots next\n")))
        }
        Action::BootOnce => boot_once(session, arguments),
        Action::Verify => verify(session, &arguments.word(0).unwrap_or_default()),
        Action::Repair => repair(session, arguments),
        Action::Doctor => doctor(session, arguments.has("disk"), arguments.has("json")),
        Action::RecordShow => show_record(session),
        Action::RecordInit => init_record(session, arguments),
        Action::RecordRepair => {
            let record = flow::repair(session.site(), arguments.has("force"))?;
            Ok(Answer::done(format!("both copies are good\n{}", lines(&facts(&record)))))
        }
        Action::Disks => Ok(Answer::done(mount::disks(session))),
        Action::Mount => Ok(Answer::done(mount::mount(session, arguments)?.text)),
        Action::Unmount => Ok(Answer::done(mount::unmount(arguments)?)),
        Action::Boot => boot(session, arguments.text("slot").as_deref()),
        // The parser answers the one, and what comes before a session the others.
        Action::Help | Action::Shell | Action::Sh | Action::Leave | Action::Reboot | Action::PowerOff => {
            Ok(Answer::done(""))
        }
    }
}

/// Whether the verb judges the system that runs.
fn speaks_of_the_running_system(arguments: &Arguments) -> bool {
    match arguments.verb.action {
        Action::Confirm => !arguments.has("disk"),
        Action::Reject => arguments.word(0).is_none() && !arguments.has("disk"),
        _ => false,
    }
}

pub(crate) fn json(report: &impl Serialize) -> Outcome {
    let text =
        serde_json::to_string(report).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok(Answer::done(text + "\n"))
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn status(session: &mut Session, as_json: bool, slots_only: bool) -> Outcome {
    let status = flow::status(session.site(), None)?;
    let report = StatusReport::new(&session.config.compatible, &status);
    if slots_only {
        return Ok(Answer::done(report.slots_text()));
    }
    if as_json { json(&report) } else { Ok(Answer::done(report.text())) }
}

fn explain(session: &mut Session, arguments: &Arguments) -> Outcome {
    let status = flow::status(session.site(), arguments.text("slot").as_deref())?;
    let explanation = Explanation::new(&status);
    if arguments.has("json") { json(&explanation) } else { Ok(Answer::done(explanation.text())) }
}

fn tell_why(session: &mut Session, is_file: bool) -> Outcome {
    let report = if is_file { None } else { BootReport::read_text() };
    let history = session.site().look().history();
    Ok(Answer::done(why(report, history.latest(Kind::Boot))))
}

fn log(session: &mut Session) -> Outcome {
    let mut text = String::new();
    for entry in session.site().look().history().entries {
        let lines: Vec<_> = entry.text.lines().map(str::to_owned).collect();
        let kind = match entry.kind {
            Kind::Boot => "boot",
            Kind::Update => "update",
            Kind::Verb => "verb",
        };
        list(&mut text, kind, &lines, "-");
    }
    if session.linux().is_some() {
        list(&mut text, "this run", &sys::kernel_lines(), "nothing");
    }
    Ok(Answer::done(text))
}

/// The bundle that is named; absent for the one that was fetched.
fn named_bundle(arguments: &Arguments) -> Result<Option<FileMedium>, Failure> {
    if arguments.kind() == fetch::FETCHED {
        return Ok(None);
    }
    open_bundle(&arguments.argument(0).unwrap_or_default()).map(Some)
}

pub(super) fn open_bundle(path: &Path) -> Result<FileMedium, Failure> {
    FileMedium::open(path, everboot_agent::machine::Access::Read)
        .map_err(|error| Failure::new(Exit::Failed, format!("bundle: {error}")))
}

fn insist(arguments: &Arguments) -> flow::Insist {
    flow::Insist { force: arguments.has("force"), insecure: arguments.has("insecure") }
}

fn stage(session: &mut Session, arguments: &Arguments) -> Outcome {
    let source = named_bundle(arguments)?;
    let staged = flow::stage(session.site(), source, insist(arguments))?;
    Ok(Answer::done(format!("staged version {}, {} bytes\n", staged.version, staged.bytes)))
}

/// The slot that holds the kept bundle's image, to be activated or on trial: preparing it is done already.
fn prepared(record: &Record) -> Option<SlotId> {
    let Update::Kept(bundle) = &record.update else { return None };
    let holds = |state| matches!(state, SlotState::Proven | SlotState::Trial { .. });
    let hash = bundle.image.root_hash;
    let mut slots = record.ids().filter(|(_, slot)| holds(slot.state));
    slots.find(|(_, slot)| slot.root_hash() == hash).map(|(id, _)| id)
}

fn prepare(session: &mut Session) -> Outcome {
    let record = session.site().look().record;
    if let Some(id) = prepared(&record) {
        return Ok(Answer::done(format!("{}: prepared already\n", name(&record, id))));
    }
    let (slot, progress) = flow::prepare(session.site())?;
    Ok(Answer::done(format!("{slot}: prepared, {}\n", amount(progress))))
}

/// What the early boot does with an image that is due.
fn apply(session: &mut Session) -> Outcome {
    let written = prepare(session)?.text;
    Ok(Answer::done(written + &activate(session)?.text))
}

fn amount(progress: Progress) -> String {
    format!("{} of {} blocks written", progress.written, progress.blocks)
}

fn activate(session: &mut Session) -> Outcome {
    let (activated, slot) = flow::activate(session.site())?;
    Ok(Answer::done(match activated {
        Activated::Apply(_) => format!("{slot}: the next boot applies the staged image and tries it\n"),
        Activated::Trial(_) => format!("{slot}: the next boot tries it\n"),
    }))
}

fn install(session: &mut Session, arguments: &Arguments) -> Outcome {
    let source = named_bundle(arguments)?;
    let mut text = String::new();
    match flow::stage(session.site(), source, insist(arguments)) {
        Ok(staged) => text.push_str(&format!("staged version {}\n", staged.version)),
        Err(flow::Error::Refused(Refusal::AlreadyInstalled)) => {
            return Ok(Answer::done("the default slot already holds this image\n"));
        }
        Err(error) => return Err(error.into()),
    }
    text.push_str(&prepare(session)?.text);
    text.push_str(&activate(session)?.text);
    Ok(Answer::done(text))
}

fn show_record(session: &mut Session) -> Outcome {
    let status = flow::status(session.site(), None)?;
    let mut text = format!("generation: {}\n", status.generation);
    for (place, fault) in ["first", "last"].iter().zip(&status.faults) {
        let state = fault.as_ref().map_or("good".to_owned(), ToString::to_string);
        text.push_str(&format!("{place} copy: {state}\n"));
    }
    text.push_str(&format!("disk: {}\n", status.record.disk));
    text.push_str(&lines(&facts(&status.record)));
    for slot in &status.record.slots {
        let hash = slot.root_hash().map_or("none".to_owned(), |hash| hash.to_string());
        text.push_str(&format!("{}: partition {}, confirmed {}\n", slot.name, slot.part, slot.confirmed));
        text.push_str(&format!("{}: root hash {hash}\n", slot.name));
    }
    for hash in &status.record.bad_images {
        text.push_str(&format!("bad image: {hash}\n"));
    }
    let exit = if status.trouble.is_some() { Exit::Record } else { Exit::Done };
    if let Some(trouble) = status.trouble {
        text.push_str(&format!("trouble: {trouble}\n"));
    }
    Ok(Answer { text, exit })
}

fn init_record(session: &mut Session, arguments: &Arguments) -> Outcome {
    let (good, version) = (arguments.text("good"), arguments.text("version"));
    if version.is_some() && good.is_none() {
        return Err(usage(Some(arguments.verb), "--version says what is in the slot of --good SLOT"));
    }
    let version = version.unwrap_or_default();
    let good = good.as_deref().map(|slot| (slot, version.as_str()));
    let record = flow::init(session.site(), good, arguments.has("force"))?;
    Ok(Answer::done(lines(&facts(&record))))
}

fn boot_once(session: &mut Session, arguments: &Arguments) -> Outcome {
    let slot = arguments.word(0);
    flow::boot_once(session.site(), slot.as_deref(), arguments.has("force"))?;
    let text = slot.map_or("no slot boots once\n".to_owned(), |slot| format!("{slot}: boots next, once\n"));
    Ok(Answer::done(text))
}

fn shell(arguments: &Arguments) -> Answer {
    let config = session::settings(arguments).config;
    let opening = Opening { title: env!("CARGO_PKG_VERSION").to_owned(), ..Opening::default() };
    Shell::new(Place::System, config, arguments.inherited(), false).run(&opening, None);
    Answer::done("")
}

fn boot(session: &mut Session, request: Option<&str>) -> Outcome {
    let asked = request.map(SlotName::new).transpose();
    let asked = asked.map_err(|error| usage(Verb::find("boot"), &error.to_string()))?.map(Asked::Slot);
    let outcome = flow::boot(session.site(), asked.as_ref());
    match &outcome.destination {
        Destination::Root(id, _) => {
            Ok(Answer::done(format!("{}: {}\n", name(&outcome.record, *id), outcome.reason)))
        }
        Destination::RecoverySlot(_) => Ok(Answer::done(format!("recovery slot: {}\n", outcome.reason))),
        Destination::Recovery => Err(Failure::new(Exit::Failed, format!("recovery: {}", outcome.reason))),
    }
}
