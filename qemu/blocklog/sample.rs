//! Which images are booted by the real kernel.

use super::address::Address;
use super::image::Coverage;
use super::replay::Outcome;
use everboot_kit::seed::Seed;
use std::collections::BTreeMap;

/// What became of one image.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Which.
    pub address: Address,
    /// What was going on, and what was written.
    pub moment: (String, String),
    /// Whether a copy of the record was written.
    pub saves: bool,
    /// Where the boot of it went.
    pub outcome: Outcome,
}

/// The images to boot: one at each boundary of a save of the record, one for each kind of outcome, then others by
/// chance. `kinds` becomes the number of kinds.
pub fn sample(checked: &[Checked], count: usize, seed: u64, kinds: &mut u64) -> Vec<Checked> {
    let boundary =
        |one: &&Checked| one.address.way == 0 && one.address.coverage == Coverage::All && one.saves;
    let mut chosen: Vec<Checked> = checked.iter().filter(boundary).cloned().collect();
    let mut groups: BTreeMap<Kind<'_>, Vec<&Checked>> = BTreeMap::new();
    for one in checked.iter().filter(|one| one.address.coverage == Coverage::All) {
        groups.entry(kind(one)).or_default().push(one);
    }
    *kinds = groups.len() as u64;
    let mut seed = Seed::new(seed);
    let mut pick = |from: &mut Vec<&Checked>| {
        let at = (seed.next() % from.len() as u64) as usize;
        from.swap_remove(at).clone()
    };
    for (_, group) in groups.iter_mut().filter(|(_, group)| !group.iter().any(boundary)) {
        chosen.push(pick(group));
    }
    let is_new = |one: &&Checked| !chosen.iter().any(|other| other.address == one.address);
    let mut rest: Vec<&Checked> = checked.iter().filter(is_new).collect();
    while chosen.len() < count && !rest.is_empty() {
        chosen.push(pick(&mut rest));
    }
    chosen
}

type Kind<'a> = (&'a str, &'a (String, String), &'a Outcome);

fn kind(one: &Checked) -> Kind<'_> {
    (&one.address.recording, &one.moment, &one.outcome)
}
