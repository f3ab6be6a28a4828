//! The early boot: observe, decide, persist, act, until a root is entered.
//!
//! There is no error exit. Every failure is an observation, and the decision is taken again with it.
//!
//! Crash argument: the record is saved before the act that it announces. A cut before the save repeats the
//! decision; a cut after it finds the attempt, or the start, counted. A save that failed may have landed: the
//! boot then goes to a slot that needs no counting, which is right under both outcomes.

mod report;

use super::outcome::{Destination, Outcome};
use super::sources::SourceSlots;
use super::{Error, RecordFault, Site, View};
use crate::machine::{
    Access, EarlyBoot, Machine, Operator, OperatorChoice, PartitionRef, RecoveryNotice, Root, RootError,
};
use everboot_core::config::{BootRequest, Breakpoint};
use everboot_core::decide::{
    self, ApplyFault, Decision, Observation, Reason, Request, SlotObservation, Target,
};
use everboot_core::lifecycle;
use everboot_core::mutant::{self, Mutant};
use everboot_core::record::Record;
use everboot_core::record::history::Kind;
use everboot_core::slot::{RootFault, SlotId, SlotName, SlotState};
use everboot_storage::apply;
use everboot_storage::medium::Medium;
use std::collections::VecDeque;

/// Boots: returns when a root is entered, or when there is nobody who would wait in recovery.
///
/// `operator` is asked in recovery and at breakpoints; `asked` is where the kernel command line asks the boot to go.
pub fn boot<M: EarlyBoot>(
    site: Site<'_, M>,
    operator: &mut dyn Operator,
    asked: Option<&BootRequest>,
) -> Outcome<M::HandOff> {
    let choice = operator.breakpoint(Breakpoint::Observe);
    let mut boot = Boot::new(site, operator, asked);
    if let Some(choice) = choice {
        boot.follow(choice);
    }
    loop {
        if let Some(outcome) = boot.round() {
            return outcome;
        }
    }
}

struct Boot<'a, M: EarlyBoot> {
    site: Site<'a, M>,
    operator: &'a mut dyn Operator,
    view: View<M::Disk>,
    seen: Observation,
    notes: Vec<String>,
    record_faults: Vec<String>,
    steps: Vec<(&'static str, u64)>,
    since: u64,
    /// An attempt that a save counted which failed.
    unmade: Option<(SlotName, SlotState, SlotState)>,
    /// What is wrong with the partition tables. Not in the history: it is the same in every boot.
    table_notes: Vec<String>,
    /// The other disks that could be this machine's, the best one first.
    others: VecDeque<View<M::Disk>>,
    /// What was seen of the machine's own disk, while another one is tried.
    own: Option<(View<M::Disk>, Observation)>,
}

impl<'a, M: EarlyBoot> Boot<'a, M> {
    fn new(mut site: Site<'a, M>, operator: &'a mut dyn Operator, asked: Option<&BootRequest>) -> Self {
        let since = site.machine.uptime_ms();
        let (view, others) = look(&mut site);
        let mut seen = view.observation();
        seen.request =
            asked.filter(|_| !site.config.lock.is_on()).and_then(|asked| request(&view.record, asked));
        let (notes, steps, record_faults) = (Vec::new(), Vec::new(), record_faults(&view));
        let (unmade, own, table_notes) = (None, None, view.table_notes());
        table_notes.iter().for_each(|note| log::warn!("{note}"));
        let mut boot = Self {
            site,
            operator,
            view,
            seen,
            notes,
            record_faults,
            steps,
            since,
            unmade,
            table_notes,
            others,
            own,
        };
        boot.report_look(asked);
        boot.step("observe");
        boot
    }

