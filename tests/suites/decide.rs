//! The boot decision, row by row.

use everboot_core::config::{Assess, Policy};
use everboot_core::decide::{
    ApplyFault, Decision, Observation, Reason, Request, SlotObservation, Target, decide,
};
use everboot_core::record::Record;
use everboot_core::slot::RootFault;
use everboot_kit::picture::{POLICY, record, show};

/// What is seen: one word a slot, `.` present, `-` missing, `unread` no trailer to be read, `kernel` no modules for
/// this one, `dev`, `mount`, `init`, `unproven` failed that way; then `norecord`, `slot=NAME`, `hand=NAME`,
/// `keep=NAME`, `recovery`, `shell`, `applyfailed`, `applydevice`, `waited`; `rescue` when there is a recovery
/// slot, `norescue` when it failed.
fn observation(record: &Record, text: &str) -> Observation {
    let mut seen = Observation {
        can_persist: true,
        slots: vec![],
        recovery: SlotObservation::Missing,
        request: None,
        apply: None,
        recovery_waited: false,
    };
    for word in text.split_whitespace() {
        match word {
            "." => seen.slots.push(SlotObservation::Present),
            "-" => seen.slots.push(SlotObservation::Missing),
            "unread" => seen.slots.push(SlotObservation::Unread),
            "kernel" => seen.slots.push(SlotObservation::OtherKernel),
            "dev" => seen.slots.push(SlotObservation::Failed(RootFault::Device)),
            "mount" => seen.slots.push(SlotObservation::Failed(RootFault::NotMountable)),
            "unproven" => seen.slots.push(SlotObservation::Failed(RootFault::Unproven)),
            "init" => seen.slots.push(SlotObservation::Failed(RootFault::NoInit)),
            "norecord" => seen.can_persist = false,
            "applyfailed" => seen.apply = Some(ApplyFault::Image),
            "applydevice" => seen.apply = Some(ApplyFault::Device),
            "waited" => seen.recovery_waited = true,
            "rescue" => seen.recovery = SlotObservation::Present,
            "norescue" => seen.recovery = SlotObservation::Failed(RootFault::NoInit),
            "recovery" => seen.request = Some(Request::Recovery { shell: false }),
            "shell" => seen.request = Some(Request::Recovery { shell: true }),
            _ => {
                let (who, name) = word.split_once('=').unwrap();
                let slot = record.find(name).unwrap();
                seen.request = Some(match who {
                    "slot" => Request::Slot(slot),
                    _ => Request::Hand { slot, keep: who == "keep" },
                });
            }
        }
    }
    seen
}

fn decided(before: &str, seen: &str, policy: &Policy) -> (Record, Decision) {
    let record = record(before);
    record.check().unwrap();
    let decision = decide(&record, &observation(&record, seen), policy);
    (record, decision)
}

/// Checks target and next record of one decision; returns its reason.
fn check(before: &str, seen: &str, target: &str, after: &str) -> Reason {
    let (record, decision) = decided(before, seen, &POLICY);
    let found = match decision.target {
        Target::Boot(id) => format!("boot {}", record.slot(id).name),
        Target::Apply(id) => format!("apply {}", record.slot(id).name),
        Target::RecoverySlot => "recovery slot".to_owned(),
        Target::Recovery { wait, shell: true } => format!("recovery {wait}"),
        Target::Recovery { wait, shell: false } => format!("recovery {wait}, no shell"),
    };
    let case = format!("{before} | {seen}");
    assert_eq!(found, target, "{case}");
    assert_eq!(show(&decision.record), after, "{case}");
    decision.record.check().expect(&case);
    decision.reason
}

#[test]
fn nothing_due_boots_the_default() {
    let reason = check("a:good*! b:good", ". .", "boot a", "a:good*? b:good");
    assert_eq!(reason, Reason::Default);
    check("a:good b:good*?", ". .", "boot b", "a:good b:good*?");
    check("a:good* b:proven#9 staged", ". .", "boot a", "a:good*? b:proven#9 staged");
    check("a:good* b:writing preparing(b)", ". .", "boot a", "a:good*? b:writing preparing(b)");
}

