//! Why a machine takes no new image: `status`, `stage`, `prepare` and `doctor` say the same.

use everboot_agent::flow::{self, Error, Findings, Status};
use everboot_core::config::Locator;
use everboot_core::lifecycle::{Blocked, MachineFacts, place};
use everboot_core::record::{LastBoot, Record, Staged, Update};
use everboot_core::slot::{BadReason, Image, ImageId, SlotId, SlotObservation, SlotState};
use everboot_kit::picture::record;
use everboot_kit::sim::RECORD;
use everboot_kit::world::{World, due, good, lose_copy, upgraded};
use everboot_storage::medium::Medium;

fn status(world: &World) -> Status {
    flow::status(world.fork().site(), None).unwrap()
}

/// Code and text of the finding `blocked`.
fn diagnosed(world: &World) -> Option<(Option<&'static str>, String)> {
    let (mut world, mut found) = (world.fork(), Findings::default());
    flow::examine(world.site(), &mut found);
    found.0.into_iter().find(|finding| finding.name == "blocked").map(|finding| (finding.code, finding.text))
}

/// Compares all that speak of it; `None` when the machine takes an image.
#[track_caller]
fn agreed(world: &World, picture: &str) -> Option<&'static str> {
    let blocked = status(world).next_target.err();
    let staged = world.fork().stage(good(3));
    let diagnosed = diagnosed(world);
    let Some(why) = blocked else {
        assert!(staged.is_ok() && diagnosed.is_none(), "{picture}: {staged:?} {diagnosed:?}");
        return None;
    };
    let (text, code) = (why.to_string(), why.code());
    let refused = staged.expect_err(picture).to_string();
    assert!(refused.ends_with(&text), "{picture}: {refused} / {text}");
    let diagnosed = diagnosed.expect(picture);
    assert!(diagnosed.0 == Some(code) && diagnosed.1.ends_with(&text), "{picture}: {diagnosed:?}");
    let refused = flow::prepare(world.fork().site()).expect_err(picture).to_string();
    assert!(refused.ends_with(&text), "{picture}: {refused} / {text}");
    Some(code)
}

fn trial_running() -> World {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    world
}

fn trial_pending() -> World {
    let mut world = World::running();
    world.stage(good(2)).unwrap();
    flow::prepare(world.site()).unwrap();
    flow::activate(world.site()).unwrap();
    world
}

fn unconfirmed() -> World {
    let mut world = upgraded();
    assert_eq!(world.boot_version(), Some(2));
    world
}

fn other_slot_runs() -> World {
    let mut world = upgraded();
    flow::boot_once(world.site(), Some("slot-a"), false).unwrap();
    assert_eq!(world.boot_version(), Some(1));
    world
}

fn without_record_partition() -> World {
    let mut world = World::running();
    world.config.record = Locator::PartLabel("elsewhere".into());
    world
}

fn with_record_lost() -> World {
    let world = World::running();
    let record = &world.machine.parts[RECORD];
    for at in [0, record.len() - 4096] {
        record.write_at(at, &[0; 4096]).unwrap();
    }
    record.sync().unwrap();
    world
}

fn with_one_copy() -> World {
    let world = World::running();
    lose_copy(&world, true);
    world
}

fn without_configuration() -> World {
    let mut world = World::running();
    world.config.compatible.clear();
    world
}