    /// One turn of the loop.
    fn round(&mut self) -> Option<Outcome<M::HandOff>> {
        self.pause_at(Breakpoint::Decide);
        let decision = decide::decide(&self.view.record, &self.seen, &self.site.config.policy());
        if matches!(decision.target, Target::Apply(_)) && self.pause_at(Breakpoint::Apply) {
            return None;
        }
        if matches!(decision.reason, Reason::NothingLeft | Reason::RecoverySlot)
            && self.try_other_disk(&decision)
        {
            return None;
        }
        self.report(&decision);
        let is_late = mutant::is(Mutant::SaveAfterHandoff);
        let counted = self.counted(&decision);
        if self.seen.can_persist && !is_late && !self.persist(&decision) && !mutant::is(Mutant::NoRecordTrial)
        {
            self.seen.can_persist = false;
            self.unmade = counted;
            return None;
        }
        self.step("decide");
        match decision.target {
            Target::Boot(id) => self.enter(id, &decision),
            Target::Apply(id) => {
                self.apply(id);
                None
            }
            Target::RecoverySlot => self.enter_recovery(&decision),
            Target::Recovery { wait, shell } => self.recover(wait, shell, &decision),
        }
    }

    /// The slot whose attempt this decision counts: its name, and its state before and after.
    fn counted(&self, decision: &Decision) -> Option<(SlotName, SlotState, SlotState)> {
        let id = decision.record.trial()?;
        let (before, after) = (self.view.record.slot(id).state, decision.record.slot(id).state);
        (before != after).then(|| (self.view.name(id).clone(), before, after))
    }

    /// Where this disk has nothing left, the good slots of the next one that could be this machine's are tried, and at
    /// last the own disk goes to recovery. Whether to decide again. Nothing is saved on another disk, so that only what
    /// needs no counting boots there; under `lock` there is no other disk.
    fn try_other_disk(&mut self, decision: &Decision) -> bool {
        if self.site.config.lock.is_on() {
            return false;
        }
        // A slot there may crash: from the second boot on, recovery waits first.
        if self.own.is_none() && !self.others.is_empty() {
            if self.view.record.recovery_rounds > 0 && !self.seen.recovery_waited {
                return false;
            }
            if self.seen.can_persist {
                self.persist(decision);
            }
        }
        let Some(mut view) = self.others.pop_front() else {
            let own = self.own.take();
            let is_back = own.is_some();
            if let Some((view, seen)) = own {
                (self.view, self.seen) = (view, seen);
            }
            return is_back;
        };
        view.can_persist = false;
        let mut seen = view.observation();
        seen.recovery = SlotObservation::Missing;
        for (id, slot) in view.record.ids() {
            if slot.state != SlotState::Good {
                seen.slots[id.index()] = SlotObservation::Missing;
            }
        }
        self.note(format!("no slot left to boot; trying the good ones of {}", view.disk_name()));
        let own = (std::mem::replace(&mut self.view, view), std::mem::replace(&mut self.seen, seen));
        self.own.get_or_insert(own);
        true
    }

    /// Lets somebody look around, if that is asked for here. Whether it was: then everything was looked at anew.
    fn pause_at(&mut self, point: Breakpoint) -> bool {
        let choice = self.operator.breakpoint(point);
        choice.map(|choice| self.look_again(choice)).is_some()
    }

    /// Looks at everything anew: somebody may have changed it, and devices may have come or answer again.
    fn look_again(&mut self, choice: OperatorChoice) {
        // Where the record cannot be saved, the number of rounds is carried along in memory, so that the
        // waits still grow.
        let rounds = self.view.record.recovery_rounds;
        let waited = self.seen.recovery_waited;
        let named = |request: Request| match request {
            Request::Slot(id) => Some(self.view.name(id).clone()),
            _ => None,
        };
        let (request, named) = (self.seen.request, self.seen.request.and_then(named));
        (self.view, self.others) = look(&mut self.site);
        self.own = None;
        // A save that reported an error may have landed: the attempt that it counted was not made. What is decided now
        // counts it again, and saves that before it is made; a cut before then leaves it counted.
        if let Some((name, before, after)) = self.unmade.take()
            && let Some(id) = self.view.record.find(name.as_str())
            && self.view.record.slot(id).state == after
        {
            self.view.record.slot_mut(id).state = before;
        }
        // The record may be another one now, with the slot elsewhere or without it.
        let request = match named {
            Some(name) => self.view.record.find(name.as_str()).map(Request::Slot),
            None => request.filter(|request| matches!(request, Request::Recovery { .. })),
        };
        self.view.record.recovery_rounds = rounds.max(self.view.record.recovery_rounds);
        self.seen = Observation { recovery_waited: waited, request, ..self.view.observation() };
        self.follow(choice);
    }

