//! A simulated machine with keys, a configuration, and images to put on it.

use crate::cuts::{Act, Tape};
use crate::owned::{Outcome, Owned, boot};
use crate::sim::{Power, SimDisk, SimOperator};
use crate::sim::{RECORD, SLOT_A, SLOT_B, SimMachine, SimRoot, UNREADABLE};
use everboot_agent::flow::{self, Destination, Overrides, Site};
use everboot_core::config::{BootRequest, Config};
use everboot_core::manifest::{Manifest, PartImage};
use everboot_core::record::{Formats, Record, Selection, Side};
use everboot_core::slot::{PartName, RootHash};
use everboot_storage::bundle::{Keys, sign::Signer, write::assemble};
use everboot_storage::medium::Medium;
use everboot_storage::store;
use everboot_storage::worker_pool::{Start, Threads};
use std::panic::Location;

/// Blocks of an image.
pub const BLOCKS: usize = 12;

/// Several threads, as on a machine with several processors.
pub const THREE: Threads = Threads::new(3, {
    let start: Start = |count, beside, lead| {
        std::thread::scope(|scope| {
            (0..count).for_each(|_| drop(scope.spawn(beside)));
            lead(count);
        });
    };
    start
});

/// Always the same key, and signatures without chance: the same seed gives the same bytes.
fn signer() -> Signer {
    Signer::parse(include_str!("../golden/key")).unwrap()
}

/// An image: blocks that name version and position behind a first block that says how it behaves.
pub fn image(version: u8, root: SimRoot) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        (0..BLOCKS * 4096).map(|at| version ^ (at / 4096) as u8 ^ (at % 251) as u8).collect();
    bytes[..8].copy_from_slice(root.magic());
    bytes
}

/// A manifest for [`image`] that allows everything.
pub fn manifest(version: u8) -> Manifest {
    let root = PartImage {
        name: PartName::root(),
        size: (BLOCKS * 4096) as u64,
        root_hash: RootHash([0; 32]),
        salt: vec![version; 4],
        open: false,
        frame_blocks: 4,
        fs_block: None,
    };
    Manifest {
        compatible: "sim".into(),
        version: format!("{version}.0"),
        upgrade_from: None,
        floor: String::new(),
        tries: None,
        modules: None,
        formats: None,
        insecure: false,
        parts: vec![root],
    }
}

/// The signed bundle.
pub fn bundle(manifest: Manifest, image: &[u8]) -> Vec<u8> {
    assemble(manifest, image, &|bytes: &[u8]| signer().sign(bytes, "sim")).unwrap()
}

/// A machine together with what its owner says of it.
pub struct World {
    pub machine: SimMachine,
    pub config: Config,
    pub keys: Keys,
    pub operator: SimOperator,
    /// Those of the agent that works on it.
    pub formats: Formats,
    /// What was done, to be run again with power cuts; none where that would have no end.
    tape: Option<Tape>,
}

impl World {
    /// A machine whose disk is all zeroes.
    pub fn blank() -> Self {
        let mut config = Config::parse("compatible = sim").unwrap();
        config.timeout = 1;
        let keys = Keys::parse(include_str!("../golden/key.pub")).unwrap();
        Self::recorded(SimMachine::new(), config, keys)
    }

    /// A machine whose test runs again with power cuts once it is over: see [`cuts`](super::cuts).
    fn recorded(machine: SimMachine, config: Config, keys: Keys) -> Self {
        machine.power.tell_flows_apart();
        let (operator, tape) = (SimOperator::default(), Some(Tape::default()));
        Self { machine, config, keys, operator, formats: Formats::CURRENT, tape }
    }

    /// One that is left alone.
    pub fn unrecorded(machine: SimMachine, config: Config, keys: Keys) -> Self {
        Self {
            machine,
            config,
            keys,
            operator: SimOperator::default(),
            formats: Formats::CURRENT,
            tape: None,
        }
    }

    /// Tells what was done until now again with power cuts after every change, and how many there were.
    pub fn cut_everywhere(&mut self) -> u64 {
        self.end_act();
        self.tape.as_mut().map_or(0, |tape| {
            tape.play(usize::MAX);
            tape.crashes
        })
    }

    fn end_act(&mut self) {
        let Some(tape) = &mut self.tape else { return };
        let events = self.machine.power.take_events();
        match tape.acts.last_mut() {
            Some(act) if act.events.is_empty() && !events.is_empty() => act.events = events,
            _ => {}
        }
        if tape.acts.last().is_some_and(|act| act.events.is_empty()) {
            tape.acts.pop();
        }
    }

    /// Ends the act before, and begins another one.
    fn begin_act(&mut self, at: &'static Location<'static>) {
        self.end_act();
        if let Some(tape) = &mut self.tape {
            let old = &self.machine;
            let mut machine = SimMachine::of(old.survey.clone(), &old.durable());
            (machine.kernel, machine.dead) = (old.kernel.clone(), old.dead.clone());
            (machine.unbootable, machine.has_staging) = (old.unbootable.clone(), old.has_staging);
            let (config, keys) = (self.config.clone(), self.keys.clone());
            let before =
                Owned { machine, config, keys, operator: SimOperator::default(), formats: self.formats };
            tape.acts.push(Act { before, files: old.staging.numbers(), at, events: Vec::new() });
        }
    }

    /// A machine fresh from the factory: version 1 in slot-a, confirmed once it has booted.
    pub fn factory() -> Self {
        let mut world = Self::blank();
        world.fill(SLOT_A, manifest(1), &image(1, SimRoot::Boots));
        flow::init(world.site(), None, false).unwrap();
        world
    }