#[test]
fn all_who_speak_of_it_agree_for_each_code() {
    type Row = (Option<&'static str>, fn() -> World);
    let rows: [Row; 9] = [
        (None, World::running),
        (Some("trial-running"), trial_running),
        (Some("trial-pending"), trial_pending),
        (Some("default-unconfirmed"), unconfirmed),
        (Some("no-slot"), other_slot_runs),
        (Some("record-missing"), without_record_partition),
        (Some("record-lost"), with_record_lost),
        (Some("record-one-copy"), with_one_copy),
        (Some("not-configured"), without_configuration),
    ];
    for (code, world) in rows {
        assert_eq!(agreed(&world(), code.unwrap_or("free")), code);
    }
}

#[test]
fn a_slot_whose_partition_is_gone_blocks() {
    let record = record("a:good*! b:empty");
    let looked = |seen| MachineFacts { is_configured: true, trouble: None, seen };
    assert_eq!(place(&record, looked(&[SlotObservation::Present; 2])), Ok(SlotId(1)));
    let why = place(&record, looked(&[SlotObservation::Present, SlotObservation::Missing])).unwrap_err();
    assert_eq!((why.code(), &why), ("slot-missing", &Blocked::SlotMissing(record.slots[1].name.clone())));
    assert_eq!(Error::from(why.clone()).to_string(), why.to_string());
}

#[test]
fn what_is_staged_already_is_staged_again_on_a_blocked_machine() {
    let mut world = trial_pending();
    world.stage(good(2)).unwrap();
    assert_eq!(world.picture(), "slot-a:good*! slot-b:trial(3,10) kept");
}

/// A bundle that nobody has: what is named in its place is not looked at by a stage.
fn other() -> Staged {
    let image =
        Image { version: "2.0".into(), id: Some(ImageId([7; 32])), open: false, tries: 0, insecure: false };
    Staged { manifest: [7; 32], image }
}

fn updates() -> Vec<Update> {
    let mut updates = vec![Update::None, Update::Staged(other()), Update::Kept(other())];
    for target in [SlotId(0), SlotId(1)] {
        updates.push(Update::Preparing { bundle: other(), target });
        updates.push(Update::Due { bundle: other(), target, starts_left: 3, starts_left_in_all: 3 });
    }
    updates
}

/// All records of two slots, as far as the question goes.
fn small_records(factory: &Record) -> Vec<Record> {
    let states = [
        SlotState::Empty,
        SlotState::Writing,
        SlotState::Proven,
        SlotState::Trial { tries_left: 2, handoffs_left: 9 },
        SlotState::Good,
        SlotState::Bad { reason: BadReason::Rejected },
    ];
    let slots = [None, Some(SlotId(0)), Some(SlotId(1))];
    let boot = |slot: &Option<SlotId>| {
        let boot = |confirmed| slot.map(|slot| LastBoot { slot, confirmed, fell_back: false });
        [boot(false), boot(true)]
    };
    let mut records = Vec::new();
    for (a, b) in states.iter().flat_map(|a| states.iter().map(move |b| (*a, *b))) {
        for (default, last_boot) in
            slots.iter().flat_map(|default| slots.iter().flat_map(boot).map(move |boot| (*default, boot)))
        {
            for update in updates() {
                let mut record = Record { default, last_boot, update, ..factory.clone() };
                for (slot, state) in record.slots.iter_mut().zip([a, b]) {
                    slot.state = state;
                    let is_empty = matches!(state, SlotState::Empty | SlotState::Writing);
                    slot.image = (!is_empty).then(|| Image { version: "1.0".into(), ..other().image });
                }
                records.push(record);
            }
        }
    }
    records.retain(|record| record.check().is_ok());
    records
}

#[test]
fn stage_refuses_if_and_only_if_status_says_blocked() {
    let factory = World::factory();
    let records = small_records(&factory.fork().record());
    let mut blocked = 0;
    for record in &records {
        // Records that no flow made: what a power cut leaves of them is nobody's promise.
        let mut world =
            World::unrecorded(factory.machine.fork(), factory.config.clone(), factory.keys.clone());
        let mut view = world.site().look();
        view.save(record.clone()).unwrap();
        drop(view);
        let picture = everboot_kit::picture::show(record);
        let status = status(&world);
        let staged = world.stage(good(3));
        assert_eq!(staged.is_err(), status.next_target.is_err(), "{picture}: {staged:?}");
        blocked += usize::from(staged.is_err());
    }
    assert!(blocked > 100 && records.len() - blocked > 100, "{blocked} of {}", records.len());
}
