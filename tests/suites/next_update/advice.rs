//! A command that a refusal names, run next, changes the answer.

use super::state::NEXT;
use super::update::boot_well;
use super::verbs::{No, Verb, run, seen_by};
use everboot_core::record::Record;
use everboot_core::slot::SlotId;

/// What a refusal tells somebody to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    Run(Verb),
    /// `--force` with the same verb.
    Force,
    Reboot,
}

/// The words of a refusal, and what each of them means.
const WORDS: [(&str, Advice); 8] = [
    ("`everboot confirm`", Advice::Run(Verb::Confirm)),
    ("`everboot cancel`", Advice::Run(Verb::Cancel)),
    ("`everboot stage FILE`", Advice::Run(Verb::Stage { image: NEXT, force: false })),
    ("`everboot prepare`", Advice::Run(Verb::Prepare)),
    ("`rollback`", Advice::Run(Verb::Rollback { to: None, force: false })),
    ("`everboot reject`", Advice::Run(Verb::Reject(SlotId(0)))),
    ("--force", Advice::Force),
    ("reboot", Advice::Reboot),
];

/// Commands that only look, or that need more than one machine can do by itself.
const LOOKS: [&str; 1] = ["`everboot doctor`"];

/// So many refusals after one another name a command.
const DEEP: usize = 3;

/// All that it advises. Every command in quotation marks is one that is known here.
pub fn advice(text: &str, running: SlotId) -> Vec<Advice> {
    let quoted = text.split('`').skip(1).step_by(2).filter(|word| word.starts_with("everboot "));
    for word in quoted {
        let word = format!("`{word}`");
        let is_known = WORDS.iter().any(|(known, _)| *known == word) || LOOKS.contains(&word.as_str());
        assert!(is_known, "{text}: what does {word} do?");
    }
    let found = WORDS.iter().filter(|(word, _)| text.contains(word));
    let of_running = |advice: &Advice| match advice {
        Advice::Run(Verb::Reject(_)) => Advice::Run(Verb::Reject(running)),
        other => *other,
    };
    found.map(|(_, advice)| of_running(advice)).collect()
}

/// A command that a refusal names, run next, changes the answer: all of which that does not hold. Where the command is
/// refused itself, what that refusal names comes first.
pub fn invariant_advice_changes_the_answer(
    record: &Record,
    running: SlotId,
    verb: Verb,
    why: &No,
) -> Vec<Advice> {
    let record = seen_by(record, running);
    let found = advice(&why.to_string(), running);
    found
        .into_iter()
        .filter(|advice| answer_after(&record, running, verb, *advice).as_ref() == Some(why))
        .collect()
}

/// What a verb answers when somebody has followed the advice; `None` when it is done. Advice that is refused changes
/// nothing.
fn answer_after(record: &Record, running: SlotId, verb: Verb, advice: Advice) -> Option<No> {
    let verb = match (advice, verb) {
        (Advice::Force, Verb::Stage { image, .. }) => Verb::Stage { image, force: true },
        (Advice::Force, Verb::Rollback { to, .. }) => Verb::Rollback { to, force: true },
        (Advice::Force, Verb::Once { slot, .. }) => Verb::Once { slot, force: true },
        _ => verb,
    };
    let (record, running) = follow(record.clone(), running, advice, DEEP)?;
    run(&seen_by(&record, running), verb).err()
}

/// The record, and what runs, after somebody has followed the advice. A command that is refused is run again when what
/// its refusal names is done. `None` where nothing boots.
fn follow(record: Record, running: SlotId, advised: Advice, deep: usize) -> Option<(Record, SlotId)> {
    let (mut record, mut running) = (record, running);
    match advised {
        Advice::Force => {}
        Advice::Reboot => {
            // A boot that somebody asked for comes first.
            let boots = 1 + usize::from(record.once.is_some());
            for _ in 0..boots {
                running = boot_well(&mut record)?;
            }
        }
        Advice::Run(command) => match run(&record, command) {
            Ok(saved) => record = saved.last().cloned().unwrap_or(record),
            Err(why) => {
                let helps = |advice: &Advice| *advice != Advice::Force;
                let found = advice(&why.to_string(), running).into_iter().find(helps);
                if let Some(first) = found.filter(|_| deep > 0) {
                    let (record, running) = follow(record, running, first, deep - 1)?;
                    return follow(seen_by(&record, running), running, advised, deep - 1);
                }
            }
        },
    }
    Some((record, running))
}