    /// A machine that runs version 1 from slot-a, confirmed.
    pub fn running() -> Self {
        let mut world = Self::factory();
        assert_eq!(world.boot_version(), Some(1));
        flow::confirm(world.site()).unwrap();
        world
    }

    /// Puts an image and a marked trailer into a slot, as the factory does.
    pub fn fill(&mut self, part: usize, manifest: Manifest, image: &[u8]) {
        let file = SimDisk::with_power(bundle(manifest, image), &Power::default());
        let mut bundle = everboot_storage::bundle::Bundle::open(file, &self.keys).unwrap();
        let target = self.machine.parts[part].clone();
        everboot_storage::apply::apply(
            &mut bundle,
            &mut [everboot_storage::bundle::Sources::none()],
            std::slice::from_ref(&target),
            Threads::NONE,
            &mut |_| (),
        )
        .unwrap();
        everboot_storage::apply::mark(&target, 1, bundle.manifest().image_id()).unwrap();
    }

    /// What a verb or a boot works on. Each use of it is an act, which is run again with power cuts.
    #[track_caller]
    pub fn site(&mut self) -> Site<'_, SimMachine> {
        self.begin_act(Location::caller());
        Site { machine: &mut self.machine, config: &self.config, keys: &self.keys, formats: self.formats }
    }

    /// The same world on media of its own.
    pub fn fork(&self) -> Self {
        let mut fork = Self::recorded(self.machine.fork(), self.config.clone(), self.keys.clone());
        fork.operator.patience = self.operator.patience;
        fork.formats = self.formats;
        fork
    }

    #[track_caller]
    pub fn stage(&mut self, bundle: Vec<u8>) -> Result<flow::StagedNow, flow::Error> {
        self.stage_insisting(bundle, Overrides::default())
    }

    #[track_caller]
    pub fn stage_forced(&mut self, bundle: Vec<u8>) -> Result<flow::StagedNow, flow::Error> {
        self.stage_insisting(bundle, Overrides { force: true, insecure: false })
    }

    #[track_caller]
    pub fn stage_insisting(
        &mut self,
        bundle: Vec<u8>,
        insist: Overrides,
    ) -> Result<flow::StagedNow, flow::Error> {
        let source = SimDisk::with_power(bundle, &Power::default());
        flow::stage(self.site(), Some(source), insist)
    }

    #[track_caller]
    pub fn boot(&mut self) -> Outcome {
        self.boot_asked(None)
    }

    /// Boots with what the kernel command line asks for.
    #[track_caller]
    pub fn boot_asked(&mut self, asked: Option<&BootRequest>) -> Outcome {
        self.begin_act(Location::caller());
        let Self { machine, config, keys, operator, formats, .. } = self;
        let formats = *formats;
        boot(Site { machine, config, keys, formats }, operator, asked)
    }

    /// Boots, and returns the version of the root that was entered. The whole image has to be there.
    #[track_caller]
    pub fn boot_version(&mut self) -> Option<u8> {
        let outcome = self.boot();
        let Destination::Root(_, root, _) = outcome.destination else { return None };
        self.version_in(self.machine.medium(root.at))
    }

    /// The version whose image is in the slot, whole.
    pub fn version_in(&self, part: usize) -> Option<u8> {
        let mut bytes = vec![0; BLOCKS * 4096];
        self.machine.parts[part].read_at(0, &mut bytes).unwrap();
        let is = |version: &u8| {
            [SimRoot::Boots, SimRoot::NoInit, SimRoot::Broken]
                .iter()
                .any(|root| image(*version, *root) == bytes)
        };
        (1..=3).find(is)
    }

    /// The record as a look finds it.
    pub fn record(&mut self) -> Record {
        self.site().look().record
    }

    /// The picture of the record, without the images' hashes.
    pub fn picture(&mut self) -> String {
        let text = crate::picture::show(&self.record());
        let words = text.split(' ').filter(|word| !word.starts_with("bad("));
        let plain = words.map(|word| match word.split_once('#') {
            Some((state, rest)) => {
                format!("{state}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => word.to_owned(),
        });
        plain.collect::<Vec<_>>().join(" ")
    }

    /// Both slots' bytes.
    pub fn slots(&self) -> [Vec<u8>; 2] {
        [SLOT_A, SLOT_B].map(|part| self.machine.parts[part].content())
    }
}

impl Drop for World {
    /// The tape is played when it is dropped, and has to have the last act.
    fn drop(&mut self) {
        self.end_act();
    }
}

/// A bundle of an image that boots.
pub fn good(version: u8) -> Vec<u8> {
    bundle(manifest(version), &image(version, SimRoot::Boots))
}

/// Stages a bundle, and makes its early apply due.
#[track_caller]
pub fn due(world: &mut World, bundle: Vec<u8>) {
    world.stage(bundle).unwrap();
    flow::activate(world.site()).unwrap();
}

/// Version 2 runs and is confirmed, version 1 is in the other slot.
pub fn upgraded() -> World {
    let mut world = World::running();
    due(&mut world, good(2));
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    world
}

/// Both copies of the record are gone, durably.
pub fn lose_record(world: &World) {
    let record = &world.machine.parts[RECORD];
    record.write_zeroes(0, record.len()).unwrap();
    record.sync().unwrap();
}

/// Makes a copy of the record unreadable until it is written: the newer one, or the older.
pub fn lose_copy(world: &World, newer: bool) {
    let record = &world.machine.parts[RECORD];
    let Selection::Current { side, .. } = store::load(record).selection else { panic!("no record") };
    let at = if (side == Side::First) == newer { 0 } else { record.len() - 4096 };
    record.write_at(at, &UNREADABLE).unwrap();
    record.sync().unwrap();
}
