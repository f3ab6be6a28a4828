//! Bundles: made by everboot-pack and opened by the tools of others, signed by the real minisign and opened
//! by us, and damaged in every way.

use everboot_agent::machine::Machine;
use everboot_agent::sys::DiskFileMachine;
use everboot_core::manifest::{Manifest, PartImage};
use everboot_core::slot::{BLOCK, PartName, RootHash};
use everboot_storage::apply;
use everboot_storage::bundle::sign::{NewKeys, Signer};
use everboot_storage::bundle::write::{SeekTable, assemble, header, member, tree};
use everboot_storage::bundle::{Bundle, Carried, Error, Fault, Keys, Sources, TrustError, Unpacker};
use everboot_storage::medium::{self, Medium, Op};
use everboot_storage::worker_pool::Threads;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// Bytes as a medium that is only read.
#[derive(Debug, Clone)]
struct Bytes(Vec<u8>);

impl Medium for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), medium::Error> {
        let end = (offset as usize).checked_add(buf.len());
        let from = end.and_then(|end| self.0.get(offset as usize..end));
        buf.copy_from_slice(from.ok_or_else(|| medium::Error::past_end(Op::Read, offset))?);
        Ok(())
    }
    fn write_at(&self, offset: u64, _: &[u8]) -> Result<(), medium::Error> {
        Err(medium::Error::at(Op::Write, offset, ErrorKind::ReadOnlyFilesystem.into()))
    }
    fn write_zeroes(&self, offset: u64, _: u64) -> Result<(), medium::Error> {
        self.write_at(offset, &[])
    }
    fn sync(&self) -> Result<(), medium::Error> {
        Ok(())
    }
}

