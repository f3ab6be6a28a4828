//! `verify` and `repair`: the blocks of a slot, in words.

use super::answer::{Answer, Exit, Outcome};
use super::arguments::Arguments;
use super::session::Session;
use super::session::open_bundle;
use crate::flow::{self, BlockSource};
use everboot_core::slot::{BLOCK, SlotState};
use everboot_storage::apply::Difference;

pub(crate) fn verify(session: &mut Session, slot: &str) -> Outcome {
    let (slot, parts) = flow::slot_difference(session.site(), slot)?;
    let mut text = String::new();
    for (name, found) in &parts {
        // Of most slots the root is all that there is.
        let part = if name.is_root() { slot.to_string() } else { format!("{slot}, part {name}") };
        describe(&part, found, &mut text);
    }
    let is_right = parts.iter().all(|(_, found)| found.is_none());
    Ok(Answer::text(text, if is_right { Exit::Done } else { Exit::Differs }))
}

fn describe(part: &str, found: &Difference, text: &mut String) {
    if found.is_none() {
        text.push_str(&format!("{part}: all {} blocks are right\n", found.blocks));
        return;
    }
    text.push_str(&format!("{part}: {} of {} blocks differ\n", found.differing, found.blocks));
    if found.unknown > 0 {
        text.push_str(&format!("{} more cannot be judged: the tree is damaged\n", found.unknown));
    }
    for (at, run) in found.listed.chunk_by(|one, next| one + 1 == *next).enumerate() {
        text.push_str(if at == 0 { "blocks " } else { " " });
        text.push_str(&run[0].to_string());
        if let [_, .., last] = run {
            text.push_str(&format!("-{last}"));
        }
    }
    if found.differing > 0 {
        text.push_str(if found.differing > found.listed.len() as u64 { " ...\n" } else { "\n" });
    }
}

pub(crate) fn repair(session: &mut Session, arguments: &Arguments) -> Outcome {
    let slot = arguments.word(0).unwrap_or_default();
    let from = arguments.text("from");
    let source = match (&from, arguments.path("from")) {
        (Some(name), _) if session.site().look().record.find(name).is_some() => BlockSource::Slot(name),
        (_, Some(path)) => BlockSource::Bundle(open_bundle(&path)?),
        _ => BlockSource::Any,
    };
    let (slot, state, done) = flow::repair_blocks(session.site(), &slot, source)?;
    let (repaired, wrong) = (done.bytes_written / BLOCK as u64, done.blocks - done.proven);
    let mut text = format!("{slot}: {repaired} repaired, {wrong} of {} blocks are wrong\n", done.blocks);
    if wrong > 0 {
        text.push_str("no slot has them: `everboot repair SLOT --from FILE` takes them from a bundle of the same image\n");
        return Ok(Answer::text(text, Exit::Differs));
    }
    if let SlotState::Bad { .. } = state {
        text.push_str("bad as before: `everboot install FILE --force` has the image tried again\n");
    }
    Ok(Answer::done(text))
}
