//! A boot, as the flow carries it out, with everything that devices, roots and the kernel command line may bring.

use super::state::State;
use super::verbs::POLICY;
use everboot_core::decide::{ApplyFault, Observation, Request, SlotObservation, Target, decide};
use everboot_core::lifecycle;
use everboot_core::record::Record;
use everboot_core::slot::{RootFault, SlotId, SlotState};

/// Why a root may not be entered. One without an init is treated as one that cannot be mounted; so is, where no trial
/// is judged by it, one whose device fails.
fn faults(state: SlotState) -> &'static [RootFault] {
    match state {
        SlotState::Trial { .. } => &[RootFault::Device, RootFault::NotMountable, RootFault::Unproven],
        _ => &[RootFault::NotMountable, RootFault::Unproven],
    }
}

/// All boots of a record.
pub struct Boots<'a> {
    /// Called with each record that is saved, and with the slot whose system runs; `None` where power is off.
    pub reached: &'a mut dyn FnMut(&Record, Option<SlotId>),
    /// Decisions that were taken already: record, and observation.
    seen: Vec<(State, Observation)>,
}

/// What a boot sees that nothing is wrong with.
pub fn all_present(record: &Record) -> Observation {
    Observation {
        can_persist: true,
        slots: vec![SlotObservation::Present; record.slots.len()],
        recovery: SlotObservation::Missing,
        request: None,
        apply: None,
        recovery_waited: false,
    }
}

impl<'a> Boots<'a> {
    pub fn new(reached: &'a mut dyn FnMut(&Record, Option<SlotId>)) -> Self {
        Self { reached, seen: Vec::new() }
    }

    /// Boots with and without a recovery slot, with each slot named at the console or without modules for the kernel,
    /// and with what a missing partition changes: of a slot that is neither on trial nor about to be written, that is
    /// the same as one that cannot be mounted.
    pub fn all(&mut self, record: &Record) {
        // A record that cannot be saved stays as it is, and the boot goes to some slot that holds an image. To which
        // one is not asked here: to any.
        for (id, _) in record.ids().filter(|(_, slot)| slot.image.is_some()) {
            (self.reached)(record, Some(id));
        }
        let present = all_present(record);
        self.round(record, &present, &present);
        for missing in [record.trial(), record.update.target()].into_iter().flatten() {
            let mut seen = present.clone();
            seen.slots[missing.index()] = SlotObservation::Missing;
            self.round(record, &seen, &seen);
        }
        for (slot, _) in record.ids() {
            let mut seen = present.clone();
            seen.slots[slot.index()] = SlotObservation::OtherKernel;
            self.round(record, &seen, &seen);
        }
        let with_recovery = Observation { recovery: SlotObservation::Present, ..present.clone() };
        self.round(record, &with_recovery, &with_recovery);
        let asked = Observation { request: Some(Request::Recovery { shell: false }), ..with_recovery };
        self.round(record, &asked, &asked);
        for (slot, _) in record.ids() {
            for keep in [false, true] {
                let seen = Observation { request: Some(Request::Hand { slot, keep }), ..present.clone() };
                self.round(record, &seen, &present);
            }
        }
    }

    /// One decision and what may come of it. `fresh` is what a new look finds.
    fn round(&mut self, record: &Record, seen: &Observation, fresh: &Observation) {
        let key = (State::new(record, None), seen.clone());
        if self.seen.contains(&key) {
            return;
        }
        self.seen.push(key);
        let decision = decide(record, seen, &POLICY);
        let next = decision.record;
        (self.reached)(&next, None);
        match decision.target {
            Target::Boot(id) => {
                (self.reached)(&next, Some(id));
                for fault in faults(next.slot(id).state).iter().copied() {
                    let request = seen.request.filter(|request| !matches!(request, Request::Hand { .. }));
                    let mut seen = Observation { request, ..seen.clone() };
                    seen.slots[id.index()] = SlotObservation::Failed(fault);
                    let next =
                        if fault == RootFault::Device { lifecycle::untried(&next, id) } else { next.clone() };
                    (self.reached)(&next, None);
                    self.round(&next, &seen, fresh);
                }
            }
            Target::Apply(_) => self.apply(&next, seen, fresh),
            Target::RecoverySlot => {
                let failed = SlotObservation::Failed(RootFault::NoInit);
                self.round(&next, &Observation { recovery: failed, ..seen.clone() }, fresh);
            }
            Target::Recovery { .. } if !seen.recovery_waited => {
                self.round(&next, &Observation { recovery_waited: true, ..fresh.clone() }, fresh);
            }
            // The same again after each wait.
            Target::Recovery { .. } => {}
        }
    }

    /// An early apply is refused, breaks off before or after it proved a block, or comes to its end.
    fn apply(&mut self, record: &Record, seen: &Observation, fresh: &Observation) {
        let begun = lifecycle::begin_apply(record);
        let progressed = lifecycle::progressed(&begun, &POLICY);
        for left in [record, &begun, &progressed] {
            (self.reached)(left, None);
            for fault in [ApplyFault::Image, ApplyFault::Device] {
                self.round(left, &Observation { apply: Some(fault), ..seen.clone() }, fresh);
            }
        }
        let applied = lifecycle::applied(&begun, &POLICY);
        (self.reached)(&applied, None);
        self.round(&applied, seen, fresh);
    }
}
