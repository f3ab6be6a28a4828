//! A folder with a disk image in a file, its settings and bundles, on which the agent is run as an operator runs it.

use everboot_agent::machine::{Access, Machine};
use everboot_agent::sys::{DiskFileMachine, FileMedium};
use everboot_core::manifest::{Manifest, PartImage};
use everboot_core::slot::{PartName, RootHash};
use everboot_storage::bundle::sign::{NewKeys, Signer};
use everboot_storage::bundle::{Bundle, Keys, write::assemble};
use everboot_storage::medium::Medium;
use everboot_storage::worker_pool::Threads;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const MIB: u64 = 1 << 20;
const BLOCKS: usize = 40;

pub(crate) fn keys() -> &'static NewKeys {
    static KEYS: OnceLock<NewKeys> = OnceLock::new();
    KEYS.get_or_init(|| NewKeys::generate().unwrap())
}

/// A folder with a disk image, its settings, and bundles; gone when it is dropped.
pub(crate) struct Fixture {
    pub(crate) folder: PathBuf,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Exit codes with which the answer is on standard output.
const ANSWERED: [i32; 3] = [0, 8, 10];

/// Outcome of one command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Fixture {
    /// A disk with empty partitions, and settings.
    pub(crate) fn blank() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("everboot-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("disk.config/keys")).unwrap();
        fs::write(folder.join("disk.config/everboot.conf"), "compatible = bench\n").unwrap();
        fs::write(folder.join("disk.config/keys/bench.pub"), &keys().public).unwrap();
        let fixture = Self { folder };
        make_disk(&fixture.path("disk"));
        fixture
    }

    /// A disk as the factory leaves it: version 1 in slot-a.
    pub(crate) fn factory() -> Self {
        let fixture = Self::blank();
        fixture.fill("slot-a", "1.0");
        fixture.check("record init", 0, "slot-a: good, version 1.0, default");
        fixture
    }

    /// The same after a first boot that was confirmed, with the bundle of version 2 at hand.
    pub(crate) fn running() -> Self {
        let fixture = Self::factory();
        fixture.check("boot", 0, "slot-a: default slot, nothing due");
        fixture.check("confirm", 0, "slot-a: confirmed");
        fixture.bundle("2.everboot", manifest("2.0"));
        fixture
    }

    /// One whose version 2 is a trial that runs.
    pub(crate) fn trial() -> Self {
        let fixture = Self::running();
        fixture.check("install 2.everboot", 0, "slot-b: the next boot tries it");
        fixture.check("boot", 0, "slot-b: trial, 2 more tries");
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn bundle(&self, name: &str, manifest: Manifest) {
        fs::write(self.path(name), pack(manifest)).unwrap();
    }

    /// A bundle that nobody signed.
    pub(crate) fn unsigned(&self, name: &str, version: &str) {
        let image = vec![7; BLOCKS * 4096];
        let bytes =
            assemble(manifest(version), &image, &|_| everboot_storage::bundle::sign::UNSIGNED.to_vec());
        fs::write(self.path(name), bytes.unwrap()).unwrap();
    }

    /// Writes everboot.conf anew.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.path("disk.config/everboot.conf"), text).unwrap();
    }

    /// Puts an image with a confirmed trailer into a slot.
    fn fill(&self, slot: &str, version: &str) {
        self.bundle("factory.everboot", manifest(version));
        let file = FileMedium::open(&self.path("factory.everboot"), Access::Read).unwrap();
        let mut bundle = Bundle::open(file, &Keys::parse(&keys().public).unwrap()).unwrap();
        self.on_part(slot, |part| {
            everboot_storage::apply::apply(
                &mut bundle,
                &mut [everboot_storage::bundle::Sources::none()],
                std::slice::from_ref(part),
                Threads::NONE,
                &mut |_| (),
            )
            .unwrap();
            everboot_storage::apply::mark(part, 1, bundle.manifest().image_id()).unwrap();
        });
    }

    pub(crate) fn on_part(&self, label: &str, act: impl FnOnce(&FileMedium)) {
        // Without the lock: a child that another thread starts would hold it for a moment.
        let mut machine = DiskFileMachine::look(&self.path("disk"), None);
        let at = machine.survey().unwrap().find(|part| part.label == label)[0];
        act(&Machine::open(&mut machine, at, Access::Exclusive).unwrap());
    }

    /// Overwrites one block of a partition.
    pub(crate) fn damage(&self, label: &str, block: u64) {
        self.on_part(label, |part| {
            part.write_at(block * 4096, &[0x5a; 4096]).unwrap();
            part.sync().unwrap();
        });
    }