/// A directory that is removed at the end.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("everboot-bundle-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Runs a command line here and returns what it printed; it must succeed.
    pub fn run(&self, line: &str) -> String {
        let (status, text) = self.try_run(line);
        assert_eq!(status, Some(0), "{line}: {text}");
        text
    }

    pub fn try_run(&self, line: &str) -> (Option<i32>, String) {
        let pack = everboot_kit::program::program("everboot-pack");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", pack.parent().unwrap().display());
        let output =
            Command::new("sh").args(["-c", line]).current_dir(&self.0).env("PATH", path).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    pub fn keys(&self, name: &str) -> Keys {
        Keys::parse(&String::from_utf8(self.read(name)).unwrap()).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn manifest(frame_blocks: u32) -> Manifest {
    let (name, root_hash) = (PartName::root(), RootHash([0; 32]));
    let root = PartImage {
        name,
        size: 8192,
        root_hash,
        salt: vec![9; 32],
        open: false,
        frame_blocks,
        fs_block: None,
    };
    let (compatible, version) = ("demo".into(), "1.2".into());
    Manifest {
        compatible,
        version,
        upgrade_from: None,
        floor: String::new(),
        tries: Some(3),
        modules: None,
        formats: None,
        insecure: false,
        parts: vec![root],
    }
}

/// An image whose blocks all differ and pack well.
fn image(blocks: u8) -> Vec<u8> {
    (0..blocks).flat_map(|number| [number; BLOCK]).collect()
}

static PAIR: LazyLock<NewKeys> = LazyLock::new(|| NewKeys::generate().unwrap());

fn keys() -> Keys {
    Keys::parse(&PAIR.public).unwrap()
}

fn sign(bytes: &[u8]) -> Vec<u8> {
    Signer::parse(&PAIR.secret).unwrap().sign(bytes, "a test")
}

fn small_bundle() -> Vec<u8> {
    assemble(manifest(2), &image(5), &sign).unwrap()
}

/// Opens a bundle, proves it, and returns its manifest's bytes and its image.
pub fn unpack(bytes: &[u8], keys: &Keys) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let mut bundle = Bundle::open(Bytes(bytes.to_vec()), keys)?;
    apply::check(&mut bundle, &mut [Sources::<Bytes>::none()], Threads::NONE, &mut |_, _| {}).map_err(
        |error| match error {
            apply::Error::Bundle(error) => error,
            other => panic!("{other}"),
        },
    )?;
    let mut image = vec![0; bundle.manifest().root().size as usize];
    let frame_len = bundle.manifest().root().frame_blocks as usize * BLOCK;
    let Some((_, Carried::Whole(mut tree, packed))) = bundle.carried().next() else { panic!("a delta") };
    let mut unpacker = Unpacker::default();
    for (frame, content) in (0..).zip(image.chunks_mut(frame_len)) {
        let digests = tree.digests(packed.frames().blocks(frame))?;
        packed.read(frame, &digests, &mut unpacker, content)?;
    }
    Ok((bundle.signed().manifest.clone(), image))
}

fn place(bytes: &[u8], name: &str) -> usize {
    (0..bytes.len())
        .step_by(512)
        .find(|at| bytes[*at..].starts_with(&[name.as_bytes(), b"\0"].concat()))
        .unwrap()
}

/// Where the content of a member is.
fn content(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    let at = place(bytes, name);
    let size = std::str::from_utf8(&bytes[at + 124..at + 135]).unwrap();
    at + 512..at + 512 + usize::from_str_radix(size, 8).unwrap()
}

const MEMBERS: [&str; 4] = ["manifest.json", "manifest.json.minisig", "root.tree", "root.zst"];

#[test]
fn what_was_assembled_is_read_back() {
    let bytes = small_bundle();
    let mut bundle = Bundle::open(Bytes(bytes.clone()), &keys()).unwrap();
    assert_eq!(bundle.total_len(), bytes.len() as u64);
    let (expected, root) = tree(&image(5), &[9; 32]).unwrap();
    assert_eq!(bundle.manifest().root().root_hash, root);
    let mut found = vec![0; expected.len()];
    let Some((_, Carried::Whole(mut tree, packed))) = bundle.carried().next() else { panic!("a delta") };
    for (number, block) in (0..).zip(found.chunks_exact_mut(BLOCK)) {
        tree.block(number, block).unwrap();
    }
    assert!(found == expected);
    assert_eq!(packed.frames().count(), 3);
    assert!(tree.block(2, &mut [0; BLOCK]).is_err());
    assert!(tree.digests(5..6).is_err());
    assert!(packed.read(3, &[], &mut Unpacker::default(), &mut []).is_err());
    assert_eq!(unpack(&bytes, &keys()).unwrap().1, image(5));
}

#[test]
fn what_follows_a_bundle_is_ignored_and_its_end_is_not_needed() {
    let bytes = small_bundle();
    let longer = [&bytes[..], &[0xaa; 5000]].concat();
    assert_eq!(Bundle::open(Bytes(longer), &keys()).unwrap().total_len(), bytes.len() as u64);
    let end = content(&bytes, "root.zst").end;
    let bundle = Bundle::open(Bytes(bytes[..end].to_vec()), &keys()).unwrap();
    assert_eq!(bundle.total_len(), end as u64);
}

#[test]
fn the_tools_of_others_open_what_everboot_pack_makes() {
    let temp_dir = TempDir::new("tools");
    let mut root = image(200);
    root.truncate(199 * BLOCK + 1000);
    temp_dir.write("root.img", &root);
    temp_dir.run("everboot-pack keygen -o K");
    temp_dir.run(
        "everboot-pack image root.img -o x.everboot --version 2.0 --compatible 'demo board' --key K \
         --from 1.0,1.2..1.9 --tries 5 --open --modules 6.1.0-1,6.1.0-2 --frame-blocks 64 --level 3 --salt 00ff",
    );
    temp_dir.run("tar xf x.everboot");
    temp_dir.run("minisign -Vm manifest.json -p K.pub");
    temp_dir.run("zstd -dq root.zst -o unpacked && truncate -s %4096 root.img && cmp unpacked root.img");
    let hash = Manifest::parse(&temp_dir.read("manifest.json")).unwrap();
    temp_dir.run(&format!("veritysetup verify root.img root.tree {}", hash.root().root_hash));
    assert_eq!(hash.from_rule().as_deref(), Some("1.0,1.2..1.9"));
    assert_eq!((hash.tries, hash.root().open, &hash.root().salt[..]), (Some(5), true, &[0, 255][..]));
    assert_eq!(hash.modules.unwrap(), ["6.1.0-1", "6.1.0-2"]);
    root.resize(200 * BLOCK, 0);
    assert_eq!(unpack(&temp_dir.read("x.everboot"), &temp_dir.keys("K.pub")).unwrap().1, root);
}

#[test]
fn a_disk_is_made_for_sectors_of_either_size() {
    let temp_dir = TempDir::new("sectors");
    temp_dir.write("root.img", &image(2));
    temp_dir.write("everboot.conf", b"compatible = c\n");
    temp_dir.run("everboot-pack keygen -o K");
    temp_dir
        .run("everboot-pack image root.img -o x.everboot --version 1 --compatible c --key K --modules none");
    let make =
        "everboot-pack disk -o d --config everboot.conf --pub K.pub --bundle x.everboot --record-size 1";
    for size in [512, 4096] {
        temp_dir.run(&format!("{make} --data-size 16 --sector-size {size}"));
        let disk = temp_dir.read("d");
        assert_eq!(
            (&disk[size..size + 8], &disk[disk.len() - size..][..8]),
            (b"EFI PART".as_slice(), b"EFI PART".as_slice())
        );
        let mut machine = DiskFileMachine::look(&temp_dir.0.join("d"), None);
        let survey = machine.survey().unwrap();
        assert_eq!(survey.disks[0].complaints(), [""; 0]);
        let data = survey.partition(survey.find(|part| part.label == "everboot-data")[0]);
        let block_size = u32::from_le_bytes(disk[data.start as usize + 1024 + 24..][..4].try_into().unwrap());
        assert!(1024 << block_size >= size, "its file system can be mounted");
    }
    let (code, text) = temp_dir.try_run(&format!("{make} --sector-size 1024"));
    assert!(code == Some(2) && text.contains("512 or 4096"), "{text}");
}

#[test]
fn an_output_replaces_no_device_and_no_key() {
    let temp_dir = TempDir::new("outputs");
    temp_dir.write("root.img", &image(2));
    temp_dir.run("everboot-pack keygen -o K && cp K K.before");
    let image = "everboot-pack image root.img --version 1 --compatible x --key K --modules none";
    temp_dir.run(&format!("! {image} -o /dev/null 2>said && grep 'expected a file, found a device' said"));
    temp_dir.run("test -c /dev/null");
    temp_dir.run("! everboot-pack keygen -o K 2>said && grep 'never overwritten' said && cmp K K.before");
}

#[test]
fn a_bundle_that_gnu_tar_packed_again_is_accepted() {
    let temp_dir = TempDir::new("tar");
    temp_dir.write("x.everboot", &small_bundle());
    temp_dir.run(&format!("tar xf x.everboot && tar cf y.everboot {}", MEMBERS.join(" ")));
    temp_dir.run(&format!("tar cf z.everboot --format=ustar {}", MEMBERS.join(" ")));
    for name in ["y.everboot", "z.everboot"] {
        assert_eq!(unpack(&temp_dir.read(name), &keys()).unwrap().1, image(5), "{name}");
    }
}

#[test]
fn the_same_image_and_arguments_make_the_same_bundle() {
    let temp_dir = TempDir::new("same");
    temp_dir.write("root.img", &image(100));
    temp_dir.run("everboot-pack keygen -o K");
    for name in ["one", "two"] {
        temp_dir.run(&format!(
            "everboot-pack image root.img -o {name} --version 1 --compatible c --key K --modules none --frame-blocks 7"
        ));
    }
    temp_dir.run("cmp one two");
    let found = std::fs::read_dir(&temp_dir.0).unwrap().count();
    assert_eq!(found, 5, "a temporary file stayed");
}

#[test]
fn both_kinds_of_real_minisign_signatures_are_accepted() {
    let temp_dir = TempDir::new("minisign");
    temp_dir.run("minisign -G -W -f -p K.pub -s K");
    for flags in ["", "-l"] {
        let by_minisign = |bytes: &[u8]| {
            temp_dir.write("manifest.json", bytes);
            temp_dir.run(&format!("minisign -S {flags} -s K -m manifest.json"));
            temp_dir.read("manifest.json.minisig")
        };
        let bytes = assemble(manifest(2), &image(3), &by_minisign).unwrap();
        assert_eq!(unpack(&bytes, &temp_dir.keys("K.pub")).unwrap().1, image(3), "minisign -S {flags}");
    }
}

#[test]
fn real_minisign_signs_with_keys_of_everboot_pack_and_the_other_way_round() {
    let temp_dir = TempDir::new("keys");
    temp_dir.run("everboot-pack keygen -o ours && echo text >file && minisign -S -s ours -m file");
    temp_dir.run("minisign -Vm file -p ours.pub");
    assert_eq!(temp_dir.run("stat -c %a ours").trim(), "600");
    temp_dir.write("root.img", &image(2));
    temp_dir.run("minisign -G -W -f -p theirs.pub -s theirs");
    temp_dir.run("everboot-pack image root.img -o x --version 1 --compatible c --key theirs --modules none");
    temp_dir.run("everboot-pack show x --pub theirs.pub --check && tar xf x && minisign -Vm manifest.json -p theirs.pub");
    assert_eq!(temp_dir.try_run("everboot-pack show x --pub ours.pub").0, Some(1));
    assert_eq!(temp_dir.try_run("everboot-pack keygen -o ours").0, Some(1));
    assert_eq!(temp_dir.try_run("everboot-pack image").0, Some(2));
}

/// How a folder `root` becomes an image.
const FILE_SYSTEMS: [&str; 3] = [
    "truncate -s 8M root.img && mkfs.ext4 -qF -d root root.img",
    "mksquashfs root root.img -quiet -no-progress -noappend",
    "rm root.img && mkfs.erofs root.img root",
];

/// So that `record upgrade` knows what a slot reads before it raises the record.
#[test]
fn a_manifest_says_which_formats_the_everboot_in_the_image_reads() {
    let temp_dir = TempDir::new("formats");
    temp_dir.run("mkdir -p root/usr/lib/everboot root/usr/bin && everboot-pack keygen -o K");
    let check = |line: &str, expected: serde_json::Value| {
        temp_dir.run(line);
        temp_dir.run("everboot-pack image root.img -o x --version 1 --compatible c --key K --level 1");
        let shown: serde_json::Value =
            serde_json::from_str(&temp_dir.run("everboot-pack show x --json")).unwrap();
        assert_eq!(shown["manifest"]["formats"], expected, "{line}");
    };
    for line in FILE_SYSTEMS {
        check(line, serde_json::json!([]));
    }
    temp_dir.run("touch root/usr/bin/everboot");
    for line in FILE_SYSTEMS {
        check(line, serde_json::Value::Null);
    }
    temp_dir.write("root/usr/lib/everboot/formats", b"# everboot 9\nrecord reads 1..2 writes 1\n\n");
    // A dump.erofs before 1.8 gives no file out.
    for line in &FILE_SYSTEMS[..2] {
        check(line, serde_json::json!(["record reads 1..2 writes 1"]));
    }
    assert!(temp_dir.run("everboot-pack show x").contains("everboot      record reads 1..2 writes 1"));
}

#[test]
fn the_modules_of_an_image_are_found_in_ext4_squashfs_and_erofs() {
    let temp_dir = TempDir::new("modules");
    temp_dir
        .run("mkdir -p root/usr/lib/modules/6.1.0-9 root/usr/lib/modules/remains && ln -s usr/lib root/lib");
    temp_dir.run("touch root/usr/lib/modules/6.1.0-9/modules.dep && everboot-pack keygen -o K");
    for line in FILE_SYSTEMS {
        temp_dir.run(line);
        temp_dir.run("everboot-pack image root.img -o x --version 1 --compatible c --key K --level 1");
        let shown = temp_dir.run("everboot-pack show x --json");
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["manifest"]["modules"], serde_json::json!(["6.1.0-9"]), "{line}");
    }
    temp_dir.write("root.img", &image(2));
    let (status, text) =
        temp_dir.try_run("everboot-pack image root.img -o y --version 1 --compatible c --key K");
    assert!(status == Some(1) && text.contains("--modules") && text.lines().count() == 1, "{text}");
}

