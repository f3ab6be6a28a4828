//! What a boot says of what it saw, decided, and leaves.

use super::Boot;
use crate::machine::EarlyBoot;
use everboot_core::config::BootRequest;
use everboot_core::decide::{Decision, Reason, Request, Settled, SlotObservation};
use everboot_core::lifecycle;
use everboot_core::slot::{SlotId, SlotState};

impl<M: EarlyBoot> Boot<'_, M> {
    pub(super) fn report_look(&mut self, asked: Option<&BootRequest>) {
        match &self.view.trouble {
            Some(trouble) => self.note(format!("record: {trouble}")),
            None => self.record_faults.clone().iter().for_each(|line| self.note(format!("record: {line}"))),
        }
        let seen = self.view.record.slots.iter().zip(&self.view.slots);
        let needed =
            seen.filter(|(slot, seen)| !seen.why.is_empty() && (boots(slot.state) || seen.is_missing()));
        let lines: Vec<_> = needed.map(|(slot, seen)| format!("{}: {}", slot.name, seen.why)).collect();
        lines.into_iter().for_each(|line| self.note(line));
        match asked {
            Some(BootRequest::Slot(name)) if self.seen.request.is_none() => {
                self.note(format!("everboot.slot={name} is ignored: no such slot, or overrides are locked"));
            }
            Some(_) if self.seen.request.is_none() => {
                self.note("everboot.recovery is ignored: overrides are locked".to_owned());
            }
            _ => {}
        }
    }

    /// What has to be known of the image that boots, in every boot.
    pub(super) fn report_warnings(&mut self, id: SlotId) {
        let slot = self.view.record.slot(id);
        let is_below = lifecycle::below_floor(&self.view.record, id);
        if is_below || slot.image.as_ref().is_some_and(|image| image.insecure) {
            self.note(format!("{slot}{}", if is_below { ", below the floor" } else { "" }));
        }
    }

    pub(super) fn report(&mut self, decision: &Decision) {
        for settled in &decision.settled {
            let line = |id: &SlotId, what: &str| format!("{}: {what}", self.view.name(*id));
            let text = match settled {
                Settled::TrialBad(id, why) => line(id, &format!("the trial is bad: {why}")),
                Settled::ApplyAbandoned(id) => line(id, "update abandoned: it has used up its starts"),
                Settled::ApplyRefused(id) => line(id, "update refused: the slot may not be written now"),
                // Its reason was noted when it failed.
                Settled::ApplyFailed(_) => continue,
            };
            self.note(text);
        }
        let obeyed = matches!(decision.reason, Reason::Requested | Reason::ByHand);
        if let (Some(Request::Slot(id)), false) = (self.seen.request, obeyed)
            && self.seen.slots.iter().all(|seen| *seen == SlotObservation::Present)
        {
            let (name, floor) = (self.view.name(id), &self.view.record.floor);
            let slot = self.view.record.slot(id);
            let why = match slot.version() {
                Some(version) if lifecycle::below_floor(&self.view.record, id) => {
                    format!("version {version} is below the floor {floor}")
                }
                _ => format!("it is {}", slot.state),
            };
            self.note(format!("everboot.slot={name} is ignored: {why}"));
        }
        if let (Some(Request::Hand { slot, .. }), false) = (self.seen.request, obeyed) {
            self.seen.request = None;
            let state = self.view.record.slot(slot).state;
            // Why it failed, or that it is missing, was noted before.
            if self.seen.slots[slot.index()] == SlotObservation::Present {
                self.note(format!("{} cannot be booted: it is {state}", self.view.name(slot)));
            }
        }
    }
}

/// Whether a slot in this state would boot, or could: then it matters why it cannot be entered.
fn boots(state: SlotState) -> bool {
    matches!(state, SlotState::Good | SlotState::Trial { .. } | SlotState::Proven)
}
