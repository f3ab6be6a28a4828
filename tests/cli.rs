//! The command line on a disk image in a file, without root: every verb as an operator types it.

use everboot::bundle::sign::{NewKeys, Signer};
use everboot::bundle::{Bundle, Keys, write::assemble};
use everboot::machine::{Access, Machine};
use everboot::manifest::{Manifest, Payload};
use everboot::medium::Medium;
use everboot::slot::RootHash;
use everboot::sys::{DiskFileMachine, FileMedium};
use everboot::verbs::{Exit, VERBS};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const MIB: u64 = 1 << 20;
const BLOCKS: usize = 40;

fn keys() -> &'static NewKeys {
    static KEYS: OnceLock<NewKeys> = OnceLock::new();
    KEYS.get_or_init(|| NewKeys::generate().unwrap())
}

/// A folder with a disk image, its settings, and bundles; gone when it is dropped.
pub(crate) struct Bench {
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Exit codes with which the answer is on standard output.
const SAID: [i32; 3] = [0, 8, 10];

/// Outcome of one command.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Bench {
    /// A disk with empty partitions, and settings.
    fn blank() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("everboot-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("disk.config/keys")).unwrap();
        fs::write(folder.join("disk.config/everboot.conf"), "compatible = bench\n").unwrap();
        fs::write(folder.join("disk.config/keys/bench.pub"), &keys().public).unwrap();
        let bench = Self { folder };
        make_disk(&bench.path("disk"));
        bench
    }

    /// A disk as the factory leaves it: version 1 in slot-a.
    pub(crate) fn factory() -> Self {
        let bench = Self::blank();
        bench.fill("slot-a", "1.0");
        bench.check("record init", 0, "slot-a: good, version 1.0, default");
        bench
    }

    /// The same after a first boot that was confirmed, with the bundle of version 2 at hand.
    pub(crate) fn running() -> Self {
        let bench = Self::factory();
        bench.check("boot", 0, "slot-a: default slot, nothing due");
        bench.check("confirm", 0, "slot-a: confirmed");
        bench.bundle("2.everboot", manifest("2.0"));
        bench
    }