    /// Runs `everboot --disk disk LINE`, in the fixture's folder.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let words = line.split_whitespace();
        everboot(&self.folder, ["--disk", "disk"].into_iter().chain(words))
    }

    /// Runs it, and expects the exit code and some of the text: of stdout when it was done, else of stderr.
    #[track_caller]
    pub(crate) fn check(&self, line: &str, code: i32, text: &str) -> Ran {
        let ran = self.run(line);
        let output = if ANSWERED.contains(&code) { &ran.out } else { &ran.err };
        assert_eq!(ran.code, code, "{line}\n{}{}", ran.out, ran.err);
        assert!(output.contains(text), "{line}: expected {text:?} in\n{output}");
        if !ANSWERED.contains(&code) {
            let line = line.split_whitespace().take_while(|word| !word.contains('.')).next().unwrap_or("");
            let error = errors(&ran.err).join("");
            assert!(error.starts_with("everboot: ") && error.contains(line), "{error}");
            assert_eq!(errors(&ran.err).len(), 1, "one line, found\n{}", ran.err);
        }
        ran
    }

    /// Expects a refusal, after which every byte of disk and staging area is as it was.
    #[track_caller]
    pub(crate) fn check_refused(&self, line: &str, code: i32, text: &str) {
        let before = self.bytes();
        self.check(line, code, text);
        assert!(self.bytes() == before, "{line} changed something");
    }

    fn bytes(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let staged = fs::read(self.path("disk.staging/staged.everboot")).ok();
        (fs::read(self.path("disk")).unwrap(), staged)
    }

    pub(crate) fn status(&self) -> Status {
        let ran = self.check("status --json", 0, "");
        assert_eq!(ran.out.lines().count(), 1);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// `slot-a good 1.0 / slot-b trial 2.0`, with the default slot in capitals.
    #[track_caller]
    pub(crate) fn check_slots(&self, picture: &str) {
        let slot = |slot: &SlotFacts| {
            let name = if slot.default { slot.name.to_uppercase() } else { slot.name.clone() };
            format!("{name} {} {}", slot.state, slot.version.as_deref().unwrap_or("-"))
        };
        let found: Vec<_> = self.status().slots.iter().map(slot).collect();
        assert_eq!(found.join(" / "), picture);
    }
}

/// Some keys of `status --json`. Those of the JSON that are not here are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) compatible: String,
    pub(crate) default: Option<String>,
    pub(crate) booted: Option<String>,
    pub(crate) confirmed: bool,
    pub(crate) slots: Vec<SlotFacts>,
    pub(crate) update: BTreeMap<String, serde_json::Value>,
    pub(crate) record: RecordFacts,
    pub(crate) next_boot: BTreeMap<String, Option<String>>,
    pub(crate) trouble: Option<String>,
    pub(crate) blocked: bool,
    pub(crate) blocked_code: Option<String>,
    pub(crate) blocked_reason: Option<String>,
    pub(crate) rollback: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SlotFacts {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) version: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) default: bool,
    pub(crate) trailer_ok: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RecordFacts {
    pub(crate) generation: u64,
    pub(crate) copies: [String; 2],
}

pub(crate) fn everboot<'a>(folder: &Path, words: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = Command::new(everboot_kit::program::program("everboot"));
    command.args(words).current_dir(folder).env("NO_PROXY", "127.0.0.1");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

/// The lines that are not about progress.
fn errors(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains(" % (")).collect()
}

/// A GPT disk of 64 MiB, most of it a hole.
fn make_disk(path: &Path) {
    fs::File::create(path).unwrap().set_len(64 * MIB).unwrap();
    let config = gpt::GptConfig::new().writable(true).logical_block_size(gpt::disk::LogicalBlockSize::Lb512);
    let mbr = gpt::mbr::ProtectiveMBR::with_lb_size((64 * MIB / 512 - 1) as u32);
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    mbr.overwrite_lba0(&mut file).unwrap();
    let mut table = config.create_from_device(file, None).unwrap();
    let parts = [("everboot-record", 16), ("slot-a", 8), ("slot-b", 8), ("everboot-data", 16)];
    for (name, size) in parts {
        table.add_partition(name, size * MIB, gpt::partition_types::LINUX_FS, 0, Some(2048)).unwrap();
    }
    table.write().unwrap();
}

/// A manifest that fits the fixture's machine.
pub(crate) fn manifest(version: &str) -> Manifest {
    let root = PartImage {
        name: PartName::root(),
        size: 0,
        root_hash: RootHash([0; 32]),
        salt: version.into(),
        open: false,
        frame_blocks: 16,
        fs_block: None,
    };
    Manifest {
        compatible: "bench".into(),
        version: version.into(),
        upgrade_from: None,
        floor: String::new(),
        tries: None,
        modules: None,
        formats: None,
        insecure: false,
        parts: vec![root],
    }
}

/// The bundle of an image that is as large as the manifest says, or as small as suffices.
fn pack(manifest: Manifest) -> Vec<u8> {
    let size = (manifest.root().size as usize).max(BLOCKS * 4096);
    let seed = manifest.version.as_bytes()[0];
    let image: Vec<u8> = (0..size).map(|at| seed ^ (at / 4096) as u8 ^ (at % 253) as u8).collect();
    let signer = Signer::parse(&keys().secret).unwrap();
    assemble(manifest, &image, &|bytes| signer.sign(bytes, "bench")).unwrap()
}
