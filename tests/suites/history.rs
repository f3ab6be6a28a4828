//! The history says when an entry was written, in which boot, and by which version; nothing else depends on that.

use crate::fixture::Fixture;
use everboot_agent::flow;
use everboot_core::record::history::{Kind, Stamp};
use everboot_core::slot::Uuid;
use everboot_core::wall_clock::WallClock;
use everboot_kit::world::{World, due, good};
use serde_json::{Value, from_str};

const NOON: WallClock = WallClock::Set(1_796_040_191);
const BOOT: Option<Uuid> = Some(Uuid([5; 16]));

#[test]
fn an_entry_has_clock_boot_and_version_of_the_program() {
    let mut world = World::running();
    (world.machine.clock, world.machine.boot_id) = (NOON, BOOT);
    world.stage(good(2)).unwrap();
    world.machine.clock = WallClock::NotSet(3);
    flow::cancel(world.site()).unwrap();
    let history = world.site().look().history();
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let staged = Stamp { clock: NOON, boot: BOOT, program };
    assert_eq!(history.latest(Kind::Update).unwrap().stamp, staged);
    let cancelled = Stamp { clock: WallClock::NotSet(3), ..staged };
    assert_eq!(history.latest(Kind::Verb).unwrap().stamp, cancelled);
}

#[test]
fn neither_clock_nor_boot_id_changes_what_a_boot_does() {
    let boots = [(WallClock::NotSet(0), None), (NOON, BOOT), (WallClock::Set(u64::MAX), None)];
    let outcomes = boots.map(|(clock, boot_id)| {
        let mut world = World::running();
        (world.machine.clock, world.machine.boot_id) = (clock, boot_id);
        due(&mut world, good(2));
        (world.boot(), world.record())
    });
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(outcomes[0], outcomes[2]);
}

#[test]
fn log_and_status_show_it_as_text_and_as_json() {
    let fixture = Fixture::running();
    let log = fixture.check("log", 0, "  verb       slot-a: confirmed").out;
    let version = env!("CARGO_PKG_VERSION");
    assert!(log.starts_with(&format!("-- everboot {version}\n")), "{log}");
    let log: Value = from_str(&fixture.check("log --json", 0, "").out).unwrap();
    let last = log["history"].as_array().unwrap().last().unwrap();
    assert_eq!((last["kind"].as_str(), last["program"].as_str()), (Some("verb"), Some(version)));
    assert_eq!((last["text"].as_str(), last["clock_set"].as_bool()), (Some("slot-a: confirmed"), Some(true)));
    // No boot of this machine is one of the machine whose disk it is.
    assert!(last["boot_id"].is_null() && log["this_run"].is_null(), "{log}");
    let shown = WallClock::Set(last["time"].as_u64().unwrap()).to_string();
    fixture.check("status", 0, &format!("history    {shown}  slot-a: confirmed"));
    let status: Value = from_str(&fixture.check("status --json", 0, "").out).unwrap();
    assert_eq!(status["history"].as_array().unwrap().last(), Some(last));
}
