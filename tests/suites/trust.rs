//! Whom a machine believes, and what it takes: endorsed and revoked keys, and images that nobody signed.

use crate::bundle::TempDir;
use crate::fixture::Fixture;
use everboot_agent::flow::{self, Destination, Error, Overrides};
use everboot_core::lifecycle::{Refusal, Unfit};
use everboot_core::manifest::Manifest;
use everboot_kit::owned::Outcome;
use everboot_kit::sim::{RECORD, SLOT_A, SimRoot};
use everboot_kit::world::{World, image, manifest};
use everboot_storage::bundle::sign::{NewKeys, Signer, UNSIGNED};
use everboot_storage::bundle::{Error as BundleError, Fault, Keys, Signed, TrustError, write::assemble};
use everboot_storage::medium::Medium;
use std::sync::LazyLock;

/// A pair of keys.
pub struct Pair {
    signer: Signer,
    pub public: String,
}

impl Pair {
    fn new() -> Self {
        let NewKeys { secret, public } = NewKeys::generate().unwrap();
        Self { signer: Signer::parse(&secret).unwrap(), public }
    }

    fn endorse(&self, other: &Self) -> Vec<u8> {
        self.signer.endorse(&other.public)
    }

    pub fn sign(&self, bytes: &[u8], chain: &[Vec<u8>]) -> Vec<u8> {
        [self.signer.sign(bytes, "sim"), chain.concat()].concat()
    }
}

/// The key that the simulated machines trust, and others, each newer than the one before.
pub static KEYS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let (secret, public) = (include_str!("../golden/key"), include_str!("../golden/key.pub").to_owned());
    let first = Pair { signer: Signer::parse(secret).unwrap(), public };
    [first].into_iter().chain((0..6).map(|_| Pair::new())).collect()
});

/// The endorsement of the key of that number by the one before it.
fn link(number: usize) -> Vec<u8> {
    KEYS[number - 1].endorse(&KEYS[number])
}

pub fn bundle(manifest: Manifest, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let version = manifest.version.as_bytes()[0] - b'0';
    assemble(manifest, &image(version, SimRoot::Boots), sign).unwrap()
}

/// A version that the second key has signed, endorsed by the first.
pub fn endorsed(version: u8) -> Vec<u8> {
    bundle(manifest(version), &|bytes| KEYS[1].sign(bytes, &[link(1)]))
}

fn unsigned(version: u8) -> Vec<u8> {
    bundle(manifest(version), &|_| UNSIGNED.to_vec())
}

fn trusted(keys: &[usize]) -> Keys {
    Keys::parse(&keys.iter().map(|key| KEYS[*key].public.as_str()).collect::<String>()).unwrap()
}

/// A manifest with these bytes beside it.
fn signed(signature: Vec<u8>) -> Signed {
    Signed { manifest: MANIFEST.clone(), signature }
}

static MANIFEST: LazyLock<Vec<u8>> = LazyLock::new(|| manifest(2).to_json().into_bytes());

fn by(key: usize, chain: &[Vec<u8>]) -> Signed {
    signed(KEYS[key].sign(&MANIFEST, chain))
}

fn prepare(world: &mut World) {
    flow::prepare(world.site()).unwrap();
    flow::activate(world.site()).unwrap();
}

/// Stages it, has early boot apply it, and confirms it.
pub fn install(world: &mut World, bundle: Vec<u8>) {
    world.stage(bundle).unwrap();
    flow::activate(world.site()).unwrap();
    world.boot();
    flow::confirm(world.site()).unwrap();
}

pub fn lose_record(world: &World) {
    let record = world.machine.parts[RECORD].clone();
    record.write_zeroes(0, record.len()).unwrap();
}

pub fn went_to(outcome: &Outcome) -> Option<usize> {
    match &outcome.destination {
        Destination::Root(_, root, _) => Some(root.at.part),
        _ => None,
    }
}

/// All that a machine keeps.
pub fn bytes(world: &World) -> (Vec<Vec<u8>>, Vec<String>) {
    let parts = world.machine.parts.iter().map(|part| part.content()).collect();
    (parts, world.machine.staging.names())
}