    /// Does what somebody at the console chose.
    fn follow(&mut self, choice: OperatorChoice) {
        let OperatorChoice::Boot { slot, keep } = choice else { return };
        match self.view.record.find(&slot) {
            Some(slot) => self.seen.request = Some(Request::Hand { slot, keep }),
            None => self.note(format!("the record has no slot {slot}")),
        }
    }

    /// Saves before anything is done.
    fn persist(&mut self, decision: &Decision) -> bool {
        let saved = self.view.save_counted(decision.record.clone());
        if let Err(error) = &saved {
            self.note(format!("{error}: nothing is tried that would have to be counted"));
        }
        saved.is_ok()
    }

    fn enter(&mut self, id: SlotId, decision: &Decision) -> Option<Outcome<M::HandOff>> {
        let tried = self.root(id);
        let tried = tried.and_then(|root| Ok((root, self.site.machine.enter(&root)?)));
        self.step("enter");
        match tried {
            Ok((root, hand_off)) => {
                if mutant::is(Mutant::SaveAfterHandoff) {
                    self.persist(decision);
                }
                if let Some(OperatorChoice::Boot { slot, .. }) = self.operator.breakpoint(Breakpoint::Handoff)
                {
                    self.note(format!("{slot} comes too late: another slot is mounted, and counted"));
                }
                Some(self.finish(Destination::Root(id, root, hand_off), decision))
            }
            Err(error) => {
                self.note(format!("{}: {error}", self.view.name(id)));
                self.seen.slots[id.index()] = SlotObservation::Failed(error.fault);
                if error.fault == RootFault::Device && self.seen.can_persist {
                    self.give_back(id);
                }
                None
            }
        }
    }

    /// Nothing of the recovery slot is in the record: it is entered if it can be.
    fn enter_recovery(&mut self, decision: &Decision) -> Option<Outcome<M::HandOff>> {
        let root = self.view.recovery.map(|at| Root { at, open: false, sealed: false })?;
        let tried = self.site.machine.enter(&root);
        self.step("enter");
        match tried {
            Ok(hand_off) => Some(self.finish(Destination::RecoverySlot(root, hand_off), decision)),
            Err(error) => {
                self.note(format!("recovery slot: {error}"));
                self.seen.recovery = SlotObservation::Failed(error.fault);
                None
            }
        }
    }

    /// The try of a trial whose device failed: that says nothing about its image. A save that fails leaves it
    /// counted.
    fn give_back(&mut self, id: SlotId) {
        let next = lifecycle::untried(&self.view.record, id);
        if let Err(error) = self.view.save(next) {
            self.note(format!("{error}: nothing new is tried"));
            self.seen.can_persist = false;
        }
    }

    /// The root of a slot. Whether it may be entered was seen at the look, and the decision goes by it.
    fn root(&mut self, id: SlotId) -> Result<Root, RootError> {
        let at = self.view.root(id).ok_or_else(|| RootError::device("its partition is not there"))?;
        let (slot, looked) = (self.view.record.slot(id), &self.view.slots[id.index()]);
        if looked.seen == SlotObservation::Unread && self.view.record.trial() == Some(id) {
            return Err(RootError::device(&looked.why));
        }
        let open = slot.image.as_ref().is_some_and(|image| image.open);
        let sealed = slot.image_id().is_some() && !open;
        if self.view.can_boot(id) {
            self.make_up_for_mark(id, at);
        }
        Ok(Root { at, open, sealed })
    }