#[test]
fn a_trial_is_counted_before_it_boots() {
    let reason = check("a:good*! b:trial(3,10)#9 kept", ". .", "boot b", "a:good* b:trial(2,9)#9? kept");
    assert_eq!(reason, Reason::Trial { tries_left: 2 });
    check("a:good* b:trial(1,9)#9?", ". .", "boot b", "a:good* b:trial(0,8)#9?");
}

#[test]
fn the_third_unconfirmed_attempt_rolls_back() {
    let reason = check("a:good* b:trial(0,7)#9? kept", ". .", "boot a", "a:good*? b:bad#9 kept bad(9)");
    assert!(matches!(reason, Reason::RolledBack { .. }));
}

#[test]
fn the_hard_number_of_hand_offs_ends_a_trial_with_tries_left() {
    check("a:good* b:trial(20,1)#9?", ". .", "boot b", "a:good* b:trial(19,0)#9?");
    check("a:good* b:trial(19,0)#9?", ". .", "boot a", "a:good*? b:bad(handoffs)#9 bad(9)");
}

#[test]
fn a_broken_trial_is_bad_in_the_same_boot() {
    check("a:good* b:trial(2,9)#9?", ". mount", "boot a", "a:good*? b:bad(mount)#9 bad(9)");
    check("a:good* b:trial(2,9)#9?", ". init", "boot a", "a:good*? b:bad(init)#9 bad(9)");
}

#[test]
fn a_trial_whose_trailer_is_not_its_own_is_bad_and_its_image_is_not() {
    check("a:good* b:trial(2,9)#9?", ". unproven", "boot a", "a:good*? b:bad(unproven)#9");
}

#[test]
fn a_trial_whose_device_fails_is_passed_over_and_keeps_its_name() {
    let reason = check("a:good* b:trial(0,9)#9?", ". dev", "boot a", "a:good*? b:trial(0,9)#9");
    assert!(matches!(reason, Reason::Fallback { .. }));
    check("a:good* b:trial(2,9)#9", ". -", "boot a", "a:good*? b:trial(2,9)#9");
}

#[test]
fn an_apply_is_counted_before_it_starts() {
    let reason = check("a:good*! b:bad due(b,5)", ". .", "apply b", "a:good*! b:bad due(b,4,49)");
    assert_eq!(reason, Reason::ApplyDue { starts_left: 4 });
    check("a:good*! b:good due(b,5)", ". .", "apply b", "a:good*! b:good due(b,4,49)");
    check("a:good* b:writing due(b,1)", ". .", "apply b", "a:good* b:writing due(b,0,49)");
}

#[test]
fn an_apply_without_progress_is_abandoned_after_its_starts() {
    check("a:good* b:writing due(b,0)", ". .", "boot a", "a:good*? b:writing");
}

#[test]
fn an_apply_is_abandoned_after_its_starts_in_all_whatever_they_proved() {
    let reason = check("a:good*! b:writing due(b,5,1)", ". .", "apply b", "a:good*! b:writing due(b,4,0)");
    assert_eq!(reason, Reason::ApplyDue { starts_left: 0 });
    check("a:good*! b:writing due(b,5,0)", ". .", "boot a", "a:good*? b:writing");
}

#[test]
fn an_apply_that_a_device_failed_stays_due_until_its_starts_are_used_up() {
    for seen in [". . applydevice", ". . applydevice waited"] {
        check("a:good*! b:good due(b,4)", seen, "boot a", "a:good*? b:good due(b,4)");
        check("a:good*! b:writing due(b,4,3)", seen, "boot a", "a:good*? b:writing due(b,4,3)");
        check("a:good*! b:writing due(b,0)", seen, "boot a", "a:good*? b:writing");
        check("a:good*! b:writing due(b,4,0)", seen, "boot a", "a:good*? b:writing");
    }
    check(
        "a:bad* b:writing due(b,4)",
        ". . applydevice",
        "recovery 10",
        "a:bad* b:writing due(b,4) rounds(1)",
    );
}

#[test]
fn an_apply_that_failed_is_not_tried_again() {
    check("a:good*! b:writing due(b,4)", ". . applyfailed", "boot a", "a:good*? b:writing");
}

