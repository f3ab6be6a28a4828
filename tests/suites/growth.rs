//! What a newer everboot puts into a slot's trailer and into a bundle, and what an older one makes of it.

use crate::formats::only_second_version;
use everboot_agent::flow::{self, Destination, Error};
use everboot_core::manifest::ManifestError;
use everboot_kit::sim::{RECORD, SLOT_A, SLOT_B, SimDisk};
use everboot_kit::world::{World, good, image, lose_record, manifest, upgraded};
use everboot_storage::apply::{self, TRAILER_LEN};
use everboot_storage::bundle::sign::Signer;
use everboot_storage::bundle::write::{ARCHIVE_END, assemble, member};
use everboot_storage::bundle::{Bundle, Keys, TrustError};
use everboot_storage::medium::{Medium, Staging};

/// A machine with two good slots. What it does is not repeated with power cuts: the invariants read no newer trailer.
fn left_alone() -> World {
    let world = upgraded();
    World::unrecorded(world.machine.fork(), world.config.clone(), world.keys.clone())
}

/// The trailer of a slot becomes one of version 2, of which nobody can read more than its seal.
fn newer_trailer(world: &World, slot: usize, change: impl FnOnce(&mut [u8])) {
    let part = &world.machine.parts[slot];
    let start = part.len() - TRAILER_LEN;
    let mut bytes = vec![0xa5; 15 * 4096];
    part.read_at(start, &mut bytes[..4096]).unwrap();
    bytes[8] = 2;
    change(&mut bytes[..4092]);
    let checksum = crc32fast::hash(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
    part.write_at(start, &bytes).unwrap();
    part.sync().unwrap();
}

#[test]
fn a_slot_that_a_newer_everboot_sealed_boots_when_the_record_names_its_image() {
    let mut world = left_alone();
    newer_trailer(&world, SLOT_B, |_| ());
    assert!(apply::read_trailer(&world.machine.parts[SLOT_B]).unwrap().is_none());
    assert_eq!(world.boot_version(), Some(2));
    flow::confirm(world.site()).unwrap();
    assert_eq!(world.boot_version(), Some(2));
    let refused = flow::slot_difference(world.site(), "slot-b").unwrap_err();
    assert!(matches!(refused, Error::TrailerLost(_)), "{refused}");
    // Another image came into the slot than the record says.
    newer_trailer(&world, SLOT_B, |head| head[10] ^= 1);
    assert_eq!(world.boot_version(), Some(1));
}

#[test]
fn by_the_order_of_a_newer_record_a_newer_trailer_is_booted_at_once() {
    let mut world = left_alone();
    let record = world.record();
    only_second_version(&mut world, &record);
    newer_trailer(&world, SLOT_B, |_| ());
    assert_eq!(world.boot_version(), Some(2));
}

/// The one that was confirmed last comes first. Nobody here can tell who signed it.
#[test]
fn without_a_record_newer_trailers_are_the_last_resort_in_the_order_of_their_marks() {
    for has_keys in [true, false] {
        let mut world = left_alone();
        [SLOT_A, SLOT_B].into_iter().for_each(|slot| newer_trailer(&world, slot, |_| ()));
        lose_record(&world);
        if !has_keys {
            world.keys = Keys::default();
        }
        let blank = world.machine.parts[RECORD].content();
        let is_reached = !matches!(world.boot().destination, Destination::Recovery);
        assert_eq!(is_reached, !has_keys);
        world.operator.waits.clear();
        world.operator.patience = 1;
        assert_eq!(world.boot_version(), Some(2));
        assert!(flow::repair(world.site(), false).is_err());
        assert!(world.machine.parts[RECORD].content() == blank);
        // One that can be read comes first where keys say whose it is.
        let mut world = left_alone();
        newer_trailer(&world, SLOT_B, |_| ());
        lose_record(&world);
        assert_eq!(world.boot_version(), Some(1));
    }
}

/// A bundle with these members behind those that are known.
fn with_members(members: &[(&str, usize)]) -> Vec<u8> {
    let mut bundle = good(2);
    bundle.truncate(bundle.len() - ARCHIVE_END as usize);
    for (name, len) in members {
        bundle.extend(member(name, &vec![7; *len]));
    }
    bundle.resize(bundle.len() + ARCHIVE_END as usize, 0);
    bundle
}

#[test]
fn members_that_are_not_known_are_passed_over_and_kept_in_the_staging_area() {
    for members in [vec![("root.news", 5000)], vec![("a", 0); 16], vec![("b", 1 << 20)]] {
        let bundle = with_members(&members);
        let mut world = World::running();
        world.stage(bundle.clone()).unwrap();
        let staged = world.machine.staging.open(flow::STAGED).unwrap();
        assert_eq!(staged.len(), bundle.len() as u64);
        flow::activate(world.site()).unwrap();
        assert_eq!(world.boot_version(), Some(2));
    }
    let known = good(2).len() as u64;
    for members in [vec![("a", (1 << 20) + 1)], vec![("a", (1 << 20) + 1), ("b", 1)]] {
        let file = SimDisk::with_power(with_members(&members), World::blank().machine.parts[0].power());
        assert_eq!(Bundle::open(file, &World::blank().keys).unwrap().total_len(), known);
    }
    let file = SimDisk::with_power(with_members(&[("a", 0); 17]), World::blank().machine.parts[0].power());
    assert_eq!(Bundle::open(file, &World::blank().keys).unwrap().total_len(), known + 16 * 512);
    // Between the known ones there is no room for others.
    let mut bundle = good(2);
    let at = bundle.windows(10).position(|bytes| bytes == b"root.tree\0").unwrap();
    bundle.splice(at..at, member("root.news", b"1"));
    assert!(World::running().stage(bundle).is_err());
}

#[test]
fn an_image_with_a_critical_field_that_is_not_known_is_refused_and_changes_nothing() {
    let signer = Signer::parse(include_str!("../golden/key")).unwrap();
    let plain = assemble(manifest(2), &image(2, everboot_kit::sim::SimRoot::Boots), &|bytes| {
        signer.sign(bytes, "sim")
    })
    .unwrap();
    let keys = World::blank().keys.clone();
    let open = |bytes: Vec<u8>| {
        Bundle::open(SimDisk::with_power(bytes, World::blank().machine.parts[0].power()), &keys)
    };
    let json = String::from_utf8(open(plain).unwrap().signed().manifest.clone()).unwrap();
    let changed = |more: &str| {
        let json = json.replacen('{', &format!("{{{more}"), 1);
        let mut bytes = member("manifest.json", json.as_bytes());
        bytes.extend(member("manifest.json.minisig", &signer.sign(json.as_bytes(), "sim")));
        let rest = good(2);
        let at = rest.windows(10).position(|bytes| bytes == b"root.tree\0").unwrap();
        bytes.extend(&rest[at..]);
        bytes
    };
    assert!(open(changed(r#""gates":[],"#)).is_ok());
    let error = open(changed(r#""gates":[],"critical":["gates"],"#)).unwrap_err();
    let is_said = matches!(
        &error,
        everboot_storage::bundle::Error::Trust(TrustError::Manifest(ManifestError::Critical { field })) if field == "gates"
    );
    assert!(is_said, "{error}");
    let mut world = World::running();
    let before = world.machine.parts[RECORD].content();
    assert!(world.stage(changed(r#""gates":[],"critical":["gates"],"#)).is_err());
    assert!(
        world.machine.parts[RECORD].content() == before
            && !world.machine.staging.exists(flow::STAGED).unwrap()
    );
}

/// The manifest in the trailer of a slot gets a critical field that nobody here knows, signed by the machine's key; the
/// trailer itself is one of this version.
fn newer_manifest(world: &World, slot: usize) {
    let part = &world.machine.parts[slot];
    let start = part.len() - TRAILER_LEN;
    let signed = apply::read_trailer(part).unwrap().unwrap().signed;
    let json = String::from_utf8(signed.manifest).unwrap();
    let json = json.replacen('{', "{\n  \"critical\": [\"of-tomorrow\"],\n  \"of-tomorrow\": 1,", 1);
    let signature = Signer::parse(include_str!("../golden/key")).unwrap().sign(json.as_bytes(), "sim");
    let mut bytes = vec![0; 15 * 4096];
    part.read_at(start, &mut bytes[..4096]).unwrap();
    bytes[42..44].copy_from_slice(&(signature.len() as u16).to_le_bytes());
    bytes[44..48].copy_from_slice(&(json.len() as u32).to_le_bytes());
    bytes[48..52].copy_from_slice(&crc32fast::hash(&[json.as_bytes(), &signature].concat()).to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
    bytes[4096..][..json.len()].copy_from_slice(json.as_bytes());
    bytes[9 * 4096..][..signature.len()].copy_from_slice(&signature);
    part.write_at(start, &bytes).unwrap();
    part.sync().unwrap();
}

#[test]
fn without_a_record_a_signed_slot_with_a_newer_manifest_is_good_and_nothing_is_saved() {
    let mut world = left_alone();
    newer_manifest(&world, SLOT_B);
    lose_record(&world);
    let blank = world.machine.parts[RECORD].content();
    assert_eq!(world.boot_version(), Some(2), "it was confirmed last");
    assert!(flow::repair(world.site(), true).is_err());
    let error = flow::init(world.site(), None, true).unwrap_err().to_string();
    assert!(error.contains("a newer everboot wrote slot-b"), "{error}");
    assert!(world.machine.parts[RECORD].content() == blank);
}

#[test]
fn by_the_order_of_a_newer_record_a_newer_manifest_is_booted_at_once() {
    let mut world = left_alone();
    let record = world.record();
    only_second_version(&mut world, &record);
    newer_manifest(&world, SLOT_B);
    assert_eq!(world.boot_version(), Some(2));
}