    /// Writes the confirmed mark of a good slot whose trailer lacks it: nobody could write to it when it was confirmed.
    /// Nothing has mounted it yet. Not by a record that may not be saved: one that is not sure of itself may call a
    /// slot good that was rejected.
    ///
    /// A torn mark is none, and the record, which says good already, has it written again at the next boot; so has one
    /// that could not be written. No boot depends on it: it counts only where the record is lost.
    fn make_up_for_mark(&mut self, id: SlotId, at: PartitionRef) {
        let slot = self.view.record.slot(id);
        let (generation, Some(image)) = (slot.confirmed, slot.image_id()) else { return };
        let found = self.view.slots[id.index()].mark.unwrap_or(0);
        if !self.view.record.is_good(id) || found >= generation || !self.seen.can_persist {
            return;
        }
        let marked = self.site.machine.open(at, Access::Shared);
        if let Err(error) = marked.and_then(|part| apply::mark(&part, generation, image)) {
            self.note(format!("{}: its confirmed mark cannot be written: {error}", self.view.name(id)));
        }
    }

    /// Applies the staged image. Only success goes on with a trial. What a device has failed stays due, and its start
    /// counted; every other failure gives the update up.
    fn apply(&mut self, id: SlotId) {
        let applied = early_apply(&mut self.site, &mut self.view, id);
        self.site.machine.close_staging();
        self.step("apply");
        match applied {
            Ok(progress) => {
                let next = lifecycle::applied(&self.view.record, &self.site.config.policy());
                let apply::Progress { written, blocks, .. } = progress;
                let line = format!("{}: applied, {written} of {blocks} blocks written", self.view.name(id));
                log::info!("{line}");
                self.notes.push(line);
                if let Err(error) = self.view.save(next) {
                    self.note(format!("{error}: nothing new is tried"));
                    self.seen.can_persist = false;
                }
                // Its trailer is there now.
                self.view.slots = self.site.observe(&self.view.record, &self.view.parts);
                self.seen.slots = self.view.observation().slots;
            }
            Err(error) => {
                let fault = error.apply_fault();
                let what = if fault == ApplyFault::Device { "waits for its next start" } else { "given up" };
                self.note(format!("update of {} {what}: {error}", self.view.name(id)));
                self.seen.apply = Some(fault);
            }
        }
    }

    fn recover(&mut self, wait: u64, shell: bool, decision: &Decision) -> Option<Outcome<M::HandOff>> {
        let notice = RecoveryNotice {
            reason: decision.reason.to_string(),
            notes: [self.table_notes.clone(), self.notes.clone()].concat(),
            slots: self.view.record.slots.iter().map(ToString::to_string).collect(),
            next: match decision.reason {
                Reason::NothingLeft => "look at all disks again, and try the slot that was last good",
                _ => "go on with the boot as usual",
            },
            wait,
            shell,
        };
        self.site.note(
            &self.view,
            Kind::Boot,
            format!("recovery: {}\n{}", notice.reason, self.notes.join("\n")),
        );
        let choice = self.operator.recover(&notice);
        if choice == OperatorChoice::Leave {
            return Some(self.finish(Destination::Recovery, decision));
        }
        self.view.record.recovery_rounds = decision.record.recovery_rounds;
        self.seen.recovery_waited = true;
        self.look_again(choice);
        self.step("recovery");
        None
    }

