//! `explain` and `why`: the decision of the next boot, and that of this one, in words.

use super::history::Event;
use super::status::{NextBoot, name};
use super::status_text::next;
use crate::flow::{SeenSlot, Status};
use crate::runtime::text::list;
use everboot_core::decide::{Decision, Reason, Settled, Target};
use everboot_core::lifecycle::below_floor;
use everboot_core::record::Record;
use everboot_core::record::history::Entry;
use everboot_core::slot::SlotObservation;
use serde::Serialize;
use std::fmt::Write;

/// What `explain --json` prints, in one line. Keys are stable.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether the record can be written.
    pub(crate) can_persist: bool,
    /// What is wrong with it.
    pub(crate) trouble: Option<String>,
    /// Names of the slots that the boot would enter, were their state one that boots.
    pub(crate) present: Vec<String>,
    /// Names of those whose partition is not.
    pub(crate) missing: Vec<String>,
    /// Those that the boot does not enter, or only when nothing else is left, and why.
    pub(crate) boot_faults: Vec<String>,
    /// What the record says, a line each.
    pub(crate) record: Vec<String>,
    /// What was concluded before the choice.
    pub(crate) settled: Vec<String>,
    /// The decision.
    pub(crate) next_boot: NextBoot,
    /// What the decision rests on.
    pub(crate) because: &'static str,
    /// What would be written before anything is done.
    pub(crate) persisted: Vec<String>,
}

impl Explanation {
    /// Of the decision that a look came to.
    pub(crate) fn new(status: &Status) -> Self {
        let (record, decision, can_persist) = (&status.record, &status.decision, status.can_persist);
        let slots =
            || record.slots.iter().zip(&status.slots).map(|(slot, report)| (&slot.name, &report.seen));
        let is_missing = |seen: &SeenSlot| seen.seen == SlotObservation::Missing;
        let names = |wanted: &dyn Fn(&SeenSlot) -> bool| {
            slots().filter(|(_, seen)| wanted(seen)).map(|(name, _)| name.to_string()).collect()
        };
        let boot_faults = slots().filter(|(_, seen)| !seen.why.is_empty() && !is_missing(seen));
        Self {
            can_persist,
            trouble: status.trouble.clone(),
            present: names(&|seen| seen.seen.can_enter()),
            missing: names(&is_missing),
            boot_faults: boot_faults.map(|(name, seen)| format!("{name}: {}", seen.why)).collect(),
            record: facts(record),
            settled: decision.settled.iter().map(|settled| conclusion(record, settled)).collect(),
            next_boot: NextBoot::new(decision),
            because: because(record, decision, can_persist),
            persisted: if can_persist { changes(record, &decision.record) } else { Vec::new() },
        }
    }

    /// The lines.
    pub fn text(&self) -> String {
        let mut out = String::new();
        list(&mut out, "record", &self.record, "-");
        let writable = if self.can_persist { "yes" } else { "NO" };
        let _ = writeln!(out, "writable   {writable}");
        if let Some(trouble) = &self.trouble {
            let _ = writeln!(out, "trouble    {trouble}");
        }
        let _ = writeln!(out, "present    {}", self.present.join(", "));
        if !self.missing.is_empty() {
            let _ = writeln!(out, "MISSING    {}", self.missing.join(", "));
        }
        if !self.boot_faults.is_empty() {
            list(&mut out, "FAULTS", &self.boot_faults, "-");
        }
        if !self.settled.is_empty() {
            list(&mut out, "concluded", &self.settled, "-");
        }
        let _ = writeln!(out, "next boot  {}", next(&self.next_boot));
        let _ = writeln!(out, "because    {}", self.because);
        list(&mut out, "it writes", &self.persisted, "nothing");
        out
    }
}

/// The fields of the record that the decision reads.
pub(crate) fn facts(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, slot) in record.ids() {
        let default = if record.default == Some(id) { ", default" } else { "" };
        let below = if below_floor(record, id) { ", below the floor" } else { "" };
        lines.push(format!("{slot}{default}{below}"));
    }
    lines.push(format!("last boot: {}", last_boot(record)));
    lines.push(format!("update: {}", update(record)));
    if !record.floor.is_empty() {
        lines.push(format!("floor: {}", record.floor));
    }
    lines.extend(record.once.map(|id| format!("boots once: {}", name(record, id))));
    if record.recovery_rounds > 0 {
        lines.push(format!("rounds of recovery: {}", record.recovery_rounds));
    }
    lines
}