#[track_caller]
pub fn refused_without_a_change(world: &mut World, bundle: Vec<u8>, insist: Overrides) -> Error {
    let before = bytes(world);
    let error = world.stage_insisting(bundle, insist).unwrap_err();
    assert!(bytes(world) == before, "{error}");
    error
}

#[test]
fn an_endorsed_key_is_believed_wherever_a_signature_is_checked() {
    let mut world = World::running();
    world.stage(endorsed(2)).unwrap();
    prepare(&mut world);
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    let status = flow::status(world.site(), None).unwrap();
    assert!(status.slots.iter().all(|slot| slot.trailer == Some(true)));
    assert!(flow::slot_difference(world.site(), "slot-b").unwrap().1[0].1.is_none());
    install(&mut world, endorsed(3));
    lose_record(&world);
    assert_eq!(world.boot_version(), Some(3), "the trailer has the endorsement");
    assert_eq!(world.picture(), "slot-a:good*? slot-b:good");
}

#[test]
fn a_chain_of_endorsements_begins_at_a_trusted_key() {
    let unknown =
        |signed: &Signed, keys: &Keys| matches!(signed.verify(keys), Err(TrustError::UnknownKey { .. }));
    let four = by(4, &[link(4), link(3), link(2), link(1)]);
    for key in 0..=4 {
        assert!(four.verify(&trusted(&[key])).is_ok(), "key {key}");
    }
    assert!(unknown(&four, &trusted(&[5])));
    assert!(unknown(&by(1, &[]), &trusted(&[0])), "no endorsement");
    assert!(unknown(&by(2, &[link(1), link(2)]), &trusted(&[0])), "the wrong way round");
    assert!(unknown(&by(3, &[link(3), link(1)]), &trusted(&[0])), "one is missing");
    let five = by(5, &[link(5), link(4), link(3), link(2), link(1)]);
    assert!(unknown(&five, &trusted(&[0])) && five.verify(&trusted(&[1])).is_ok(), "four are looked at");
    let long = by(1, &[link(1), vec![b'\n'; 4096]]);
    assert!(matches!(long.verify(&trusted(&[0])), Err(TrustError::TooLong { limit: 4096, .. })));
}

#[test]
fn only_what_was_made_as_an_endorsement_is_one() {
    let public = KEYS[1].public.as_bytes();
    let keys = trusted(&[0]);
    let with = |signature: Vec<u8>| by(1, &[[public, &signature].concat()]).verify(&keys);
    assert!(with(KEYS[0].signer.sign(public, "everboot endorses this key")).is_ok());
    // Somebody who publishes a key may sign its file, and endorses nothing by it.
    assert!(with(KEYS[0].signer.sign(public, "file:new.pub")).is_err());
    assert!(with(KEYS[0].signer.sign(&MANIFEST, "everboot endorses this key")).is_err());
    assert!(with(KEYS[1].signer.sign(public, "everboot endorses this key")).is_err());
    assert!(by(1, &[KEYS[0].endorse(&KEYS[2])]).verify(&keys).is_err(), "of another key");
    // And an endorsement vouches for no manifest.
    let other = Signed { manifest: public.to_vec(), signature: link(1)[public.len()..].to_vec() };
    assert!(matches!(other.verify(&keys), Err(TrustError::Manifest(_))));
}

#[test]
fn any_flipped_bit_of_an_endorsement_makes_it_none_or_means_nothing() {
    let good = by(1, &[link(1)]);
    let start = KEYS[1].sign(&MANIFEST, &[]).len();
    let mut harmless = 0;
    for at in (start..good.signature.len()).step_by(3) {
        let mut bad = good.clone();
        bad.signature[at] ^= 1 << (at % 7);
        harmless += usize::from(bad.verify(&trusted(&[0])).is_ok());
    }
    // The comment of its signature, which nobody signs, and bits that base64 does not use.
    assert!(harmless < 20, "{harmless}");
}