    /// One whose version 2 is a trial that runs.
    fn trial() -> Self {
        let bench = Self::running();
        bench.check("install 2.everboot", 0, "slot-b: the next boot tries it");
        bench.check("boot", 0, "slot-b: trial, 2 more tries");
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn bundle(&self, name: &str, manifest: Manifest) {
        fs::write(self.path(name), pack(manifest)).unwrap();
    }

    /// Puts an image with a confirmed trailer into a slot.
    fn fill(&self, slot: &str, version: &str) {
        self.bundle("factory.everboot", manifest(version));
        let file = FileMedium::open(&self.path("factory.everboot"), Access::Read).unwrap();
        let mut bundle = Bundle::open(file, &Keys::parse(&keys().public).unwrap()).unwrap();
        self.on_part(slot, |part| {
            everboot::apply::apply(&mut bundle, part, &mut |_| ()).unwrap();
            everboot::apply::mark(part, 1, bundle.manifest().payload.root_hash).unwrap();
        });
    }

    fn on_part(&self, label: &str, act: impl FnOnce(&FileMedium)) {
        // Without the lock: a child that another thread starts would hold it for a moment.
        let mut machine = DiskFileMachine::look(&self.path("disk"), None);
        let at = machine.survey().unwrap().find(|part| part.label == label)[0];
        act(&Machine::open(&mut machine, at, Access::Exclusive).unwrap());
    }

    /// Overwrites one block of a partition.
    fn damage(&self, label: &str, block: u64) {
        self.on_part(label, |part| {
            part.write_at(block * 4096, &[0x5a; 4096]).unwrap();
            part.sync().unwrap();
        });
    }

    /// Runs `everboot --disk disk LINE`, in the bench's folder.
    fn run(&self, line: &str) -> Ran {
        let words = line.split_whitespace();
        everboot(&self.folder, ["--disk", "disk"].into_iter().chain(words))
    }

    /// Runs it, and expects the exit code and some of the text: of stdout when it was done, else of stderr.
    #[track_caller]
    fn check(&self, line: &str, code: i32, text: &str) -> Ran {
        let ran = self.run(line);
        let told = if SAID.contains(&code) { &ran.out } else { &ran.err };
        assert_eq!(ran.code, code, "{line}\n{}{}", ran.out, ran.err);
        assert!(told.contains(text), "{line}: expected {text:?} in\n{told}");
        if !SAID.contains(&code) {
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

    fn status(&self) -> Status {
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
struct Status {
    version: String,
    compatible: String,
    default: Option<String>,
    booted: Option<String>,
    confirmed: bool,
    slots: Vec<SlotFacts>,
    update: BTreeMap<String, serde_json::Value>,
    record: RecordFacts,
    next_boot: BTreeMap<String, Option<String>>,
    trouble: Option<String>,
    blocked: bool,
    blocked_reason: Option<String>,
    rollback: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SlotFacts {
    name: String,
    state: String,
    version: Option<String>,
    root_hash: Option<String>,
    default: bool,
    trailer_ok: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct RecordFacts {
    generation: u64,
    copies: [String; 2],
}

fn everboot<'a>(folder: &Path, words: impl IntoIterator<Item = &'a str>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_everboot"));
    let Output { status, stdout, stderr } = command.args(words).current_dir(folder).output().unwrap();
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

/// A manifest that fits the bench.
fn manifest(version: &str) -> Manifest {
    let payload = Payload {
        name: "root".into(),
        part: "root".into(),
        size: 0,
        root_hash: RootHash([0; 32]),
        salt: version.into(),
        open: false,
        frame_blocks: 16,
    };
    Manifest {
        compatible: "bench".into(),
        version: version.into(),
        upgrade_from: None,
        tries: None,
        modules: None,
        payload,
    }
}

/// The bundle of an image that is as large as the manifest says, or as small as suffices.
fn pack(manifest: Manifest) -> Vec<u8> {
    let size = (manifest.payload.size as usize).max(BLOCKS * 4096);
    let seed = manifest.version.as_bytes()[0];
    let image: Vec<u8> = (0..size).map(|at| seed ^ (at / 4096) as u8 ^ (at % 253) as u8).collect();
    let signer = Signer::parse(&keys().secret).unwrap();
    assemble(manifest, &image, &|bytes| signer.sign(bytes, "bench")).unwrap()
}

#[test]
fn an_update_is_staged_prepared_tried_and_confirmed() {
    let bench = Bench::running();
    bench.check("stage 2.everboot", 0, "staged version 2.0");
    bench.check_slots("SLOT-A good 1.0 / slot-b empty -");
    bench.check("prepare", 0, "slot-b: prepared");
    bench.check_slots("SLOT-A good 1.0 / slot-b proven 2.0");
    bench.check("boot", 0, "slot-a: default slot");
    bench.check("activate", 0, "slot-b: the next boot tries it");
    bench.check("boot", 0, "slot-b: trial, 2 more tries");
    bench.check("confirm", 0, "slot-b: confirmed");
    bench.check_slots("slot-a good 1.0 / SLOT-B good 2.0");
    bench.check("boot", 0, "slot-b: default slot");
    assert!(!bench.path("disk.staging/staged.everboot").exists());
}

#[test]
fn a_staged_update_is_applied_by_the_next_boot() {
    let bench = Bench::running();
    bench.check("stage 2.everboot", 0, "");
    bench.check("commit", 0, "slot-b: the next boot applies");
    bench.check("explain", 0, "because    an apply is due; all checks run again");
    bench.check("boot", 0, "slot-b: trial, 2 more tries");
    bench.check("verify slot-b", 0, "all 40 blocks are right");
    bench.check("mark-good", 0, "slot-b: confirmed");
}

#[test]
fn a_trial_that_is_never_confirmed_rolls_back() {
    let bench = Bench::trial();
    bench.check("boot", 0, "slot-b: trial, 1 more");
    bench.check("boot", 0, "slot-b: trial, the last try");
    bench.check("boot", 0, "slot-a: rolled back: the trial is bad (all tries used");
    bench.check_slots("SLOT-A good 1.0 / slot-b bad 2.0");
    bench.check("why", 0, "rolled back");
    bench.check_refused("stage 2.everboot", 3, "failed on this machine before; --force");
    bench.check("install --force 2.everboot", 0, "slot-b: the next boot tries it");
}

#[test]
fn every_verb_may_be_run_twice() {
    let bench = Bench::running();
    let twice = |line: &str, text: &str| {
        bench.check(line, 0, text);
        let before = bench.status().record.generation;
        bench.check(line, 0, text);
        assert_eq!(before, bench.status().record.generation, "{line} changed something again");
    };
    twice("confirm", "slot-a");
    twice("stage 2.everboot", "2.0");
    twice("prepare", "slot-b: prepared");
    twice("activate", "slot-b: the next boot tries it");
    twice("install 2.everboot", "slot-b: the next boot tries it");
    twice("cancel", "nothing is due");
    twice("activate", "slot-b");
    bench.check("boot", 0, "slot-b");
    twice("confirm", "slot-b: confirmed");
    twice("install 2.everboot", "already holds this image");
    twice("reject slot-a", "slot-a: rejected");
    twice("record repair", "both copies are good");
}

#[test]
fn a_cancelled_update_never_boots() {
    let bench = Bench::running();
    bench.check("install 2.everboot", 0, "");
    bench.check("cancel", 0, "");
    bench.check_slots("SLOT-A good 1.0 / slot-b proven 2.0");
    assert!(!bench.path("disk.staging/staged.everboot").exists());
    bench.check("boot", 0, "slot-a: default slot");
}

#[test]
fn a_rejected_trial_is_left_at_the_next_boot() {
    let bench = Bench::trial();
    bench.check_refused("cancel", 3, "the running system is the trial");
    bench.check("mark-bad", 0, "slot-b: rejected");
    bench.check_slots("SLOT-A good 1.0 / slot-b bad 2.0");
    bench.check("boot", 0, "slot-a");
}

#[test]
fn a_rollback_returns_to_the_slot_before_and_a_second_one_undoes_it() {
    let bench = Bench::trial();
    bench.check("confirm", 0, "");
    bench.check("rollback", 0, "slot-a: boots next");
    bench.check_slots("SLOT-A good 1.0 / slot-b good 2.0");
    bench.check("rollback", 0, "slot-b: boots next");
    assert_eq!(bench.status().rollback.as_deref(), Some("slot-a"));
}

#[test]
fn what_the_state_does_not_allow_is_refused_with_3() {
    let bench = Bench::factory();
    for (line, text) in [
        ("confirm", "names no boot"),
        ("prepare", "expected a staged bundle, found none"),
        ("activate", "expected a staged bundle, found none"),
        ("rollback", "expected another good slot to return to, found none"),
        ("reject slot-a", "only good slot"),
        ("reject slot-b", "holds no image"),
        ("verify slot-b", "the slot holds no image"),
        ("record init", "there is a record already"),
    ] {
        bench.check_refused(line, 3, text);
    }
}

#[test]
fn an_image_that_does_not_fit_is_refused_with_4() {
    let bench = Bench::running();
    let of = |change: &dyn Fn(&mut Manifest)| {
        let mut changed = manifest("2.0");
        change(&mut changed);
        changed
    };
    let rows: [(&str, Manifest, &str); 4] = [
        ("foreign", of(&|m| m.compatible = "other".into()), "expected compatible \"bench\", found \"other\""),
        ("older", manifest("0.9"), "0.9"),
        ("large", of(&|m| m.payload.size = 8 * MIB), ""),
        (
            "modules",
            of(&|m| m.modules = Some(vec!["6.1.0".into()])),
            "expected /usr/lib/modules/6.9.9, found 6.1.0",
        ),
    ];
    for (name, manifest, text) in rows {
        bench.bundle(name, manifest);
        bench.check_refused(&format!("stage --kernel 6.9.9 {name}"), 4, text);
    }
}

#[test]
fn a_bundle_that_is_not_trusted_is_refused_with_5() {
    let bench = Bench::running();
    let bundle = fs::read(bench.path("2.everboot")).unwrap();
    let mut flipped = bundle.clone();
    flipped[bundle.len() - 4096] ^= 1;
    fs::write(bench.path("flipped"), flipped).unwrap();
    fs::write(bench.path("short"), &bundle[..bundle.len() / 2]).unwrap();
    fs::write(bench.path("text"), "hello").unwrap();
    for name in ["flipped", "short", "text"] {
        bench.check_refused(&format!("stage {name}"), 5, "bundle: ");
    }
    fs::write(bench.path("disk.config/keys/bench.pub"), &NewKeys::generate().unwrap().public).unwrap();
    bench.check_refused("stage 2.everboot", 5, "expected one by a trusted key");
}

#[test]
fn a_bundle_that_went_bad_in_the_staging_area_is_given_up() {
    let bench = Bench::running();
    bench.check("stage 2.everboot", 0, "");
    bench.check("activate", 0, "");
    fs::write(bench.path("disk.staging/staged.everboot"), "rot").unwrap();
    let ran = bench.check("boot", 0, "slot-a");
    assert!(ran.err.contains("everboot: warning: update of slot-b given up"), "{}", ran.err);
    bench.check("why", 0, "update of slot-b given up");
    assert_eq!(bench.status().update["state"], "none");
}

#[test]
fn a_second_everboot_is_refused_with_6_and_may_look() {
    let bench = Bench::running();
    let held = DiskFileMachine::open(&bench.path("disk"), None).unwrap();
    for line in ["stage 2.everboot", "confirm", "boot", "record repair"] {
        bench.check(line, 6, "in use");
    }
    for line in ["status", "why", "explain", "verify slot-a", "record show"] {
        bench.check(line, 0, "");
    }
    drop(held);
    // A child that another thread is starting may hold a copy of the lock until it runs.
    let freed = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        bench.run("confirm").code == 0
    });
    assert!(freed);
}

#[test]
fn a_record_that_is_gone_is_named_and_repaired_from_the_slots() {
    let bench = Bench::running();
    for block in [0, 16 * 256 - 1] {
        bench.damage("everboot-record", block);
    }
    bench.check_refused("confirm", 7, "both copies are bad");
    assert!(bench.status().trouble.unwrap().contains("both copies are bad"));
    assert_eq!(bench.run("record show").code, 7);
    bench.check("record repair", 0, "slot-a: good, version 1.0, default");
    bench.check("boot", 0, "slot-a: default slot");
}

#[test]
fn one_bad_copy_is_shown_and_repaired() {
    let bench = Bench::running();
    bench.damage("everboot-record", 0);
    bench.check("boot", 0, "slot-a");
    bench.damage("everboot-record", 0);
    let status = bench.status();
    assert_eq!(status.record.copies.iter().filter(|copy| *copy == "good").count(), 1, "{status:?}");
    bench.check("record repair", 0, "both copies are good");
    assert_eq!(bench.status().record.copies, ["good", "good"]);
}

#[test]
fn a_warning_is_said_once_however_often_the_disk_is_looked_at() {
    let bench = Bench::running();
    bench.check("stage 2.everboot", 0, "");
    fs::write(bench.path("disk"), vec![0; MIB as usize]).unwrap();
    fs::write(bench.path("disk.config/keys/bench.pub"), "none").unwrap();
    for line in ["status", "explain", "stage 2.everboot", "apply", "mount slot-a", "boot"] {
        let err = bench.run(line).err;
        for text in ["bench.pub: ", "no bundle and no trailer", "disks: "] {
            assert_eq!(err.matches(text).count(), 1, "{line}: {text} in\n{err}");
        }
    }
}

#[test]
fn the_doctor_is_content_with_a_sound_disk() {
    let bench = Bench::factory();
    let ran = bench.check("doctor", 0, "nothing needs to be done");
    assert!(
        ran.out.starts_with("not looked at with --disk: ") && ran.err.is_empty(),
        "{}{}",
        ran.out,
        ran.err
    );
    let bench = Bench::trial();
    bench.check("doctor", 0, "nothing needs to be done");
    assert_eq!(
        bench.check("doctor --json", 0, "").out,
        format!(
            "{{\"version\":\"{}\",\"sound\":true,\"machine\":false,\"findings\":[]}}\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn the_doctor_says_what_to_do_with_10() {
    let bench = Bench::running();
    bench.damage("everboot-record", 0);
    bench.check("doctor", 10, "fault: record: a copy is bad: ");
    bench.check("record repair", 0, "");
    let trailer = 8 * 256 - 16;
    bench.damage("slot-a", trailer);
    bench.check("doctor", 10, "fault: slot-a: expected the signed trailer");
    bench.damage("everboot-record", 0);
    let ran = bench.check("doctor --json", 10, "\"sound\":false");
    assert!(ran.out.contains("{\"name\":\"record-copy\",\"fault\":true,\"text\":\"record: "), "{}", ran.out);
    assert_eq!(ran.out.lines().count(), 1);
    bench.damage("everboot-record", 16 * 256 - 1);
    bench.check("doctor", 10, "fault: record: both copies are bad");
    let blank = Bench::blank();
    blank.check("record init", 0, "");
    blank.check("doctor", 10, "fault: slots: none is good");
}

#[test]
fn the_doctor_reads_configuration_and_keys() {
    let bench = Bench::running();
    let keys = bench.path("disk.config/keys");
    fs::copy(keys.join("bench.pub"), keys.join("copy.pub")).unwrap();
    let ran = bench.check("doctor", 10, "copy.pub: expected a new key, found one that is there already");
    assert!(ran.err.is_empty(), "{}", ran.err);
    fs::remove_file(keys.join("copy.pub")).unwrap();
    fs::write(keys.join("bench.pub"), "none").unwrap();
    bench.check("doctor", 10, "fault: key: ");
    bench.check("doctor", 10, "no bundle and no trailer is trusted");
    fs::write(bench.path("disk.config/everboot.conf"), "compatible = bench\nslot = a\nslot = slot-b\n")
        .unwrap();
    bench.check("doctor", 10, "fault: a: expected a partition PARTLABEL=a, found none");
    fs::write(bench.path("disk.config/everboot.conf"), "tries = 3\n").unwrap();
    bench.check("doctor", 10, "everboot.conf: configuration: expected a line `compatible = ");
}

#[test]
fn blocks_that_differ_are_counted_and_named_with_8() {
    let bench = Bench::running();
    bench.damage("slot-a", 7);
    bench.damage("slot-a", 9);
    bench.check("verify slot-a", 8, "slot-a: 2 of 40 blocks differ\nblocks 7 9\n");
}

#[test]
fn a_slot_that_was_filled_by_other_means_may_be_declared_good() {
    let bench = Bench::blank();
    bench.check("record init --good slot-b --version 7.1", 0, "slot-b: good, version 7.1, default");
    bench.check("boot", 0, "slot-b: default slot");
    bench.check("confirm", 0, "slot-b");
    bench.check("record init --force --good slot-a", 0, "slot-a: good, default");
}

#[test]
fn the_json_of_status_tells_everything_by_stable_keys() {
    let bench = Bench::trial();
    let status = bench.status();
    assert_eq!((status.version.as_str(), status.compatible.as_str()), (env!("CARGO_PKG_VERSION"), "bench"));
    assert_eq!((status.default.as_deref(), status.booted.as_deref()), (Some("slot-a"), Some("slot-b")));
    assert!(!status.confirmed && status.blocked && status.trouble.is_none());
    assert!(status.blocked_reason.unwrap().contains("none may be written"));
    assert!(status.record.generation > 3);
    assert_eq!(status.update["version"], "2.0");
    assert_eq!(status.next_boot["target"].as_deref(), Some("boot"));
    assert_eq!(status.next_boot["slot"].as_deref(), Some("slot-b"));
    assert!(status.next_boot["reason"].as_deref().unwrap().contains("1 more try"));
    for slot in &status.slots {
        assert_eq!((slot.trailer_ok, slot.root_hash.as_ref().map(String::len)), (Some(true), Some(64)));
    }
}

#[test]
fn status_fits_a_serial_console() {
    let bench = Bench::trial();
    for (line, text) in [("confirm", "slot-b"), ("status", "DBC slot-b  good"), ("rollback", "slot-a")] {
        bench.check(line, 0, text);
        let status = bench.check("status", 0, "next boot").out;
        assert!(status.lines().count() <= 24, "{status}");
        assert!(status.lines().all(|line| line.chars().count() <= 80), "{status}");
    }
}

#[test]
fn status_says_when_the_rollback_copy_is_gone() {
    let bench = Bench::trial();
    bench.check("confirm", 0, "");
    bench.check("status", 0, "rollback   possible, to slot-a");
    bench.check("boot", 0, "slot-b");
    bench.check("confirm", 0, "");
    bench.bundle("3.everboot", manifest("3.0"));
    bench.check("stage 3.everboot", 0, "");
    bench.check("prepare", 0, "slot-a: prepared");
    bench.check("status", 0, "there is no other good slot");
}

#[test]
fn a_wrong_command_line_names_the_nearest_help() {
    let bench = Bench::blank();
    for (line, text) in [
        ("statsu", "unknown verb \"statsu\", nearest is status; see `everboot help status`"),
        ("frobnicate", "unknown verb \"frobnicate\"; see `everboot help`"),
        ("record", "expected one of show, init, repair after record"),
        ("record mend", "unknown verb \"record mend\""),
        ("status --jsno", "unknown option --jsno, nearest is --json; see `everboot help status`"),
        ("stage", "stage: expected FILE, found nothing; see `everboot help stage`"),
        ("stage a b", "stage: expected FILE, found 2 arguments"),
        ("status --json=1", "see `everboot help status`"),
        ("record init --version 2", "record init: --version says"),
        ("verify slot-z", "no slot \"slot-z\": expected one of slot-a, slot-b"),
    ] {
        bench.check(line, 2, text);
    }
    let ran = everboot(&bench.folder, ["boot"]);
    assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{}", ran.err);
}

#[test]
fn global_options_stand_before_or_after_the_verb() {
    let bench = Bench::running();
    for line in ["status --disk disk --no-progress", "--no-progress --disk disk status"] {
        let ran = everboot(&bench.folder, line.split(' '));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    bench.check("stage 2.everboot --staging elsewhere", 0, "");
    assert!(bench.path("elsewhere/staged.everboot").exists());
}

#[test]
fn the_help_covers_every_verb_and_exit_code() {
    let bench = Bench::blank();
    let help = everboot(&bench.folder, ["help"]).out;
    assert_eq!(help, everboot(&bench.folder, ["--help"]).out);
    for verb in VERBS.iter().map(|verb| verb.name) {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in\n{help}");
        let own = everboot(&bench.folder, ["help"].into_iter().chain(verb.split(' ')));
        assert_eq!(own.code, 0);
        assert!(own.out.contains(&format!("everboot [OPTION]... {verb}")) && own.out.contains("exit codes:"));
        assert!(own.out.lines().all(|line| line.len() < 80), "{}", own.out);
        let words = verb.split(' ').chain(["--help"]);
        assert_eq!(everboot(&bench.folder, words).out, own.out);
    }
    for exit in Exit::ALL {
        assert!(help.contains(&format!("\n  {} ", exit as u8)), "{exit:?}");
    }
    assert!(everboot(&bench.folder, ["--version"]).out.starts_with("everboot "));
}

#[test]
fn a_broken_configuration_stops_an_update_and_not_a_confirmation() {
    let bench = Bench::running();
    fs::write(bench.path("disk.config/everboot.conf"), "compatible\n").unwrap();
    bench.check_refused("stage 2.everboot", 1, "everboot.conf");
    let ran = bench.run("confirm");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("everboot: warning: "), "{}", ran.err);
    assert_eq!(bench.run("boot").code, 0);
}

#[test]
fn progress_elsewhere_than_on_a_terminal_is_a_few_plain_lines() {
    let bench = Bench::running();
    let ran = bench.check("install 2.everboot", 0, "");
    assert!(ran.err.lines().count() <= 22 && ran.err.contains("100 %"), "{}", ran.err);
    assert!(!ran.err.contains('\r'));
    let bench = Bench::running();
    assert_eq!(bench.check("install 2.everboot --no-progress", 0, "").err, "");
}