fn last_boot(record: &Record) -> String {
    record.last_boot.map_or("none".to_owned(), |boot| {
        let confirmed = if boot.confirmed { "confirmed" } else { "not confirmed" };
        format!("{}, {confirmed}", name(record, boot.slot))
    })
}

fn update(record: &Record) -> String {
    use everboot_core::record::Update;
    let version = record.update.bundle().map_or(String::new(), |bundle| bundle.image.label());
    match &record.update {
        Update::None => "none".to_owned(),
        Update::Staged(_) => format!("{version} staged"),
        Update::Preparing { target, .. } => format!("{version} half written to {}", name(record, *target)),
        Update::Due { target, starts_left, starts_left_in_all, .. } => {
            let target = name(record, *target);
            format!("{version} due for {target}, {starts_left} starts left, {starts_left_in_all} in all")
        }
        Update::Kept(_) => format!("{version} kept"),
        Update::Other { .. } => format!("{version} of a newer everboot"),
    }
}

fn changes(before: &Record, after: &Record) -> Vec<String> {
    let (old, new) = (facts(before), facts(after));
    let mut lines: Vec<String> = new.into_iter().filter(|line| !old.contains(line)).collect();
    if before != after && lines.is_empty() {
        lines.push("a new generation with the same facts".to_owned());
    }
    lines
}

fn conclusion(record: &Record, settled: &Settled) -> String {
    match settled {
        Settled::TrialBad(id, why) => format!("{}: the trial is bad: {why}", name(record, *id)),
        Settled::ApplyAbandoned(id) => format!("{}: update abandoned, no starts left", name(record, *id)),
        Settled::ApplyFailed(id) => format!("{}: update failed", name(record, *id)),
        Settled::ApplyRefused(id) => format!("{}: update refused, it may not be written", name(record, *id)),
    }
}

/// What the decision rests on. It was asked neither by hand nor for recovery, which has not waited either.
fn because(record: &Record, decision: &Decision, can_persist: bool) -> &'static str {
    let to_default = matches!(decision.target, Target::Boot(id) if record.default == Some(id));
    match decision.reason {
        _ if !can_persist => "the record cannot be written, so nothing is tried that must be counted",
        Reason::Requested => "the kernel command line names an eligible slot",
        Reason::Once => "boot-once names it; later boots are not affected",
        Reason::ApplyDue { .. } => "an apply is due; all checks run again before it writes",
        Reason::Trial { .. } => "a trial is due; its attempt is counted first",
        Reason::Default | Reason::RolledBack { .. } | Reason::Fallback { .. } if to_default => {
            "the default is good, and nothing comes before it"
        }
        Reason::Default | Reason::RolledBack { .. } | Reason::Fallback { .. } => {
            "the default cannot be used; this is the good slot that was confirmed last"
        }
        Reason::LastResort => "no slot is known to hold an image; one is tried all the same",
        Reason::OnlyProven => "no slot is good, one is proven; its attempt is counted first",
        _ => "nothing can be booted; wait, then look at everything again",
    }
}

/// `why`: this boot as its report has it, and the latest boot in the history. What the report asks of a trial is done
/// once that was confirmed.
pub(crate) fn why(report: Option<String>, is_confirmed: bool, entry: Option<&Entry>) -> String {
    let mut out = String::new();
    for line in report.unwrap_or_default().lines() {
        let is_done = is_confirmed && line.starts_with("trial ");
        let _ = writeln!(out, "{}", if is_done { "trial      confirmed in this boot" } else { line });
    }
    let lines = entry.map(Event::new).map_or(Vec::new(), |event| {
        let mut lines = event.lines();
        lines[0] = format!("{}  {}", event.when().trim_end(), lines[0]);
        lines
    });
    list(&mut out, "last event", &lines, "no boot out of the ordinary is recorded");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_was_confirmed_is_not_asked_for_again() {
        let report =
            "this boot  slot-b: trial\ntrial      2 tries left; `everboot confirm` keeps this version\n";
        let said = |is_confirmed| why(Some(report.to_owned()), is_confirmed, None);
        assert!(said(false).starts_with(report));
        assert!(
            said(true).starts_with("this boot  slot-b: trial\ntrial      confirmed in this boot\nlast event")
        );
    }
}