#[test]
fn a_revoked_key_is_never_believed_again() {
    for revoke_first in [true, false] {
        let mut keys = Keys::default();
        let add = |keys: &mut Keys| [0, 1].map(|key| keys.add(&KEYS[key].public).unwrap());
        if revoke_first {
            keys.revoke(&KEYS[1].public).unwrap();
        }
        add(&mut keys);
        keys.revoke(&KEYS[1].public).unwrap();
        add(&mut keys);
        assert_eq!(keys.len(), 1);
        for chain in [vec![], vec![link(1)]] {
            assert!(matches!(by(1, &chain).verify(&keys), Err(TrustError::UnknownKey { .. })));
        }
        assert!(by(2, &[link(2), link(1)]).verify(&keys).is_err(), "nor whom it endorses");
        assert!(by(0, &[]).verify(&keys).is_ok());
    }
}

#[test]
fn an_insecure_image_comes_only_where_configuration_and_operator_say_so() {
    let insisting = Overrides { force: false, insecure: true };
    let by_another = || bundle(manifest(2), &|bytes| KEYS[1].sign(bytes, &[]));
    for bundle in [unsigned(2), by_another()] {
        let mut world = World::running();
        let error = refused_without_a_change(&mut world, bundle.clone(), Overrides::default());
        assert!(matches!(error, Error::Bundle(ref error) if error.fault() == Fault::Refused), "{error}");
        let error = refused_without_a_change(&mut world, bundle.clone(), insisting);
        assert!(matches!(error, Error::Refused(Refusal::NotInsecure)), "{error}");
        world.keys.allow_insecure();
        let error = refused_without_a_change(&mut world, bundle.clone(), Overrides::default());
        assert!(matches!(error, Error::Bundle(BundleError::Trust(_))), "{error}");
        world.stage_insisting(bundle, insisting).unwrap();
        prepare(&mut world);
        assert_eq!(world.boot_version(), Some(2));
        flow::confirm(world.site()).unwrap();
    }
}

#[test]
fn a_forged_or_damaged_bundle_is_refused_also_where_insecure_ones_are_not() {
    let insisting = Overrides { force: true, insecure: true };
    let mut world = World::running();
    world.keys.allow_insecure();
    let forged = bundle(manifest(2), &|_| KEYS[0].sign(b"something else", &[]));
    let error = refused_without_a_change(&mut world, forged, insisting);
    assert!(matches!(error, Error::Bundle(BundleError::Trust(TrustError::Forged))), "{error}");
    let mut damaged = unsigned(2);
    let at = damaged.len() - 3000;
    damaged[at] ^= 1;
    refused_without_a_change(&mut world, damaged, insisting);
    let old = Manifest { version: "0.9".into(), ..manifest(2) };
    let old = assemble(old, &image(2, SimRoot::Boots), &|_| UNSIGNED.to_vec()).unwrap();
    let error = refused_without_a_change(&mut world, old, insisting);
    assert!(matches!(error, Error::Unfit(Unfit::Version(_))), "{error}");
}

