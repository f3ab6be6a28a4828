//! The verbs, row by row.

use everboot_core::lifecycle::{self, Activated, Blocked, Refusal};
use everboot_core::record::Record;
use everboot_core::slot::{BadReason, SlotId, SlotName};
use everboot_kit::picture::{POLICY, bundle, record, show};

fn check(verb: impl Fn(&Record) -> Result<Record, Refusal>, before: &str, after: &str) {
    let next = verb(&record(before)).unwrap_or_else(|why| panic!("{before}: {why}"));
    next.check().unwrap();
    assert_eq!(show(&next), after, "{before}");
}

fn refused(verb: impl Fn(&Record) -> Result<Record, Refusal>, before: &str, why: &Refusal) {
    assert_eq!(verb(&record(before)).as_ref(), Err(why), "{before}");
}

fn stage(record: &Record) -> Result<Record, Refusal> {
    lifecycle::stage(record, bundle(), false, &|_| true)
}
fn begin_prepare(record: &Record) -> Result<Record, Refusal> {
    lifecycle::begin_prepare(record, &|_| true).map(|(next, _)| next)
}
fn activate(record: &Record) -> Result<Record, Refusal> {
    lifecycle::activate(record, &POLICY, &|_| true).map(|(next, _)| next)
}
fn confirm(record: &Record) -> Result<Record, Refusal> {
    lifecycle::confirm(record).map(|confirmation| confirmation.record)
}
fn rollback(record: &Record) -> Result<Record, Refusal> {
    lifecycle::rollback(record, None, false, &|_| true).map(|(next, _)| next)
}
fn reject_b(record: &Record) -> Result<Record, Refusal> {
    lifecycle::reject(record, SlotId(1), &|_| true)
}

#[test]
fn stage_replaces_an_older_bundle_and_refuses_what_failed_or_is_there() {
    check(stage, "a:good*! b:good", "a:good*! b:good staged");
    check(stage, "a:good*! b:trial(2,9) kept", "a:good*! b:trial(2,9) kept");
    refused(stage, "a:good*! b:good bad(9)", &Refusal::RememberedBad);
    refused(stage, "a:good#9*! b:good", &Refusal::AlreadyInstalled);
    let forced = lifecycle::stage(&record("a:good*! b:good bad(8,9)"), bundle(), true, &|_| true).unwrap();
    assert_eq!(show(&forced), "a:good*! b:good staged bad(8)");
}

#[test]
fn staging_the_same_bundle_again_leaves_it_where_it_stands() {
    for before in ["a:good*! b:good staged", "a:good*! b:bad due(b,3)", "a:good*! b:writing preparing(b)"] {
        check(stage, before, before);
    }
}

#[test]
fn prepare_names_the_slot_writing_and_goes_on_with_the_same_one() {
    check(begin_prepare, "a:good*! b:good staged", "a:good*! b:writing preparing(b)");
    let resumed = "a:good*! b:empty c:writing preparing(c)";
    check(begin_prepare, resumed, resumed);
    refused(begin_prepare, "a:good*! b:good", &Refusal::NothingStaged);
    refused(begin_prepare, "a:good*! b:trial(2,9) staged", &Refusal::Blocked(Blocked::TrialPending));
    check(
        |record| Ok(lifecycle::prepared(record)),
        "a:good*! b:writing preparing(b)",
        "a:good*! b:proven#9 kept",
    );
}

#[test]
fn the_slot_that_is_written_is_never_the_default_the_booted_or_the_only_way_back() {
    let target = |picture| lifecycle::choose_target(&record(picture), &|_| true).map(|id| id.0);
    assert_eq!(target("a:good*! b:empty"), Ok(1));
    assert_eq!(target("a:good b:good*!"), Ok(0));
    assert_eq!(target("a:good*? b:good"), Err(Blocked::DefaultUnconfirmed));
    assert_eq!(target("a:good* b:good"), Err(Blocked::DefaultUnconfirmed));
    assert_eq!(target("a:good*? b:bad"), Ok(1));
    assert_eq!(target("a:good* b:good!"), Err(Blocked::NoSlot));
    assert_eq!(target("a:good* b:trial(2,9)?"), Err(Blocked::NoSlot));
    assert_eq!(target("a:good*! b:trial(2,9)"), Err(Blocked::NoSlot));
    assert_eq!(target("a:good*! b:good c:good"), Ok(1));
    assert_eq!(target("a:good*! b:good c:bad"), Ok(2));
    assert_eq!(target("a:good*! b:proven c:writing"), Ok(2));
    assert_eq!(target("a:good*! b:proven c:empty"), Ok(2));
    let only = Blocked::OnlyBootable(SlotName::new("b").unwrap());
    assert_eq!(target("a:bad* b:good c:good"), Err(only));
}

