//! Machines that differ from what their record says, or whose initramfs knows other things than their system.
//!
//! Not here: a partition table that differs from the kernel's, because a machine in memory has one survey and no kernel
//! beside it (`sys` joins the two on Linux); and a second disk with the same names, whose partitions would be the same
//! media, because the machine in memory opens a partition by its number alone.

use super::starts::factory;
use everboot_core::config::Config;
use everboot_core::record::encode;
use everboot_core::slot::Uuid;
use everboot_kit::sim::{RECORD, SLOT_A, SimDisk};
use everboot_kit::world::{World, upgraded};
use everboot_storage::bundle::Keys;
use everboot_storage::medium::Medium;

/// Its search begins while the system of the default runs; in all others power is off.
pub const RUNS_AT_THE_START: &str = "default-trailer-bit-while-it-runs";

/// Scenarios whose machines take no update, whatever they do: the initramfs trusts no key of the bundle; only a newer
/// everboot understands the record.
pub const TAKE_NO_UPDATE: [&str; 2] = ["keys-differ", "record-of-the-next-version"];

/// What the initramfs of a scenario has in place of the system's configuration and keys.
pub fn initramfs(scenario: &str, world: &World) -> Option<(Config, Keys)> {
    let World { config, keys, .. } = world;
    match scenario {
        "keys-differ" => Some((config.clone(), Keys::default())),
        "unknown-config-line" => {
            let text = format!("{OTHER_LABELS}colour = blue\n");
            let read = Config::read(&text);
            Some((Config { tries: config.tries, handoffs: config.handoffs, ..read }, keys.clone()))
        }
        _ => None,
    }
}

/// A machine whose slots were made larger at their ends: the trailers are not where they are looked for.
pub fn grown() -> World {
    let mut world = upgraded_few();
    for part in [SLOT_A, SLOT_A + 1] {
        let mut content = world.machine.parts[part].content();
        content.resize(content.len() + 16 * 4096, 0);
        world.machine.survey.disks[0].parts[part].len = content.len() as u64;
        let power = world.machine.power.clone();
        world.machine.parts[part] = SimDisk::of(everboot_kit::sim::pages::Pages::of(&content), &power, part);
    }
    world
}

/// The partition of the default slot was made again in its place: its bytes are there, its GUID is another one.
pub fn made_again() -> World {
    let mut world = upgraded_few();
    world.machine.survey.disks[0].parts[SLOT_A + 1].guid = Uuid([0x77; 16]);
    world
}

/// One bit of the default's trailer is wrong.
pub fn trailer_bit() -> World {
    let world = upgraded_few();
    let slot = &world.machine.parts[SLOT_A + 1];
    let (at, mut bit) = (slot.len() - 65536 + 20, [0]);
    slot.read_at(at, &mut bit).unwrap();
    slot.write_at(at, &[bit[0] ^ 1]).unwrap();
    slot.sync().unwrap();
    world
}

/// Version 2 is the default, version 1 is good as well.
fn upgraded_few() -> World {
    let (mut world, few) = (upgraded(), factory());
    world.config = few.config.clone();
    world
}

const OTHER_LABELS: &str = "compatible = sim\ntimeout = 1\nrecord = PARTLABEL=meta\nslot = os-a PARTLABEL=os-a\n\
                            slot = os-b PARTLABEL=os-b\nstaging = PARTLABEL=data\n";

/// A machine with partition names of its own.
pub fn other_labels() -> World {
    let mut world = factory();
    for (part, label) in world.machine.survey.disks[0].parts.iter_mut().zip(["meta", "os-a", "os-b", "data"])
    {
        part.label = label.to_owned();
    }
    let few = world.config.clone();
    world.config = Config::parse(OTHER_LABELS).unwrap();
    (world.config.tries, world.config.handoffs, world.config.apply_starts) =
        (few.tries, few.handoffs, few.apply_starts);
    everboot_agent::flow::init(world.site(), None, true).unwrap();
    world
}

/// The system of a newer everboot has upgraded the record; the initramfs and what runs now are older.
pub fn newer_record() -> World {
    let mut world = upgraded_few();
    let record = world.record();
    let medium = &world.machine.parts[RECORD];
    for (at, generation) in [(0, 1000), (medium.len() - 4096, 1001)] {
        medium.write_at(at, &*encode(&record, generation, 2).unwrap()).unwrap();
    }
    medium.sync().unwrap();
    world
}