/// A machine that runs version 2 of nobody from slot-b, as a trial.
pub fn insecure() -> World {
    let mut world = World::running();
    world.keys.allow_insecure();
    world.stage_insisting(unsigned(2), Overrides { force: false, insecure: true }).unwrap();
    flow::activate(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    world
}

#[test]
fn an_insecure_image_is_called_so_as_long_as_it_is_in_a_slot() {
    let mut world = insecure();
    flow::confirm(world.site()).unwrap();
    let history = world.site().look().history().entries;
    assert!(history.iter().any(|entry| entry.text == "staged version 2.0, INSECURE"), "{history:?}");
    for lost in [false, true] {
        if lost {
            lose_record(&world);
        }
        let outcome = world.boot();
        assert!(
            outcome.notes.iter().any(|note| note == "slot-b: good, version 2.0, INSECURE"),
            "{:?}",
            outcome.notes
        );
        assert_eq!(world.record().slots[1].to_string(), "slot-b: good, version 2.0, INSECURE");
        let mut found = flow::Findings::default();
        flow::examine(world.site(), &mut found);
        assert!(found.0.iter().any(|found| found.name == "insecure" && found.fault), "{found:?}");
    }
    flow::confirm(world.site()).unwrap();
    install(&mut world, endorsed(3));
    assert!(!world.boot().notes.iter().any(|note| note.contains("INSECURE")));
    assert!(world.record().slots[1].image.as_ref().unwrap().insecure, "it is still the way back");
}

#[test]
fn early_boot_neither_applies_nor_tries_an_insecure_image_unless_its_own_configuration_allows_it() {
    for prepared in [false, true] {
        let mut world = World::running();
        let strict = world.keys.clone();
        world.keys.allow_insecure();
        world.stage_insisting(unsigned(2), Overrides { force: false, insecure: true }).unwrap();
        if prepared {
            flow::prepare(world.site()).unwrap();
        }
        flow::activate(world.site()).unwrap();
        world.keys = strict;
        let outcome = world.boot();
        assert_eq!(went_to(&outcome), Some(SLOT_A), "{outcome:?}");
        let expected =
            if prepared { "insecure = yes is not set here" } else { "given up: bundle: signature" };
        assert!(outcome.notes.iter().any(|note| note.contains(expected)), "{:?}", outcome.notes);
        let left = if prepared { "bad(unproven)" } else { "empty" };
        assert!(world.picture().starts_with(&format!("slot-a:good*? slot-b:{left}")) || prepared);
        assert!(world.record().bad_images.is_empty());
        assert_eq!(world.boot_version(), Some(1));
    }
}

/// Whatever configuration says, a machine comes up: what is good is the last resort.
#[test]
fn an_insecure_image_that_is_the_only_good_one_boots_after_a_wait_where_it_is_forbidden() {
    let mut world = insecure();
    flow::confirm(world.site()).unwrap();
    flow::reject(world.site(), Some("slot-a")).unwrap();
    world.keys = World::blank().keys.clone();
    world.operator.patience = 1;
    assert_eq!(world.boot_version(), Some(2));
    assert_eq!(world.operator.waits, [10]);
}

#[test]
fn a_signature_that_vanishes_after_staging_is_noticed() {
    let mut world = World::running();
    world.keys.allow_insecure();
    world.stage(bundle(manifest(2), &|bytes| KEYS[0].sign(bytes, &[]))).unwrap();
    let file = everboot_storage::medium::Staging::create(&world.machine.staging, flow::STAGED).unwrap();
    file.write_at(0, &unsigned(2)).unwrap();
    file.sync().unwrap();
    assert!(matches!(flow::prepare(world.site()), Err(Error::Bundle(BundleError::Trust(_)))));
}

#[test]
fn a_key_is_rotated_by_the_tools() {
    let temp_dir = TempDir::new("rotation");
    temp_dir.write("root.img", &[7; 8192]);
    temp_dir.run("for key in old new newer; do everboot-pack keygen -o $key; done");
    temp_dir.run("everboot-pack endorse new.pub --key old && everboot-pack endorse newer.pub --key new");
    let image = "everboot-pack image root.img --version 2 --compatible c --modules none --level 1";
    let chain = "--endorsement newer.pub.endorsed --endorsement new.pub.endorsed";
    temp_dir.run(&format!("{image} --key newer {chain} -o x.everboot"));
    for key in ["old", "new", "newer"] {
        temp_dir.run(&format!("everboot-pack show x.everboot --pub {key}.pub --check"));
    }
    temp_dir.run("tar xf x.everboot && minisign -Vm manifest.json -p newer.pub");
    // As somebody does it whose old key is in minisign's hands alone.
    temp_dir.run("minisign -G -W -f -p theirs.pub -s theirs");
    temp_dir.run("minisign -S -s theirs -m new.pub -t 'everboot endorses this key' && cat new.pub new.pub.minisig >by-hand");
    temp_dir.run(&format!("{image} --key new --endorsement by-hand -o y.everboot"));
    temp_dir.run("everboot-pack show y.everboot --pub theirs.pub");
    // A delta has the endorsements of the whole bundle.
    temp_dir.run(&format!(
        "{image} --key old -o v1.everboot && everboot-pack delta v1.everboot x.everboot -o d.everboot"
    ));
    temp_dir.run("everboot-pack show d.everboot --pub old.pub");
    for (words, text) in [
        (
            "--key newer --endorsement new.pub.endorsed --endorsement newer.pub.endorsed",
            "name that of --key first",
        ),
        ("--key new --endorsement new.pub", "expected what `everboot-pack endorse` makes"),
        ("--endorsement new.pub.endorsed", "--key"),
        ("--key new --unsigned", "--unsigned"),
        ("--key new --floor 2.1", "floor: expected a version not higher than 2, found 2.1"),
    ] {
        let (status, said) = temp_dir.try_run(&format!("{image} {words} -o z.everboot"));
        assert!(status != Some(0) && said.contains(text), "{words}: {said}");
    }
}

#[test]
fn an_operator_sees_what_is_insecure_and_what_is_below_the_floor() {
    let fixture = Fixture::running();
    fixture.unsigned("u.everboot", "2.0");
    fixture.check_refused("stage u.everboot", 5, "signature: the bundle has none; `--insecure` takes it");
    fixture.check_refused(
        "stage --insecure u.everboot",
        3,
        "--insecure needs `insecure = yes` in everboot.conf",
    );
    fixture.configure("compatible = bench\ninsecure = yes\n");
    fixture.check_refused("stage u.everboot", 5, "signature");
    fixture.check("install --insecure u.everboot", 0, "staged version 2.0, INSECURE");
    fixture.check("boot", 0, "slot-b: trial");
    fixture.check("confirm", 0, "");
    for verb in ["status", "slots", "explain", "log", "record show"] {
        fixture.check(verb, 0, "2.0, INSECURE");
    }
    fixture.check("doctor", 10, "fault: slot-b: no trusted key has signed its image");
    fixture.check("status --json", 0, "\"insecure\":true");

    let fixture = Fixture::running();
    fixture.bundle("2.everboot", Manifest { floor: "1.1".into(), ..crate::fixture::manifest("2.0") });
    for line in ["install 2.everboot", "boot", "confirm"] {
        fixture.check(line, 0, "");
    }
    fixture.check("status", 0, "floor      1.1: no lower version is installed");
    fixture.check("slots", 0, "1.0\n            below the floor");
    fixture.check(
        "status",
        0,
        "rollback   not possible: there is no other good slot, or it is below the floor",
    );
    fixture.check("explain", 0, "slot-a: good, version 1.0, below the floor");
    fixture.check("doctor", 0, "note: slot-a: below the floor");
    fixture.check_refused(
        "rollback",
        3,
        "below the floor; only `rollback` and `boot-once` choose it, with --force",
    );
    fixture.check_refused(
        "boot-once slot-a",
        3,
        "below the floor; only `rollback` and `boot-once` choose it, with --force",
    );
    fixture.check("boot --slot slot-a", 0, "slot-b");
    fixture.check("rollback --force", 0, "slot-a: boots next");
    fixture.check("boot", 0, "slot-a");
}

#[test]
fn keys_are_revoked_by_a_file_of_their_folder() {
    let fixture = Fixture::running();
    let keys = fixture.path("disk.config/keys");
    std::fs::copy(keys.join("bench.pub"), keys.join("stolen.revoked")).unwrap();
    let refused = fixture.run("stage 2.everboot");
    assert!(refused.code == 5 && refused.err.contains("(there are 0)"), "{}", refused.err);
    fixture.check("doctor", 10, "fault: key: none in");
    std::fs::remove_file(keys.join("stolen.revoked")).unwrap();
    std::fs::write(keys.join("other.pub"), "\n".repeat(4 << 20)).unwrap();
    fixture.check("doctor", 10, "other.pub: file too large");
    assert_eq!(fixture.run("stage 2.everboot").code, 0);
}
