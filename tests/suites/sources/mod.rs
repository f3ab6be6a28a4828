//! Bundles of folders, tars and OCI images: the file systems that are made of them, looked at by the tools of others.

mod inspect;
pub(crate) mod layer;
pub(crate) mod registry;

use crate::bundle::{TempDir, unpack};
use layer::{Layer, Layout, ROOT, TIME, flat, gzip, layers, sum};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What every call has.
const REST: &str = "--version 1.0 --compatible demo --key key --modules none --level 1";

fn temp_dir(name: &str) -> TempDir {
    let temp_dir = TempDir::new(&format!("sources-{name}"));
    temp_dir.run("everboot-pack keygen -o key");
    temp_dir
}

/// A temporary directory with the same files as a tar and as an image of two layers.
fn filled(name: &str) -> TempDir {
    let temp_dir = temp_dir(name);
    temp_dir.write("flat.tar", &flat());
    let layout = temp_dir.0.join("layout");
    let image = Layout(&layout).image(&layers(), "amd64", &["gzip", "zstd"]);
    Layout(&layout).index(&[(image, Some("1"))]);
    temp_dir
}

fn line(source: &str, more: &str) -> String {
    format!("everboot-pack image {source} -o out.everboot {REST} {more}")
}

/// Packs a source and returns the bundle.
fn pack(temp_dir: &TempDir, source: &str, more: &str) -> Vec<u8> {
    temp_dir.run(&line(source, more));
    assert_eq!(left(temp_dir), Vec::<String>::new(), "{source}");
    temp_dir.read("out.everboot")
}

/// What was made on the way and is still there.
fn left(temp_dir: &TempDir) -> Vec<String> {
    let names =
        fs::read_dir(&temp_dir.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("out.everboot.")).collect()
}

fn refuse(temp_dir: &TempDir, source: &str, more: &str, why: &str) {
    temp_dir.run("rm -f out.everboot");
    let (status, text) = temp_dir.try_run(&line(source, more));
    assert!(status == Some(1) && text.contains(why), "{source} {more}: {status:?}, {text}");
    assert!(text.trim_end().lines().count() == 1, "{text}");
    assert!(
        left(temp_dir).is_empty() && !temp_dir.0.join("out.everboot").exists(),
        "{source}: something is left"
    );
}

/// The image of a bundle, proven by its key and its tree, as a file.
fn image(temp_dir: &TempDir, bundle: &[u8]) -> PathBuf {
    let (_, image) = unpack(bundle, &temp_dir.keys("key.pub")).unwrap();
    temp_dir.write("image", &image);
    temp_dir.0.join("image")
}

/// Runs a line as root, or as what looks like it.
fn as_root(temp_dir: &TempDir, line: &str) {
    temp_dir.write("line", line.as_bytes());
    let is_root = rustix::process::geteuid().is_root();
    temp_dir.run(if is_root { "sh -eu line" } else { "fakeroot sh -eu line" });
}

/// Every source of the same files gives the same bundle, twice.
fn same(temp_dir: &TempDir, more: &str) -> Vec<u8> {
    let bundle = pack(temp_dir, "flat.tar", more);
    assert!(pack(temp_dir, "flat.tar", more) == bundle, "not the same again");
    assert!(pack(temp_dir, "oci:layout:1", more) == bundle, "not the same of two layers");
    // fakeroot loses the kind of a file that gets an attribute before its owner, as tar does it.
    let tar = "tar -xp --delay-directory-restore --numeric-owner -C tree < flat.tar";
    let attribute = |path: &str, name: &str, value: &[u8]| {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("setfattr -n {name} -v 0x{hex} tree{path}")
    };
    let attributes = inspect::ATTRIBUTES.map(|(path, name, value)| attribute(path, name, value)).join("\n");
    as_root(temp_dir, &format!("mkdir tree\n{tar}\n{attributes}\n{}\nrm -r tree", line("tree", more)));
    assert!(temp_dir.read("out.everboot") == bundle, "not the same of a folder");
    bundle
}

#[test]
fn an_ext4_has_all_that_its_sources_have() {
    let temp_dir = filled("ext4");
    inspect::ext4(&image(&temp_dir, &same(&temp_dir, "")));
}