#[test]
fn keys_come_from_several_files_at_once() {
    let other = NewKeys::generate().unwrap().public;
    let bytes = small_bundle();
    let both = Keys::parse(&format!("{other}\n{}{other}", PAIR.public)).unwrap();
    assert_eq!(both.len(), 2);
    assert!(Bundle::open(Bytes(bytes.clone()), &both).is_ok());
    for keys in [Keys::default(), Keys::parse(&other).unwrap()] {
        let found = Bundle::open(Bytes(bytes.clone()), &keys).unwrap_err();
        assert!(matches!(found, Error::Trust(TrustError::UnknownKey { .. })), "{found}");
        assert_eq!(found.fault(), Fault::Refused);
    }
    let many: String = (0..17).map(|_| NewKeys::generate().unwrap().public).collect();
    for bad in ["", "untrusted comment: x\n", "RWQ\n", &many] {
        assert!(Keys::parse(bad).is_err(), "{bad:.40}");
    }
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    let good = small_bundle();
    let (keys, expected) = (keys(), unpack(&good, &keys()).unwrap());
    let strict: Vec<_> = ["manifest.json", "root.tree"].map(|name| content(&good, name)).into();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        match unpack(&bytes, &keys) {
            Err(error) => assert_ne!(error.fault(), Fault::Io, "byte {at}: {error}"),
            // Comments, padding, and bits that mean nothing in a signature or frame.
            Ok(found) => {
                assert!(found == expected, "byte {at} changed the content");
                assert!(!strict.iter().any(|range| range.contains(&at)), "byte {at} was not missed");
            }
        }
    }
}