#[test]
fn a_slot_that_can_boot_is_not_written_while_no_other_can() {
    let target =
        |picture, lost: u8| lifecycle::choose_target(&record(picture), &|id| id.0 != lost).map(|id| id.0);
    let only = |name| Err(Blocked::OnlyBootable(SlotName::new(name).unwrap()));
    assert_eq!(target("a:good*! b:good", 0), only("b"));
    assert_eq!(target("a:good*! b:proven", 0), only("b"));
    assert_eq!(target("a:good*! b:bad", 0), Ok(1));
    assert_eq!(target("a:good*! b:good c:good", 2), Ok(2), "it is lost already");
    assert_eq!(target("a:good b:good*!", 0), Ok(0));
    assert_eq!(target("a:good*? b:good", 1), Ok(1), "it is lost already");
}

#[test]
fn the_slot_that_the_boot_fell_back_to_becomes_the_default_when_it_is_confirmed() {
    check(confirm, "a:good* b:good?<", "a:good b:good*!");
    check(confirm, "a:good* b:good?", "a:good* b:good!");
    let confirmation = lifecycle::confirm(&record("a:good* b:good?<")).unwrap();
    assert_eq!(confirmation.mark, Some(3));
    assert_eq!(confirmation.record.slots[1].confirmed, 3);
}

#[test]
fn a_rollback_makes_its_slot_the_one_that_was_confirmed_last() {
    let (next, target) = lifecycle::rollback(&record("a:good b:good*!"), None, false, &|_| true).unwrap();
    assert_eq!((target, next.slots[0].confirmed), (SlotId(0), 3));
    let (next, _) = lifecycle::rollback(&record("a:good* b:trial(2,9)?"), None, false, &|_| true).unwrap();
    assert_eq!(next.slots[0].confirmed, 1);
}

#[test]
fn a_verb_returns_to_no_slot_that_cannot_boot() {
    let lost = |picture, lost: u8| {
        lifecycle::rollback(&record(picture), None, false, &|id| id.0 != lost).map(|(_, id)| id.0)
    };
    assert_eq!(lost("a:good b:good*!", 0), Err(Refusal::NoOtherGood));
    assert_eq!(lost("a:good b:good*! c:good", 2), Ok(0));
    let rejected = lifecycle::reject(&record("a:good b:good*!"), SlotId(1), &|id| id.0 != 0);
    assert_eq!(rejected, Err(Refusal::OnlyGood(SlotId(1))));
}

#[test]
fn activate_makes_due_what_is_staged_and_tries_what_is_prepared() {
    check(activate, "a:good*! b:good staged", "a:good*! b:good due(b,5)");
    check(activate, "a:good*! b:empty c:writing preparing(c)", "a:good*! b:empty c:writing due(c,5)");
    check(activate, "a:good*! b:proven#9 kept", "a:good*! b:trial(3,10)#9 kept");
    check(activate, "a:good*! b:bad due(b,2)", "a:good*! b:bad due(b,2)");
    check(activate, "a:good*! b:trial(1,4)#9 kept", "a:good*! b:trial(1,4)#9 kept");
    check(activate, "a:good*! b:proven c:proven#9 kept", "a:good*! b:proven c:trial(3,10)#9 kept");
    refused(activate, "a:good*! b:good", &Refusal::NothingStaged);
    refused(activate, "a:good*! b:trial(2,9) c:empty staged", &Refusal::Blocked(Blocked::TrialPending));
    refused(activate, "a:good*? b:good staged", &Refusal::Blocked(Blocked::DefaultUnconfirmed));
    let (_, activated) = lifecycle::activate(&record("a:good*! b:empty staged"), &POLICY, &|_| true).unwrap();
    assert_eq!(activated, Activated::Apply(SlotId(1)));
}

#[test]
fn an_image_asks_for_its_own_number_of_tries() {
    let mut before = record("a:good*! b:proven#9 kept");
    before.slots[1].image.as_mut().unwrap().tries = 7;
    assert_eq!(show(&activate(&before).unwrap()), "a:good*! b:trial(7,10)#9 kept");
}