#[test]
fn a_squashfs_has_all_that_its_sources_have() {
    let temp_dir = filled("squashfs");
    inspect::squashfs(&image(&temp_dir, &same(&temp_dir, "--fs squashfs")));
    temp_dir.write("system.tar", &Layer::new().attributes(&[("system.a", b"b")]).folder("x", ROOT).tar());
    refuse(
        &temp_dir,
        "system.tar",
        "--fs squashfs",
        "/x: squashfs has no place for system.a; choose ext4 or erofs",
    );
}

#[test]
fn an_erofs_has_all_that_its_sources_have() {
    let temp_dir = filled("erofs");
    inspect::erofs(&image(&temp_dir, &same(&temp_dir, "--fs erofs")), &temp_dir.0.join("extracted"));
}

#[test]
fn who_is_not_root_gets_the_same_bytes() {
    let temp_dir = filled("nobody");
    fs::set_permissions(&temp_dir.0, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(temp_dir.0.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::copy(everboot_kit::program::program("everboot-pack"), temp_dir.0.join("pack")).unwrap();
    for kind in ["ext4", "erofs", "squashfs"] {
        let more = format!("--fs {kind}");
        let bundle = pack(&temp_dir, "flat.tar", &more);
        let line = line("flat.tar", &more).replace("everboot-pack", "./pack");
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        let is_root = rustix::process::geteuid().is_root();
        temp_dir.run(&format!("rm out.everboot; {} {line}", if is_root { nobody } else { "" }));
        assert!(temp_dir.read("out.everboot") == bundle, "{kind}");
    }
}

#[test]
fn a_tar_may_be_packed() {
    let temp_dir = filled("packed");
    let plain = pack(&temp_dir, "flat.tar", "--fs squashfs");
    temp_dir.run("gzip -k flat.tar; xz -k flat.tar; zstd -q flat.tar; cp flat.tar.xz name-says-nothing");
    for name in ["flat.tar.gz", "flat.tar.xz", "flat.tar.zst", "name-says-nothing"] {
        assert!(pack(&temp_dir, name, "--fs squashfs") == plain, "{name}");
    }
    temp_dir.run("head -c 1000 flat.tar.gz > short.gz");
    refuse(&temp_dir, "short.gz", "--fs squashfs", "short.gz: unpack");
    temp_dir.run("head -c 9000 flat.tar > short");
    refuse(&temp_dir, "short", "--fs squashfs", "the archive is cut off");
}

#[test]
fn an_ext4_is_as_large_as_is_asked_for_and_an_open_one_has_a_journal_and_room() {
    let temp_dir = filled("size");
    let len = |bundle: &[u8]| fs::metadata(image(&temp_dir, bundle)).unwrap().len() >> 20;
    assert!(len(&pack(&temp_dir, "flat.tar", "")) < 8);
    assert_eq!(len(&pack(&temp_dir, "flat.tar", "--size 40")), 40);
    let open = pack(&temp_dir, "flat.tar", "--open");
    assert!(len(&open) > 64);
    assert!(temp_dir.run("dumpe2fs -h image 2>&1").contains("has_journal"));
    temp_dir.run("e2fsck -f -n image");
    temp_dir.write("large.tar", &Layer::new().file("large", (0o644, 0, 0), &layer::noise(3 << 20)).tar());
    refuse(&temp_dir, "large.tar", "--size 2", "the content does not fit: expected at most 2 MiB (--size)");
    for kind in ["squashfs", "erofs"] {
        refuse(&temp_dir, "flat.tar", &format!("--fs {kind} --size 40"), "--open and --size are for ext4");
        refuse(&temp_dir, "flat.tar", &format!("--fs {kind} --open"), "--open and --size are for ext4");
    }
    refuse(&temp_dir, "image", "--fs ext4", "and this is a file system");
    temp_dir.write("a.everboot", &open);
    refuse(&temp_dir, "a.everboot", "", "expected a file system, or files to make one of, found a bundle");
}

#[test]
fn a_bundle_does_not_go_into_the_folder_that_it_is_made_of() {
    let temp_dir = temp_dir("inside");
    refuse(&temp_dir, ".", "", "expected an output outside of the folder, found one in it");
}

#[test]
fn no_file_is_newer_than_source_date_epoch() {
    let temp_dir = filled("epoch");
    let newest = pack(&temp_dir, "flat.tar", "");
    let packed = |epoch: u64| {
        temp_dir.run(&format!("SOURCE_DATE_EPOCH={epoch} {}", line("flat.tar", "")));
        temp_dir.read("out.everboot")
    };
    assert!(packed(TIME) == newest);
    image(&temp_dir, &packed(1_000_000_000));
    assert!(temp_dir.run("debugfs -R 'stat /bin/tool' image 2>&1").contains("mtime: 0x3b9aca00"));
    assert!(temp_dir.run("dumpe2fs -h image 2>&1").contains("Sep  9"));
}

#[test]
fn a_hostile_archive_leaves_nothing_anywhere() {
    let temp_dir = temp_dir("hostile");
    let outside = temp_dir.0.join("outside");
    let path = outside.to_str().unwrap();
    let mut dots = Layer::new().file("aa/outside", ROOT, b"x").tar();
    dots[..3].copy_from_slice(b"../");
    dots[148..156].copy_from_slice(b"        ");
    let total: u32 = dots[..512].iter().map(|byte| u32::from(*byte)).sum();
    dots[148..156].copy_from_slice(format!("{total:06o}\0 ").as_bytes());
    temp_dir.write("dots.tar", &dots);
    refuse(&temp_dir, "dots.tar", "", "found one with ..");
    let through =
        Layer::new().symlink("out", &format!("{}", temp_dir.0.display())).file("out/outside", ROOT, b"x");
    temp_dir.write("through.tar", &through.tar());
    let far = pack(&temp_dir, "through.tar", "");
    image(&temp_dir, &far);
    assert_eq!(temp_dir.run(&format!("debugfs -R 'cat {path}' image 2>/dev/null")), "x");
    assert!(!outside.exists());
    temp_dir.write("secret", b"secret");
    let link = Layer::new().symlink("l", path).link("stolen", "l/../secret");
    let mut link = link.tar();
    link.truncate(link.len());
    temp_dir.write("link.tar", &link);
    refuse(&temp_dir, "link.tar", "", "found one with ..");
}

/// What is wrong with a layout, by what it is made with.
fn refuse_layout(temp_dir: &TempDir, damage: impl FnOnce(&Layout<'_>), more: &str, why: &str) {
    let _ = fs::remove_dir_all(temp_dir.0.join("layout"));
    let path = temp_dir.0.join("layout");
    let layout = Layout(&path);
    damage(&layout);
    refuse(temp_dir, &format!("oci:layout{more}"), "--fs squashfs", why);
}

#[test]
fn a_layer_is_used_when_both_its_sums_are_right() {
    let temp_dir = temp_dir("sums");
    let tar = Layer::new().file("a", ROOT, b"content").tar();
    let other = Layer::new().file("a", ROOT, b"CONTENT").tar();
    let kind = "application/vnd.oci.image.layer.v1.tar";
    refuse_layout(
        &temp_dir,
        |layout| {
            let layer = layout.blob(kind, &tar);
            layout.index(&[(layout.manifest(std::slice::from_ref(&layer), &[sum(&tar)], "amd64"), None)]);
            fs::write(layout.path(layer["digest"].as_str().unwrap()), &other).unwrap();
        },
        "",
        "expected sha256:",
    );
    let with = |layer: fn(&Layout<'_>, &[u8]) -> serde_json::Value, diff: &[u8], why: &str| {
        let damage = |layout: &Layout<'_>| {
            let layer = layer(layout, &tar);
            layout.index(&[(layout.manifest(&[layer], &[sum(diff)], "amd64"), None)]);
        };
        refuse_layout(&temp_dir, damage, "", why);
    };
    with(
        |layout, tar| layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", &gzip(tar)),
        &other,
        "unpacked, expected sha256:",
    );
    with(
        |layout, tar| {
            let mut layer = layout.blob("application/vnd.oci.image.layer.v1.tar", tar);
            layer["size"] = (tar.len() + 1).into();
            layer
        },
        &tar,
        "bytes, found",
    );
    with(
        |layout, tar| layout.blob("application/vnd.everboot.bundle", tar),
        &tar,
        "expected a tar, found application/vnd.everboot",
    );
    with(
        |layout, tar| {
            let layer = layout.blob("application/vnd.oci.image.layer.v1.tar", tar);
            fs::remove_file(layout.path(layer["digest"].as_str().unwrap())).unwrap();
            layer
        },
        &tar,
        "open layout/blobs/sha256/",
    );
    with(
        |layout, tar| {
            let mut layer = layout.blob("application/vnd.oci.image.layer.v1.tar", tar);
            layer["digest"] = "sha256:../../../key".into();
            layer
        },
        &tar,
        "",
    );
    let damage = |layout: &Layout<'_>| {
        let layer = layout.blob(kind, &tar);
        let manifest = layout.manifest(&[layer], &[sum(&tar)], "amd64");
        let path = layout.path(manifest["digest"].as_str().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("amd64", "amd65").replacen("2", "3", 1)).unwrap();
        layout.index(&[(manifest, None)]);
    };
    refuse_layout(&temp_dir, damage, "", "expected sha256:");
    let damage = |layout: &Layout<'_>| {
        let layer = layout.blob(kind, &tar);
        layout.index(&[(layout.manifest(&[layer.clone(), layer], &[sum(&tar)], "amd64"), None)]);
    };
    refuse_layout(&temp_dir, damage, "", "as many layers as the configuration has, 1, found 2");
}