#[test]
fn a_bundle_cut_short_anywhere_is_corrupt_and_no_failing_medium() {
    let good = small_bundle();
    let (keys, end) = (keys(), content(&good, "root.zst").end);
    let members = MEMBERS.map(|name| content(&good, name));
    let ends =
        members.iter().flat_map(|range| [range.start - 512, range.start - 1, range.start, range.end - 1]);
    for len in (0..end).step_by(11).chain(ends) {
        let error = Bundle::open(Bytes(good[..len].to_vec()), &keys).unwrap_err();
        assert_eq!(error.fault(), Fault::Corrupt, "{len} bytes: {error}");
    }
}

/// The members of a small bundle, to be put together in other ways.
fn parts() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = small_bundle();
    MEMBERS.map(|name| (name, bytes[content(&bytes, name)].to_vec())).into()
}

fn join(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    parts.iter().flat_map(|(name, bytes)| member(name, bytes)).collect()
}

#[test]
fn members_in_another_order_or_missing_are_refused() {
    for first in 0..4 {
        for second in first + 1..4 {
            let mut parts = parts();
            parts.swap(first, second);
            let error = Bundle::open(Bytes(join(&parts)), &keys()).unwrap_err();
            assert!(matches!(error, Error::Member { .. }), "{first} {second}: {error}");
        }
        let mut parts = parts();
        parts.remove(first);
        let bytes = [join(&parts), vec![0; 1024]].concat();
        let error = Bundle::open(Bytes(bytes), &keys()).unwrap_err();
        assert!(matches!(error, Error::Member { .. }), "without {first}: {error}");
    }
}

