//! What each verb does: one function of `flow`, and the words for its outcome.

use super::answer::{Answer, Exit, Failure, Outcome, VerbOutput};
use super::arguments::{Arguments, Request, usage};
#[cfg(feature = "repair")]
use super::blocks::repair;
use super::blocks::verify;
use super::caller::{Caller, not_here};
use super::context::Context;
use super::doctor::doctor;
use super::explain::{Explanation, facts, why};
use super::history::{Event, LogReport};
use super::session::{Session, open_bundle, settings};
use super::status::{StatusReport, name};
use super::{fetch, help, mount};
use crate::flow::{self, Destination};
use crate::machine::{Machine, Nobody};
use crate::runtime::boot_report::BootReport;
use crate::sys::{self, FileMedium, Roots};
use everboot_core::config::BootRequest;
use everboot_core::format_versions;
use everboot_core::lifecycle::{Activated, Refusal};
use everboot_core::record::history::Kind;
use everboot_core::record::{Record, Update};
use everboot_core::slot::{SlotId, SlotName, SlotState, Uuid};
use everboot_core::verbs::{Action, Verb};
use everboot_storage::apply::Progress;

/// Does what is asked by that caller.
pub fn carry_out(context: Context<'_>, caller: &mut dyn Caller, request: &Request) -> Outcome {
    match request {
        Request::Help(None) => Ok(Answer::done(help::overview(context.programs()))),
        Request::Help(Some(verb)) => Ok(Answer::done(help::of(verb, context.programs()))),
        Request::Version => Ok(Answer::done(format!("everboot {}\n", env!("CARGO_PKG_VERSION")))),
        Request::Verb(arguments) => {
            let mut answer = run(context, caller, arguments).map_err(|failure| failure.of(arguments.verb))?;
            if let Some(system) = context.system.filter(|_| arguments.has("json")) {
                answer.output = VerbOutput::Text((system.json)(&answer.output));
            }
            Ok(answer)
        }
    }
}

fn run(context: Context<'_>, caller: &mut dyn Caller, arguments: &Arguments) -> Outcome {
    check_place(context, caller.is_shell(), arguments)?;
    if fetch::is_due(arguments) {
        let text = "refused: everboot-init fetches nothing; give it a file";
        let system = context.system.ok_or_else(|| Failure::new(Exit::Refused, text))?;
        return (system.fetch)(context.roots, arguments);
    }
    if !arguments.verb.needs.machine {
        return without_machine(context, caller, arguments);
    }
    let mut session = Session::open(context.roots, arguments, context.holds_lock)?;
    if arguments.verb.action == Action::Doctor {
        let host = context.system.map(|system| system.host).filter(|_| !arguments.has("disk"));
        return doctor(context.roots, &mut session, host);
    }
    session.warn();
    with_machine((context, caller), &mut session, arguments)
}

/// Whether the verb may be given here: what its row says that it needs.
fn check_place(context: Context<'_>, is_shell: bool, arguments: &Arguments) -> Result<(), Failure> {
    let verb = arguments.verb;
    let refused = |text: String| Err(Failure::new(Exit::Refused, text));
    let speaks_of_it = verb.needs.running_system && !arguments.has("disk") && arguments.word(0).is_none();
    if verb.is_for_shell() && !is_shell {
        return Err(usage(Some(verb), "only available inside `everboot shell`"));
    }
    if !verb.is_in(context.programs()) {
        let name = verb.name;
        return refused(
            ["refused: everboot-init has no `", name, "`; run `everboot ", name, "` in the running system"]
                .concat(),
        );
    }
    if speaks_of_it && sys::is_in_initramfs(context.roots) {
        let help = verb.arguments.first().map_or("", |_| "; name the slot");
        return refused(["refused: this is an initramfs, in which no system runs", help].concat());
    }
    Ok(())
}

const BOOT_SLOT: &str = "refused: SLOT is for the shell of an early boot; `everboot boot-once SLOT`, then a reboot, does it from here";

/// What opens the machine by itself, or does without. Verbs are dispatched here and in [`with_machine`], as their rows
/// say: these have to work before any disk has come (`boot --sysroot`), or open the machine anew each time (`shell`).
fn without_machine(context: Context<'_>, caller: &mut dyn Caller, arguments: &Arguments) -> Outcome {
    match arguments.verb.action {
        Action::Unmount => Ok(Answer::done(mount::unmount(arguments)?)),
        Action::Formats => Ok(Answer::done(format_versions::text())),
        Action::ConfigCheck => check_config(context.roots, arguments),
        Action::Boot => caller.boot(context, arguments).unwrap_or_else(|| boot_elsewhere(context, arguments)),
        Action::Shell => caller.shell(context, arguments),
        Action::Leave => caller.leave(),
        Action::Sh => caller.sh(),
        Action::Reboot => caller.end(sys::reboot),
        Action::PowerOff => caller.end(sys::power_off),
        _ => Err(not_here()),
    }
}