#[test]
fn an_apply_waits_while_its_slot_is_missing() {
    check("a:good*! b:bad due(b,5)", ". -", "boot a", "a:good*? b:bad due(b,5)");
}

#[test]
fn an_apply_over_the_other_good_slot_needs_the_default_confirmed() {
    check("a:good*? b:good due(b,5)", ". .", "boot a", "a:good*? b:good");
    check("a:bad* b:good due(b,5)", ". .", "boot b", "a:bad* b:good?<");
}

#[test]
fn a_good_slot_is_passed_over_but_never_demoted() {
    for (failure, after) in [
        ("-", "a:good* b:good?"),
        ("unread", "a:good* b:good?"),
        ("dev", "a:good* b:good?"),
        ("mount", "a:good* b:good?<"),
        ("init", "a:good* b:good?<"),
    ] {
        let reason = check("a:good*! b:good", &format!("{failure} ."), "boot b", after);
        assert!(matches!(reason, Reason::Fallback { .. }));
    }
}

#[test]
fn the_good_slot_confirmed_last_is_the_fallback() {
    check("a:good b:good c:good*", ". . -", "boot b", "a:good b:good? c:good*");
}

#[test]
fn a_slot_below_the_floor_boots_when_no_better_one_does() {
    check("a:good#3 b:good c:good* floor(2.5)", ". . -", "boot a", "a:good#3? b:good c:good* floor(2.5)");
    check("a:good b:good* floor(2.0)", ". -", "boot a", "a:good? b:good* floor(2.0)");
    check("a:good* b:empty floor(2.0)", ". .", "boot a", "a:good*? b:empty floor(2.0)");
    check("a:proven b:bad* floor(2.0)", ". .", "boot a", "a:trial(2,9)? b:bad* floor(2.0)");
}

#[test]
fn a_proven_slot_is_tried_only_when_no_good_one_can_be_entered() {
    check("a:good* b:proven", ". .", "boot a", "a:good*? b:proven");
    check("a:good* b:proven", "- .", "boot b", "a:good* b:trial(2,9)?");
    check("a:bad* b:proven", ". .", "boot b", "a:bad* b:trial(2,9)?");
}

#[test]
fn everything_bad_is_recovery_with_growing_waits() {
    check("a:bad* b:bad", ". .", "recovery 10", "a:bad* b:bad rounds(1)");
    check("a:bad* b:bad rounds(1)", ". .", "recovery 20", "a:bad* b:bad rounds(2)");
    check("a:bad* b:bad rounds(5)", ". .", "recovery 320", "a:bad* b:bad rounds(6)");
    check("a:bad* b:bad rounds(6)", ". .", "recovery 600", "a:bad* b:bad rounds(7)");
    check("a:bad* b:bad rounds(255)", ". .", "recovery 600", "a:bad* b:bad rounds(255)");
}

#[test]
fn recovery_tries_the_slot_that_was_last_good() {
    let reason = check("a:bad* b:bad rounds(1)", ". . waited", "boot a", "a:bad*? b:bad rounds(1)");
    assert_eq!(reason, Reason::RecoveryRetry);
    check("a:bad* b:bad rounds(1)", "mount . waited", "boot b", "a:bad* b:bad?< rounds(1)");
    check("a:bad* b:bad rounds(1)", "mount mount waited", "recovery 20", "a:bad* b:bad rounds(2)");
    check("a:writing b:writing", ". . waited", "recovery 10", "a:writing b:writing rounds(1)");
}

/// The record that named it may be lost, and with it that it was filled by other means.
#[test]
fn a_slot_of_which_nothing_is_known_is_the_last_resort() {
    let reason = check("a:empty b:writing", ". . waited", "boot a", "a:empty? b:writing");
    assert_eq!(reason, Reason::LastResort);
    check("a:empty b:bad", ". . waited", "boot b", "a:empty b:bad?<");
    check("a:empty b:bad", ". mount waited", "boot a", "a:empty? b:bad");
    check("a:empty b:empty", "mount . waited rescue", "recovery slot", "a:empty b:empty");
    check("a:empty b:empty", "mount . waited norescue", "boot b", "a:empty b:empty?");
    let strict = Policy { strict: true, ..POLICY };
    for before in ["a:empty b:writing", "a:bad* b:bad"] {
        let (_, decision) = decided(before, ". . waited", &strict);
        assert!(matches!(decision.target, Target::Recovery { .. }), "{before}");
    }
}