#[test]
fn an_early_apply_ends_in_a_trial() {
    let applied = |record: &Record| Ok(lifecycle::applied(record, &POLICY));
    let begun = |record: &Record| Ok(lifecycle::begin_apply(record));
    check(begun, "a:good*! b:good due(b,4)", "a:good*! b:writing due(b,4)");
    check(applied, "a:good*! b:writing due(b,4)", "a:good*! b:trial(3,10)#9 kept");
    let progressed = |record: &Record| Ok(lifecycle::progressed(record, &POLICY));
    check(progressed, "a:good*! b:writing due(b,1)", "a:good*! b:writing due(b,5)");
    check(progressed, "a:good*! b:writing due(b,1,7)", "a:good*! b:writing due(b,5,7)");
}

#[test]
fn confirm_makes_the_booted_slot_the_default() {
    check(confirm, "a:good* b:trial(2,9)? kept", "a:good b:good*!");
    check(confirm, "a:good*? b:good", "a:good*! b:good");
    check(confirm, "a:good*! b:good", "a:good*! b:good");
    check(confirm, "a:good*? b:good due(b,5)", "a:good*! b:good due(b,5)");
    check(confirm, "a:good*? b:good staged", "a:good*! b:good staged");
    check(confirm, "a:bad*? b:bad bad(1,2) rounds(4)", "a:good*! b:bad bad(2)");
    check(confirm, "a:good* b:good?", "a:good* b:good!");
    check(confirm, "a:good* b:proven?", "a:good* b:proven!");
    check(confirm, "a:good* b:bad(init)? bad(2)", "a:good* b:bad(init)! bad(2)");
    refused(confirm, "a:good* b:good", &Refusal::NotBooted);
    refused(confirm, "a:good* b:bad(rejected)?", &Refusal::Rejected(SlotId(1)));
    refused(confirm, "a:good* b:bad(rolledback)?", &Refusal::Rejected(SlotId(1)));
}

#[test]
fn a_good_slot_that_runs_while_a_trial_is_pending_keeps_the_bundle() {
    check(confirm, "a:good*? b:trial(3,10)#9 kept", "a:good*! b:trial(3,10)#9 kept");
}

#[test]
fn each_confirmation_of_a_trial_has_a_higher_mark() {
    let confirmation = lifecycle::confirm(&record("a:good* b:trial(2,9)?")).unwrap();
    assert_eq!((confirmation.mark, confirmation.record.slots[1].confirmed), (Some(2), 2));
    let again = lifecycle::confirm(&confirmation.record).unwrap();
    assert_eq!((again.mark, again.record), (None, confirmation.record));
}

#[test]
fn reject_remembers_the_image_and_never_takes_the_only_good_slot() {
    check(reject_b, "a:good* b:trial(2,9)#9? kept", "a:good* b:bad(rejected)#9? bad(9)");
    check(reject_b, "a:good b:good*!", "a:good* b:bad(rejected)! bad(2)");
    check(reject_b, "a:good* b:bad", "a:good* b:bad");
    refused(reject_b, "a:bad b:good*!", &Refusal::OnlyGood(SlotId(1)));
    refused(reject_b, "a:good* b:empty", &Refusal::NothingIn(SlotId(1)));
}

#[test]
fn rollback_returns_to_the_previous_good_slot_and_undoes_itself() {
    check(rollback, "a:good* b:trial(2,9)#9? kept", "a:good* b:bad(rolledback)#9? bad(9)");
    check(rollback, "a:good b:good*!", "a:good* b:good!");
    check(rollback, "a:good* b:good!", "a:good b:good*!");
    refused(rollback, "a:bad b:good*!", &Refusal::NoOtherGood);
    refused(rollback, "a:trial(1,1)? b:empty", &Refusal::NoOtherGood);
}

#[test]
fn rollback_drops_an_update_that_would_write_the_new_default() {
    check(rollback, "a:good b:good*! due(a,5)", "a:good* b:good!");
    check(rollback, "a:good b:good*! c:bad due(c,5)", "a:good* b:good! c:bad due(c,5)");
}

#[test]
fn cancel_withdraws_what_was_not_booted() {
    let cancel = |record: &Record| lifecycle::cancel(record);
    check(cancel, "a:good*! b:good staged", "a:good*! b:good");
    check(cancel, "a:good*! b:writing due(b,3)", "a:good*! b:writing");
    check(cancel, "a:good*! b:writing preparing(b)", "a:good*! b:writing");
    check(cancel, "a:good*! b:trial(3,10)#9 kept", "a:good*! b:proven#9");
    check(cancel, "a:good*! b:good", "a:good*! b:good");
    refused(cancel, "a:good* b:trial(2,9)? kept", &Refusal::TrialRunning(SlotId(1)));
}