#[test]
fn too_long_a_manifest_or_signature_is_not_even_read() {
    for (number, limit) in [(0, 32 << 10), (1, 4 << 10)] {
        let mut parts = parts();
        parts[number].1.resize(limit + 1, b' ');
        let error = Bundle::open(Bytes(join(&parts)), &keys()).unwrap_err();
        assert!(matches!(error, Error::Trust(TrustError::TooLong { .. })), "{error}");
    }
}

#[test]
fn what_is_well_signed_is_still_checked() {
    for (text, fault) in [
        ("{}".to_owned(), Fault::Refused),
        (r#"{"format":2}"#.to_owned(), Fault::Unsupported),
        (manifest(2).to_json().replace("8192", "8193"), Fault::Refused),
    ] {
        let mut parts = parts();
        (parts[0].1, parts[1].1) = (text.clone().into_bytes(), sign(text.as_bytes()));
        let error = Bundle::open(Bytes(join(&parts)), &keys()).unwrap_err();
        assert_eq!(error.fault(), fault, "{text}: {error}");
    }
}

#[test]
fn hostile_sizes_in_the_archive_are_refused() {
    let good = small_bundle();
    let base256 = |value: u64| [&[0x80, 0, 0, 0][..], &value.to_be_bytes()].concat();
    let fields = [
        base256(u64::MAX),
        base256(u64::MAX - 1023),
        base256(1 << 63),
        [0xff; 12].to_vec(),
        b"77777777777\0".to_vec(),
        b"777777777777".to_vec(),
        b"-0000000001\0".to_vec(),
        b"00000000009\0".to_vec(),
        [0; 12].to_vec(),
    ];
    for name in MEMBERS {
        let at = place(&good, name);
        for field in &fields {
            let mut bytes = good.clone();
            bytes[at + 124..at + 136].copy_from_slice(field);
            bytes[at + 148..at + 156].fill(b' ');
            let sum: u32 = bytes[at..at + 512].iter().map(|byte| u32::from(*byte)).sum();
            bytes[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let error = Bundle::open(Bytes(bytes), &keys()).unwrap_err();
            assert_ne!(error.fault(), Fault::Io, "{name} {field:?}: {error}");
        }
    }
}

#[test]
fn sizes_from_8_gib_on_have_a_header_that_tar_reads() {
    let temp_dir = TempDir::new("large");
    temp_dir.write("x.tar", &header("root.zst", 20 << 30));
    assert!(temp_dir.try_run("tar tvf x.tar").1.contains(&format!(" {} ", 20u64 << 30)));
}

/// Opens and proves a small bundle with other frames in it.
fn with_zst(zst: Vec<u8>) -> Error {
    let mut parts = parts();
    parts[3].1 = zst;
    unpack(&join(&parts), &keys()).unwrap_err()
}

#[test]
fn a_hostile_seek_table_is_refused() {
    let good = parts().remove(3).1;
    let table = good.len() - 9 - 3 * 8 - 8;
    let rows = [
        (table, "magic number"),
        (table + 4, "bytes of the table"),
        (table + 8, "packed size of frame 0"),
        (table + 11, "packed size of frame 0, high byte"),
        (table + 12, "unpacked size of frame 0"),
        (table + 16, "packed size of frame 1"),
        (good.len() - 9, "frames"),
        (good.len() - 6, "frames, high byte"),
        (good.len() - 5, "descriptor"),
        (good.len() - 1, "magic number of the end"),
    ];
    for (at, what) in rows {
        for value in [0xff, good[at].wrapping_add(1), good[at].wrapping_sub(1)] {
            let mut zst = good.clone();
            zst[at] = value;
            let error = with_zst(zst);
            assert!(matches!(error.fault(), Fault::Corrupt | Fault::Unsupported), "{what}: {error}");
        }
    }
    assert_eq!(with_zst(Vec::new()).fault(), Fault::Corrupt);
    assert_eq!(with_zst(good[table..].to_vec()).fault(), Fault::Corrupt);
}

/// A zstd frame of one block that repeats a byte, with this window descriptor and no content size.
fn repeating_frame(window: u8, byte: u8, len: u32) -> Vec<u8> {
    let block = (len << 3 | 1 << 1 | 1).to_le_bytes();
    [&0xFD2F_B528_u32.to_le_bytes()[..], &[0, window], &block[..3], &[byte]].concat()
}

fn with_first_frame(frame: Vec<u8>) -> Error {
    let (good, mut table, mut encoder) =
        (image(5), SeekTable::default(), everboot_storage::bundle::write::Encoder::new(1).unwrap());
    let mut zst = Vec::new();
    for (number, content) in good.chunks(2 * BLOCK).enumerate() {
        let packed = if number == 0 { frame.clone() } else { encoder.encode(content).unwrap() };
        table.push(packed.len(), content.len());
        zst.extend(packed);
    }
    zst.extend(table.encode());
    with_zst(zst)
}

#[test]
fn a_frame_that_asks_for_too_much_or_gives_something_else_is_refused() {
    let of_frame = |error: Error| matches!(error, Error::Frame { frame: 0, .. });
    // A sound frame of the wrong content: only its blocks' hashes tell.
    let wrong = with_first_frame(repeating_frame(3 << 3, 0, 8192));
    assert!(matches!(wrong, Error::WrongBlock { block: 1 }), "{wrong}");
    assert!(of_frame(with_first_frame(repeating_frame(17 << 3, 0, 8192))), "a window of 128 MiB");
    assert!(of_frame(with_first_frame(repeating_frame(0xff, 0, 8192))), "the largest window");
    assert!(of_frame(with_first_frame(repeating_frame(3 << 3, 0, 8191))), "a byte too few");
    assert!(of_frame(with_first_frame(repeating_frame(3 << 3, 0, 8193))), "a byte too many");
    assert!(of_frame(with_first_frame(Vec::new())), "no frame");
    assert!(of_frame(with_first_frame(b"not a frame".to_vec())));
}