#[test]
fn a_slot_without_modules_for_this_kernel_comes_after_the_others() {
    check("a:good*! b:good", "kernel .", "boot b", "a:good* b:good?<");
    check("a:good*! b:good", "kernel kernel", "boot a", "a:good*? b:good");
    check("a:good* b:trial(2,9)#9", ". kernel", "boot a", "a:good*? b:proven#9");
    check("a:good* b:trial(2,9)#9", "mount kernel", "boot b", "a:good* b:trial(1,8)#9?");
    check("a:good* b:proven", "kernel .", "boot a", "a:good*? b:proven");
}

/// The default counts as good, and the boot would not enter it: the other slot is the one that can boot.
#[test]
fn an_apply_never_writes_the_last_slot_that_can_boot() {
    check("a:good*! b:good due(b,5)", "unproven .", "boot b", "a:good* b:good?<");
    check("a:good*! b:good due(b,5)", "dev .", "boot b", "a:good* b:good? due(b,5)");
    check("a:good*! b:proven due(b,5)", "- .", "boot b", "a:good* b:trial(2,9)? due(b,5)");
    check("a:good*! b:bad due(b,5)", "unproven .", "apply b", "a:good*! b:bad due(b,4,49)");
    check("a:good*! b:good due(b,5)", ". unproven", "apply b", "a:good*! b:good due(b,4,49)");
}

#[test]
fn recovery_boots_the_good_slot_whose_trailer_is_damaged() {
    check("a:good*! b:bad", "unproven .", "recovery 10", "a:good*! b:bad rounds(1)");
    check("a:good*! b:writing", "unread .", "recovery 10", "a:good*! b:writing rounds(1)");
    check("a:good*! b:writing", "unread . waited", "boot a", "a:good*? b:writing");
    check("a:good*! b:bad rounds(1)", ". . waited", "boot a", "a:good*? b:bad rounds(1)");
    let reason = check("a:good*! b:bad rounds(1)", "unproven . waited", "boot a", "a:good*? b:bad rounds(1)");
    assert_eq!(reason, Reason::RecoveryRetry);
    let reason = check("a:good* b:bad", "unproven . norecord waited", "boot a", "a:good* b:bad");
    assert_eq!(reason, Reason::RecoveryRetry);
}

#[test]
fn without_a_record_nothing_is_counted_tried_or_applied() {
    let reason = check("a:good* b:trial(3,10)", ". . norecord", "boot a", "a:good* b:trial(3,10)");
    assert_eq!(reason, Reason::NoRecord);
    check("a:good* b:bad due(b,5)", ". . norecord", "boot a", "a:good* b:bad due(b,5)");
    check("a:good* b:good", "- . norecord", "boot b", "a:good* b:good");
    check("a:empty b:proven", ". . norecord", "boot b", "a:empty b:proven");
    check("a:bad* b:trial(2,9)", ". . norecord", "boot b", "a:bad* b:trial(2,9)");
    check("a:good* b:good", ". . norecord slot=b", "boot a", "a:good* b:good");
    check("a:good* b:bad", "mount . norecord", "recovery 10", "a:good* b:bad rounds(1)");
}

#[test]
fn the_command_line_chooses_among_eligible_slots_only() {
    let reason = check("a:good* b:good", ". . slot=b", "boot b", "a:good* b:good?");
    assert_eq!(reason, Reason::Requested);
    check("a:good* b:trial(3,10)", ". . slot=b", "boot b", "a:good* b:trial(2,9)?");
    check("a:good* b:trial(3,10)", ". . slot=a", "boot a", "a:good*? b:trial(3,10)");
    check("a:good*! b:bad due(b,5)", ". . slot=a", "boot a", "a:good*? b:bad due(b,5)");
    for state in ["empty", "writing", "proven", "bad"] {
        let before = format!("a:good* b:{state}");
        check(&before, ". . slot=b", "boot a", &show(&record(&format!("a:good*? b:{state}"))));
    }
    check("a:good* b:good", ". - slot=b", "boot a", "a:good*? b:good");
    check("a:good b:good* floor(2.0)", ". . slot=a", "boot b", "a:good b:good*? floor(2.0)");
    check("a:good* b:good floor(2.0)", ". . slot=a", "boot a", "a:good*? b:good floor(2.0)");
}