#[test]
fn the_memory_of_bad_images_is_bounded() {
    let mut record = record("a:good*! b:good");
    for hash in 0..40 {
        record.remember_bad(everboot_kit::picture::image(hash).id);
    }
    assert_eq!(record.bad_images.len(), 16);
    assert_eq!(record.bad_images[0].0[0], 24);
    record.check().unwrap();
}

#[test]
fn rollback_to_a_slot_that_is_named_makes_it_the_default() {
    let to = |name: &'static str| {
        move |record: &Record| {
            let id = record.find(name).unwrap();
            lifecycle::rollback(record, Some(id), false, &|_| true).map(|(next, _)| next)
        }
    };
    check(to("c"), "a:good b:good*! c:good", "a:good b:good! c:good*");
    check(to("b"), "a:good b:good*! c:good once(a)", "a:good b:good*! c:good");
    check(to("c"), "a:good* b:trial(2,9)#9? c:good", "a:good b:bad(rolledback)#9? c:good* bad(9)");
    let state = |text: &str| record(&format!("a:good* b:{text}")).slots[1].state;
    for text in ["empty", "bad", "trial(1,1)"] {
        refused(to("b"), &format!("a:good* b:{text}"), &Refusal::NotGood(state(text)));
    }
}

#[test]
fn a_slot_that_was_proven_may_be_booted_once() {
    let once = |record: &Record| lifecycle::boot_once(record, record.find("b").unwrap(), false);
    let forced = |record: &Record| lifecycle::boot_once(record, record.find("b").unwrap(), true);
    for text in ["good", "proven", "trial(2,9)"] {
        check(once, &format!("a:good* b:{text}"), &format!("a:good* b:{text} once(b)"));
    }
    refused(once, "a:good* b:bad(init)", &Refusal::Bad(BadReason::NoInit));
    check(forced, "a:good* b:bad(init)", "a:good* b:bad(init) once(b)");
    refused(once, "a:good*! b:good due(b,5)", &Refusal::AboutToBeWritten(SlotId(1)));
    for text in ["empty", "writing", "bad(unproven)"] {
        refused(forced, &format!("a:good* b:{text}"), &Refusal::NothingIn(SlotId(1)));
    }
    check(|record| Ok(lifecycle::not_once(record)), "a:good* b:good once(b)", "a:good* b:good");
}

#[test]
fn nobody_chooses_a_slot_below_the_floor_unless_it_is_forced() {
    let below = Refusal::BelowFloor;
    let two = "a:good b:good*! floor(1.5)";
    refused(rollback, two, &below);
    let once = |record: &Record| lifecycle::boot_once(record, SlotId(0), false);
    refused(once, two, &below);
    let forced = |record: &Record| lifecycle::rollback(record, None, true, &|_| true).map(|(next, _)| next);
    check(forced, two, "a:good* b:good! floor(1.5)");
    let once_forced = |record: &Record| lifecycle::boot_once(record, SlotId(0), true);
    check(once_forced, two, "a:good b:good*! once(a) floor(1.5)");
    // The default is where a trial returns to anyway.
    check(rollback, "a:good* b:trial(2,9)#9? floor(1.5)", "a:good* b:bad(rolledback)#9? bad(9) floor(1.5)");
    // Of several, the latest that is not below it.
    check(rollback, "a:good b:good c:good*! floor(2.0)", "a:good b:good* c:good! floor(2.0)");
    refused(activate, "a:proven b:good*! floor(1.5)", &below);
    check(activate, "a:proven b:good*! floor(1.0)", "a:trial(3,10) b:good*! floor(1.0)");
}

#[test]
fn the_floor_rises_and_never_sinks() {
    let mut record = record("a:good* b:empty");
    for (to, floor) in [("1.2", "1.2"), ("1.1", "1.2"), ("1.2", "1.2"), ("1.10", "1.10"), ("~1", "1.10")] {
        lifecycle::raise_floor(&mut record, to);
        assert_eq!(record.floor, floor, "{to}");
    }
}

#[test]
fn a_wish_to_boot_once_ends_with_what_it_was_for() {
    check(reject_b, "a:good*! b:good once(b)", "a:good*! b:bad(rejected) bad(2)");
    check(rollback, "a:good* b:trial(2,9)#9? once(b)", "a:good* b:bad(rolledback)#9? bad(9)");
}
