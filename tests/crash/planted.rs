//! Each planted bug, and whether the search finds it.

use everboot_core::mutant::plant;
use everboot_crash::minimise::minimise;
use everboot_crash::mutants::{Caught, all, hunt_all, named};
use everboot_crash::replay::{Path, replay};

#[test]
fn every_planted_bug_is_found() {
    let found = hunt_all(1, 2);
    let missed: Vec<_> =
        found.iter().filter(|(_, caught)| caught.is_none()).map(|((_, name, _), _)| *name).collect();
    assert_eq!(missed, Vec::<&str>::new());
    let states: u64 =
        found.iter().filter_map(|(_, caught)| caught.as_ref()).map(|caught| caught.states).sum();
    assert!(states > 100, "{states}");
    assert!(found.len() >= 20, "{}", found.len());
    assert_eq!(found.len(), all().len());
}

#[test]
fn a_failure_is_replayed_and_made_as_short_as_can_be() {
    let bug = named("trailer-kept").unwrap();
    let Caught { scenario, failure, .. } = bug.hunt(1).unwrap();
    let path = Path { scenario: scenario.name.to_owned(), seed: 1, steps: failure.steps };
    assert_eq!(Path::parse(&path.to_string()), Some(path.clone()));
    let shortest = minimise(&path, failure.violation.invariant, &|oracle| bug.plant_in(oracle));
    let again = replay(&shortest, &|oracle| bug.plant_in(oracle), &mut |_, _| ());
    plant(None);
    assert_eq!(again.unwrap_err().violation.invariant, failure.violation.invariant);
    assert_eq!(shortest.steps.len(), 1, "{shortest}");
    replay(&shortest, &|_| (), &mut |_, _| ()).unwrap();
}