    fn finish(&mut self, destination: Destination<M::HandOff>, decision: &Decision) -> Outcome<M::HandOff> {
        if let Destination::Root(id, ..) = &destination {
            self.report_warnings(*id);
        }
        let (slot, root) = match &destination {
            Destination::Root(id, root, _) => (self.view.name(*id).as_str(), Some(root)),
            Destination::RecoverySlot(root, _) => ("recovery slot", Some(root)),
            Destination::Recovery => ("recovery", None),
        };
        let partition = root.map(|root| self.view.survey.partition(root.at).guid);
        let reason = decision.reason.to_string();
        let image = match &destination {
            Destination::Root(id, ..) => self.view.record.slot(*id).image.as_ref(),
            _ => None,
        };
        let version = image.map_or(String::new(), |image| format!(", version {}", image.label()));
        log::info!("{slot}{version}: {reason}");
        // A boot in which nothing happened leaves no trace beyond the record.
        if decision.reason != Reason::Default || !self.notes.is_empty() {
            let text = [vec![format!("{slot}: {reason}")], self.notes.clone()].concat().join("\n");
            self.site.note(&self.view, Kind::Boot, text);
        }
        let take = std::mem::take::<Vec<String>>;
        let notes = [take(&mut self.table_notes), take(&mut self.notes)].concat();
        let record_faults = take(&mut self.record_faults);
        let (record, steps) = (self.view.record.clone(), std::mem::take(&mut self.steps));
        Outcome { destination, partition, reason, record, notes, record_faults, steps }
    }

    fn note(&mut self, line: String) {
        log::warn!("{line}");
        self.notes.push(line);
    }

    fn step(&mut self, what: &'static str) {
        let now = self.site.machine.uptime_ms();
        self.steps.push((what, now.saturating_sub(self.since)));
        self.since = now;
    }
}

/// Looks at the machine's disk, and at the others that could be it.
fn look<M: EarlyBoot>(site: &mut Site<'_, M>) -> (View<M::Disk>, VecDeque<View<M::Disk>>) {
    let mut views = VecDeque::from(site.look_at_all());
    let view = views.pop_front().unwrap_or_else(|| site.look());
    (view, views)
}

/// What is wrong with the record, where this boot goes on to write it anew: the system that it boots finds it whole.
fn record_faults<D: Medium>(view: &View<D>) -> Vec<String> {
    match &view.trouble {
        None => view.loaded.complaints(),
        Some(RecordFault::Lost(why)) if view.can_persist => {
            vec![format!("both copies are bad ({why}), and are made anew")]
        }
        Some(_) => Vec::new(),
    }
}

/// What the decision makes of a request on the kernel command line; nothing of a slot that the record does not
/// know.
fn request(record: &Record, asked: &BootRequest) -> Option<Request> {
    match asked {
        BootRequest::Slot(name) => record.find(name.as_str()).map(Request::Slot),
        BootRequest::Recovery => Some(Request::Recovery { shell: false }),
        BootRequest::Shell => Some(Request::Recovery { shell: true }),
    }
}

/// Makes the slot equal to the staged image. Whatever can be refused is refused before the slot is named
/// *writing*, so that a good slot which is not written stays good. When a block was proven that was not proven before,
/// the update has all its starts again; that save failing costs nothing but this grace.
fn early_apply<M: Machine>(
    site: &mut Site<'_, M>,
    view: &mut View<M::Disk>,
    id: SlotId,
) -> Result<apply::Progress, Error> {
    let staged = view.record.update.bundle().cloned().ok_or(lifecycle::Refusal::NothingStaged)?;
    let mut bundle = site.open_staged(view, &staged)?;
    let name = view.name(id).clone();
    let parts = site.open_parts(view, id, bundle.manifest(), Access::Exclusive)?;
    apply::fits(&parts, bundle.manifest())?;
    let mut sources = site.sources(view, &bundle, Some(id), SourceSlots::Sealed)?;
    if !mutant::is(Mutant::StagedUnproven) {
        site.prove_before(view, id, &mut bundle, &mut sources)?;
    }
    if !mutant::is(Mutant::NotNamedWriting) {
        view.save_writing(lifecycle::begin_apply(&view.record))?;
    }
    log::info!("{name}: applying {}", bundle.manifest().version);
    let policy = site.config.policy();
    let mut has_progressed = false;
    let threads = site.machine.threads();
    let progress = apply::apply(&mut bundle, &mut sources, &parts, threads, &mut |progress| {
        if progress.written > 0 && !has_progressed {
            has_progressed = true;
            let _ = view.save(lifecycle::progressed(&view.record, &policy));
        }
        site.machine.show_progress(progress.proven, progress.blocks);
    })?;
    Ok(progress)
}