#[test]
fn a_slot_is_booted_once_whatever_is_due_and_then_no_more() {
    let reason = check("a:good*! b:good once(b)", ". .", "boot b", "a:good* b:good?");
    assert_eq!(reason, Reason::Once);
    check("a:good*! b:trial(2,9) once(a)", ". .", "boot a", "a:good*? b:trial(2,9)");
    check("a:good*! b:trial(2,9) once(b)", ". .", "boot b", "a:good* b:trial(1,8)?");
    check("a:good*! b:good c:bad due(c,5) once(b)", ". . .", "boot b", "a:good* b:good? c:bad due(c,5)");
    check("a:good*! b:proven once(b)", ". .", "boot b", "a:good* b:proven?");
    check("a:good*! b:bad(init) once(b)", ". .", "boot b", "a:good* b:bad(init)?");
    check("a:good*! b:good once(b)", ". -", "boot a", "a:good*? b:good");
    check("a:good*! b:good once(b)", ". . norecord", "boot a", "a:good*! b:good once(b)");
    check("a:good*! b:good once(b)", ". . slot=a", "boot a", "a:good*? b:good");
}

#[test]
fn whoever_sits_at_the_console_boots_any_slot_that_was_proven() {
    let reason = check("a:good*! b:bad(rejected)", ". . hand=b", "boot b", "a:good* b:bad(rejected)?");
    assert_eq!(reason, Reason::ByHand);
    check("a:good*! b:trial(2,9)", ". . hand=b", "boot b", "a:good* b:trial(1,8)?");
    check("a:good*! b:good", ". . hand=b norecord", "boot b", "a:good*! b:good");
    check("a:good*! b:good", ". . keep=b", "boot b", "a:good b:good*?");
    check("a:good*! b:trial(2,9)", ". . keep=a", "boot a", "a:good*? b:trial(2,9)");
    check("a:good*! b:proven", ". . keep=b", "boot b", "a:good* b:proven?");
    check("a:good*! b:good", ". mount hand=b", "boot a", "a:good*? b:good");
    for state in ["empty", "writing", "bad(unproven)"] {
        check(&format!("a:good*! b:{state}"), ". . hand=b", "boot a", &format!("a:good*? b:{state}"));
    }
}

#[test]
fn the_recovery_slot_comes_after_everything_and_before_the_shell() {
    check("a:bad* b:bad", ". . rescue", "recovery 10, no shell", "a:bad* b:bad rounds(1)");
    check("a:bad* b:bad rounds(7)", ". . rescue", "recovery 10, no shell", "a:bad* b:bad rounds(8)");
    check("a:bad* b:bad rounds(1)", ". . rescue waited", "recovery slot", "a:bad* b:bad rounds(1)");
    check("a:good* b:bad", "mount . rescue waited", "recovery slot", "a:good* b:bad");
    check("a:good* b:bad", "unproven . rescue waited", "boot a", "a:good*? b:bad");
    let reason = check("a:bad*? b:bad", "mount init rescue waited", "recovery slot", "a:bad* b:bad");
    assert_eq!(reason, Reason::RecoverySlot);
    check("a:bad* b:bad", "mount init norescue waited", "recovery 10", "a:bad* b:bad rounds(1)");
    check("a:good* b:bad", ". . rescue", "boot a", "a:good*? b:bad");
    check("a:bad* b:bad", "- - norecord rescue waited", "recovery slot", "a:bad* b:bad");
}