/// `config check`.
fn check_config(roots: &Roots, arguments: &Arguments) -> Outcome {
    match &settings(roots, arguments).faults[..] {
        [] => Ok(Answer::done("")),
        faults => Err(Failure::new(Exit::Failed, faults.join("\n"))),
    }
}

/// `boot` that is no boot of this machine: of a disk image, or a mistake.
fn boot_elsewhere(context: Context<'_>, arguments: &Arguments) -> Outcome {
    if arguments.word(0).is_some() {
        return Err(Failure::new(Exit::Refused, BOOT_SLOT));
    }
    if arguments.has("disk") {
        let session = &mut Session::open(context.roots, arguments, context.holds_lock)?;
        session.warn();
        return boot(session, arguments.text("slot").as_deref());
    }
    if arguments.has("sysroot") {
        let text = "refused: not from the shell; `exit` leaves it, and the initramfs starts anew";
        return Err(Failure::new(Exit::Refused, text));
    }
    Err(usage(Some(arguments.verb), "expected --sysroot DIR in an initramfs, or --disk FILE"))
}

/// What works with the machine, which was opened as the verb's row says.
fn with_machine(
    (context, caller): (Context<'_>, &mut dyn Caller),
    session: &mut Session,
    arguments: &Arguments,
) -> Outcome {
    match arguments.verb.action {
        Action::Status => Ok(answer(VerbOutput::Status(Box::new(status(context, session)?)))),
        Action::Slots => Ok(Answer::done(status(context, session)?.slots_text())),
        Action::Explain => explain(session, arguments),
        Action::Why => tell_why(context.roots, session),
        Action::Log => log(context.roots, session),
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
            context.system.map_or_else(|| Err(not_here()), |system| (system.confirm)(context.roots, session))
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
        #[cfg(feature = "repair")]
        Action::Repair => repair(session, arguments),
        #[cfg(not(feature = "repair"))]
        Action::Repair => Err(Failure::new(Exit::Refused, "refused: this program was built without repair")),
        Action::RecordShow => show_record(session),
        Action::RecordUpgrade => context
            .system
            .map_or_else(|| Err(not_here()), |system| (system.upgrade)(context.roots, session, arguments)),
        Action::RecordInit => init_record(session, arguments),
        Action::RecordRepair => {
            let record = flow::repair(session.site(), arguments.has("force"))?;
            Ok(Answer::done(format!("both copies are good\n{}", lines(&facts(&record)))))
        }
        Action::Disks => Ok(Answer::done(mount::disks(session))),
        Action::Mount => {
            let mounted = mount::mount(session, arguments)?;
            mounted.point.into_iter().for_each(|point| caller.mounted(point));
            Ok(Answer::done(mounted.text))
        }
        _ => Err(not_here()),
    }
}

fn answer(output: VerbOutput) -> Answer {
    Answer { output, exit: Exit::Done }
}

/// `confirm`, as [`System`](super::System) has it.
pub fn confirm(roots: &Roots, session: &mut Session) -> Outcome {
    let flow::Confirmed { slot, unmarked } = flow::confirm(session.site())?;
    if let Some(root) = session.linux().and_then(Machine::root_partition)
        && let Err(error) = sys::write_fact(roots, CONFIRMED_FACT, &root.to_string())
    {
        log::warn!("{CONFIRMED_FACT}: {error}");
    }
    let mut text = format!("{slot}: confirmed\n");
    if let Some(why) = unmarked {
        text.push_str(&format!(
            "its confirmed mark is written at the next boot: nobody may write to it now ({why})\n"
        ));
    }
    Ok(Answer::done(text))
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The fact that names the partition of the root that was confirmed in this boot, as [`sys::ROOT_FACT`] does the root.
const CONFIRMED_FACT: &str = "confirmed";

/// The partition of the system that runs, and whether it was confirmed in this boot.
fn running(roots: &Roots, session: &Session) -> Option<(Uuid, bool)> {
    let root = session.linux().filter(|_| !sys::is_in_initramfs(roots))?.root_partition()?;
    let confirmed = sys::read_fact(roots, CONFIRMED_FACT).ok().flatten();
    Some((root, confirmed.is_some_and(|text| text.trim() == root.to_string())))
}

fn status(context: Context<'_>, session: &mut Session) -> Result<StatusReport, Failure> {
    let status = flow::status(session.site(), None)?;
    let mut report = StatusReport::new(&session.config.compatible, &status);
    if session.linux().is_some() {
        let running = running(context.roots, session);
        let slot = |root| status.record.slots.iter().find(|slot| slot.partition() == Some(root));
        let slot = running.and_then(|(root, _)| slot(root)).map(|slot| slot.name.as_str());
        report.set_running(slot, running.is_some_and(|(_, is_confirmed)| is_confirmed));
    }
    if let Some(system) = context.system.filter(|_| session.linux().is_some()) {
        report.record.boot_found = (system.record_faults)(context.roots);
    }
    Ok(report)
}

fn explain(session: &mut Session, arguments: &Arguments) -> Outcome {
    let status = flow::status(session.site(), arguments.text("slot").as_deref())?;
    Ok(answer(VerbOutput::Explanation(Box::new(Explanation::new(&status)))))
}

fn tell_why(roots: &Roots, session: &mut Session) -> Outcome {
    let report = session.linux().and_then(|_| BootReport::read_text(roots));
    let history = session.site().look().history();
    let is_confirmed = running(roots, session).is_some_and(|(_, is_confirmed)| is_confirmed);
    Ok(Answer::done(why(report, is_confirmed, history.latest(Kind::Boot))))
}

fn log(roots: &Roots, session: &mut Session) -> Outcome {
    let history = session.site().look().history().entries.iter().map(Event::new).collect();
    let this_run = session.linux().map(|_| sys::kernel_lines(roots));
    Ok(answer(VerbOutput::Log(LogReport { history, this_run })))
}

/// The bundle that is named; absent for the one that was fetched.
fn named_bundle(arguments: &Arguments) -> Result<Option<FileMedium>, Failure> {
    if arguments.kind() == fetch::FETCHED {
        return Ok(None);
    }
    open_bundle(&arguments.argument(0).unwrap_or_default()).map(Some)
}

fn overrides(arguments: &Arguments) -> flow::Overrides {
    flow::Overrides { force: arguments.has("force"), insecure: arguments.has("insecure") }
}

fn stage(session: &mut Session, arguments: &Arguments) -> Outcome {
    let source = named_bundle(arguments)?;
    let staged = flow::stage(session.site(), source, overrides(arguments))?;
    Ok(Answer::done(format!("staged version {}, {} bytes\n", staged.version, staged.bytes)))
}

/// The slot that holds the kept bundle's image, to be activated or on trial: preparing it is done already.
fn prepared(record: &Record) -> Option<SlotId> {
    let Update::Kept(bundle) = &record.update else { return None };
    let holds = |state| matches!(state, SlotState::Proven | SlotState::Trial { .. });
    let image = bundle.image.id;
    let mut slots = record.ids().filter(|(_, slot)| holds(slot.state));
    slots.find(|(_, slot)| slot.image_id() == image).map(|(id, _)| id)
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
    let written = prepare(session)?.output.text();
    Ok(Answer::done(written + &activate(session)?.output.text()))
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
    match flow::stage(session.site(), source, overrides(arguments)) {
        Ok(staged) => text.push_str(&format!("staged version {}\n", staged.version)),
        Err(flow::Error::Refused(Refusal::AlreadyInstalled)) => {
            return Ok(Answer::done("the default slot already holds this image\n"));
        }
        Err(error) => return Err(error.into()),
    }
    text.push_str(&prepare(session)?.output.text());
    text.push_str(&activate(session)?.output.text());
    Ok(Answer::done(text))
}

fn show_record(session: &mut Session) -> Outcome {
    let status = flow::status(session.site(), None)?;
    let mut text = format!("generation: {}\n", status.generation);
    text.push_str(&lines(status.version.map(|version| format!("format version: {version}")).as_slice()));
    for (place, fault) in ["first", "last"].iter().zip(&status.faults) {
        let state = fault.as_ref().map_or("good".to_owned(), ToString::to_string);
        text.push_str(&format!("{place} copy: {state}\n"));
    }
    text.push_str(&format!("disk: {}\n", status.record.disk));
    text.push_str(&lines(&facts(&status.record)));
    for slot in &status.record.slots {
        let image = slot.image_id().map_or("none".to_owned(), |id| id.to_string());
        for part in &slot.parts {
            let place = part.location.partition().map_or("unknown".to_owned(), |guid| guid.to_string());
            text.push_str(&format!("{}: {} on partition {place}\n", slot.name, part.name));
        }
        text.push_str(&format!("{}: confirmed {}\n", slot.name, slot.confirmed));
        text.push_str(&format!("{}: image {image}\n", slot.name));
    }
    for id in &status.record.bad_images {
        text.push_str(&format!("bad image: {id}\n"));
    }
    let exit = if status.trouble.is_some() { Exit::Record } else { Exit::Done };
    if let Some(trouble) = status.trouble {
        text.push_str(&format!("trouble: {trouble}\n"));
    }
    Ok(Answer::text(text, exit))
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

fn boot(session: &mut Session, request: Option<&str>) -> Outcome {
    let asked = request.map(SlotName::new).transpose();
    let asked = asked.map_err(|error| usage(Verb::find("boot"), &error.to_string()))?.map(BootRequest::Slot);
    let outcome = flow::boot(session.site(), &mut Nobody, asked.as_ref());
    match &outcome.destination {
        Destination::Root(id, ..) => {
            Ok(Answer::done(format!("{}: {}\n", name(&outcome.record, *id), outcome.reason)))
        }
        Destination::RecoverySlot(..) => Ok(Answer::done(format!("recovery slot: {}\n", outcome.reason))),
        Destination::Recovery => Err(Failure::new(Exit::Failed, format!("recovery: {}", outcome.reason))),
    }
}
