//! `status` for a person in front of a console of 80 columns and 24 lines.

use super::status::{NextBoot, SlotFacts, StatusReport, UpdateFacts};
use crate::runtime::text::{WIDTH, cut, titled};
use std::fmt::Write;

/// Digits of an image id that are shown.
const DIGITS: usize = 12;

impl StatusReport {
    /// The lines. What is wrong comes first; what happened long ago comes last.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |title: &str, text: &str| titled(&mut out, title, text);
        let compatible = if self.compatible.is_empty() { "not configured" } else { &self.compatible };
        line("everboot", &format!("{}, machine type {compatible}", self.version));
        if let Some(trouble) = &self.trouble {
            line("TROUBLE", &format!("record: {trouble}"));
        }
        let [first, last] = &self.record.copies;
        let copies =
            if first == last { format!("both {first}") } else { format!("first {first}, last {last}") };
        line("record", &format!("generation {}, copies: {copies}", self.record.generation));
        for fault in &self.record.boot_found {
            line("record", &format!("this boot found: {fault}"));
        }
        line("next boot", &next(&self.next_boot));
        line("update", &update(&self.update));
        line("rollback", &self.rollback_line());
        if !self.record.floor.is_empty() {
            line("floor", &format!("{}: no lower version is installed", self.record.floor));
        }
        if let Some(reason) = &self.blocked_reason {
            line("blocked", &format!("no new image now: {reason}"));
        }
        if let Some(why) = self.staging_trouble.as_ref().filter(|_| self.update.state != "none") {
            line("staging", why);
        }
        self.table(&mut out);
        for event in &self.history {
            let what = format!("{}  {}", event.when(), event.lines()[0]);
            let _ = writeln!(out, "history    {}", cut(&what, WIDTH - 12));
        }
        out
    }

    /// The table of slots alone.
    pub(crate) fn slots_text(&self) -> String {
        let mut out = String::new();
        self.table(&mut out);
        out.trim_start_matches('\n').to_owned()
    }

    fn rollback_line(&self) -> String {
        match &self.rollback {
            Some(slot) => format!("possible, to {slot}"),
            None => "not possible: there is no other good slot, or it is below the floor".to_owned(),
        }
    }

    fn table(&self, out: &mut String) {
        let longest = self.slots.iter().map(|slot| slot.name.len()).max().unwrap_or(0).max(4);
        let _ = writeln!(
            out,
            "\n    {:longest$}  {:7}  {:DIGITS$}  {:8}  {:9}  {:7}  version",
            "slot", "state", "image", "disk", "size", "trailer"
        );
        for slot in &self.slots {
            let _ = writeln!(out, "{}", row(slot, longest, self.confirmed).trim_end());
            if let Some(detail) = detail(slot) {
                let _ = writeln!(out, "    {:longest$}  {detail}", "");
            }
        }
        out.push_str("D default  B booted  C confirmed in this boot\n");
    }
}

fn row(slot: &SlotFacts, longest: usize, confirmed: bool) -> String {
    let letter = |holds: bool, letter: char| if holds { letter } else { ' ' };
    let flags = [letter(slot.default, 'D'), letter(slot.booted, 'B'), letter(slot.booted && confirmed, 'C')];
    let flags: String = flags.iter().collect();
    let image = slot.image.as_deref().map_or("-", |id| &id[..DIGITS.min(id.len())]);
    let part = slot.parts.iter().find(|part| part.name == "root");
    // The end of a path says the most.
    let disk = part
        .and_then(|part| part.disk.as_deref())
        .map_or("MISSING", |disk| disk.rsplit('/').next().unwrap_or(disk));
    let size = part.and_then(|part| part.size).map_or(String::new(), |bytes| format!("{} MiB", bytes >> 20));
    let trailer = match slot.trailer_ok {
        None => "-",
        Some(true) => "ok",
        Some(false) => "WRONG",
    };
    let version = slot.version.as_deref().unwrap_or("-");
    let insecure = if slot.insecure { ", INSECURE" } else { "" };
    format!(
        "{flags} {:longest$}  {:7}  {image:DIGITS$}  {:8}  {size:9}  {trailer:7}  {version}{insecure}",
        slot.name,
        slot.state,
        cut(disk, 8)
    )
}

fn detail(slot: &SlotFacts) -> Option<String> {
    if let (Some(tries), Some(handoffs)) = (slot.tries_left, slot.handoffs_left) {
        let [try_word, handoff_word] =
            [if tries == 1 { "try" } else { "tries" }, if handoffs == 1 { "hand-off" } else { "hand-offs" }];
        return Some(format!("{tries} {try_word} left, {handoffs} {handoff_word} left"));
    }
    slot.reason.clone()
}

/// The next boot in one line.
pub(crate) fn next(next: &NextBoot) -> String {
    let slot = next.slot.as_deref().unwrap_or("-");
    match next.target {
        "boot" => format!("{slot}: {}", next.reason),
        "apply" => format!("apply to {slot}, then try it: {}", next.reason),
        _ => format!("RECOVERY: {}", next.reason),
    }
}

fn update(update: &UpdateFacts) -> String {
    let version = update.version.as_deref().unwrap_or("-");
    let target = update.target.as_deref().unwrap_or("-");
    let mut line = match update.state {
        "staged" => format!("{version} staged, not due: run `everboot activate`"),
        "preparing" => format!("{version} half written to {target}: run `everboot prepare`"),
        "due" => {
            let starts = [update.starts_left, update.starts_left_in_all].map(|left| left.unwrap_or_default());
            format!(
                "{version} due for {target} at the next boot; starts left: {}, {} in all",
                starts[0], starts[1]
            )
        }
        "kept" => format!("{version} was applied; its bundle is kept until the next confirm"),
        "other" => {
            format!("{version}: its step is known to a newer everboot only; `everboot cancel` withdraws it")
        }
        _ => "none".to_owned(),
    };
    if update.insecure {
        line.push_str(" (INSECURE)");
    }
    if update.state != "none" && update.bundle == Some(false) {
        line.push_str(" (its bundle is GONE)");
    }
    line
}