#[test]
fn an_image_is_chosen_by_its_name_and_its_platform() {
    let temp_dir = temp_dir("chosen");
    let path = temp_dir.0.join("layout");
    let layout = Layout(&path);
    let of = |content: &[u8], arch: &str| {
        layout.image(&[Layer::new().file("a", (0o644, 0, 0), content).tar()], arch, &["none"])
    };
    let manifests = vec![of(b"for amd64", "amd64"), of(b"for arm64", "arm64")];
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": manifests });
    let index = layout.blob("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
    layout.index(&[(index, Some("many")), (of(b"alone", "arm64"), Some("one"))]);
    let content = |source: &str, more: &str| {
        let bundle = pack(&temp_dir, source, &format!("--fs squashfs {more}"));
        image(&temp_dir, &bundle);
        temp_dir.run("rdsquashfs --cat /a image")
    };
    assert_eq!(content("oci:layout:many", "--platform linux/amd64"), "for amd64");
    assert_eq!(content("oci:layout:many", "--platform linux/arm64"), "for arm64");
    assert_eq!(content("oci:layout:one", ""), "alone");
    refuse(&temp_dir, "oci:layout:many", "--platform linux/riscv64", "found linux/amd64, linux/arm64");
    refuse(
        &temp_dir,
        "oci:layout:one",
        "--platform linux/amd64",
        "expected an image for linux/amd64, found one for linux/arm64",
    );
    refuse(&temp_dir, "oci:layout", "", "expected one image or a name, found 2 images: many, one");
    refuse(&temp_dir, "oci:layout:none", "", "expected an image \"none\", found many, one");
    refuse(&temp_dir, "oci:nowhere", "", "open nowhere/index.json");
}

#[test]
fn archives_that_others_write_hold_the_same_image() {
    let temp_dir = filled("archives");
    let bundle = pack(&temp_dir, "flat.tar", "--fs squashfs");
    // Docker's own format has no layers packed by zstd.
    let path = temp_dir.0.join("docker");
    let image = Layout(&path).image(&layers(), "amd64", &["gzip", "gzip"]);
    Layout(&path).index(&[(image, Some("1"))]);
    for (from, place, name) in
        [("layout", "oci-archive:oci.tar", "1"), ("docker", "docker-archive:docker.tar", "a/b:1")]
    {
        temp_dir.run(&format!(
            "skopeo --insecure-policy --override-arch amd64 copy -q oci:{from}:1 {place}:{name}"
        ));
        assert!(pack(&temp_dir, place, "--fs squashfs") == bundle, "{place}");
    }
    assert!(pack(&temp_dir, "docker-archive:docker.tar:docker.io/a/b:1", "--fs squashfs") == bundle);
    refuse(
        &temp_dir,
        "docker-archive:docker.tar:c",
        "",
        "expected one image or a name, found 1 images: docker.io/a/b:1",
    );
}