#[test]
fn recovery_that_is_asked_for_costs_no_round_and_ends_by_itself() {
    check("a:good*! b:good", ". . recovery", "recovery 60", "a:good*! b:good");
    let reason = check("a:good*! b:good", ". . recovery rescue", "recovery slot", "a:good* b:good");
    assert_eq!(reason, Reason::Requested);
    check("a:good*! b:good", ". . shell rescue", "recovery 60", "a:good*! b:good");
    check("a:good*! b:good", ". . recovery norescue", "recovery 60", "a:good*! b:good");
    check("a:good*! b:good", ". . recovery waited", "boot a", "a:good*? b:good");
    check("a:good*! b:good", ". . shell norecord", "recovery 60", "a:good*! b:good");
}

#[test]
fn with_assess_upgrade_a_confirmed_good_slot_boots_without_a_write() {
    let policy = Policy { assess: Assess::Upgrade, ..POLICY };
    let (before, decision) = decided("a:good*! b:good", ". .", &policy);
    assert_eq!(decision.record, before);
    let (_, decision) = decided("a:good* b:trial(3,10)", ". .", &policy);
    assert_eq!(show(&decision.record), "a:good* b:trial(2,9)?");
}

/// What the boots of the next test begin with.
const STARTS: [&str; 11] = [
    ". .",
    "- .",
    ". -",
    ". . norecord",
    ". . slot=b",
    ". . slot=a",
    ". . hand=b",
    ". . keep=a norecord",
    ". . recovery rescue",
    ". . shell",
    ". . rescue waited",
];

/// Every combination of states, defaults, updates and failures: a target always comes out, the next record
/// is legal, no good slot is demoted, a trial never boots without being counted, and feeding failures back
/// ends in recovery after a bounded number of decisions.
#[test]
fn every_record_has_a_way_up() {
    let states = ["empty", "writing", "proven", "trial(1,2)", "trial(0,2)", "trial(2,0)", "good", "bad"];
    let updates = ["", "staged", "kept", "preparing(b)", "due(b,1)", "due(b,0)", "due(b,1,1)"];
    let mut cases = 0;
    for (a, b) in states.iter().flat_map(|a| states.iter().map(move |b| (a, b))) {
        for (update, marks) in updates.iter().flat_map(|u| ["*", "*!", "?", ""].map(|m| (u, m))) {
            let before = record(&format!("a:{a}{marks} b:{b} {update}"));
            if before.check().is_err() {
                continue;
            }
            for start in STARTS {
                walk(before.clone(), observation(&before, start), ApplyFault::Image);
                walk(before.clone(), observation(&before, start), ApplyFault::Device);
                cases += 1;
                let once = Record { once: before.find("b"), ..before.clone() };
                if once.check().is_ok() {
                    walk(once, observation(&before, start), ApplyFault::Device);
                    cases += 1;
                }
            }
        }
    }
    assert!(cases > 5000, "{cases}");
}

/// Follows the decisions while everything that can fail fails.
fn walk(mut record: Record, mut seen: Observation, fault: ApplyFault) {
    for _ in 0..12 {
        let decision = decide(&record, &seen, &POLICY);
        decision.record.check().unwrap_or_else(|out| panic!("{}: {out:?}", show(&record)));
        for (id, slot) in record.ids() {
            use everboot_core::slot::SlotState;
            assert!(slot.state != SlotState::Good || decision.record.is_good(id), "{}", show(&record));
        }
        match decision.target {
            Target::Boot(id) => {
                if let everboot_core::slot::SlotState::Trial { tries_left, .. } =
                    decision.record.slot(id).state
                    && let everboot_core::slot::SlotState::Trial { tries_left: before, .. } =
                        record.slot(id).state
                {
                    assert!(!seen.can_persist || tries_left < before, "{}", show(&record));
                }
                seen.slots[id.index()] = SlotObservation::Failed(RootFault::NotMountable);
            }
            Target::Apply(id) => {
                assert!(seen.can_persist && record.default != Some(id), "{}", show(&record));
                seen.apply = Some(fault);
            }
            Target::RecoverySlot => seen.recovery = SlotObservation::Failed(RootFault::NoInit),
            Target::Recovery { wait, .. } => {
                assert!((10..=600).contains(&wait));
                if seen.recovery_waited || seen.request.is_none() {
                    return;
                }
                seen.recovery_waited = true;
            }
        }
        record = decision.record;
    }
    panic!("no end: {}", show(&record));
}
