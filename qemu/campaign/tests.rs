//! What `qemu/faults` says to what it cannot use: one line each, before anything is built or booted.

use super::Options;
use clap::Parser;
use everboot_blocklog::disk_sizes::{DiskSizes, check_disk_size};
use everboot_builder::command::run;
use everboot_builder::{paths, programs};
use everboot_storage::bundle::write::member;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

const MIB: usize = 1 << 20;

fn parse(words: &[&str]) -> Result<Options, clap::Error> {
    Options::try_parse_from([&["qemu/faults"], words].concat())
}

/// What is wrong with these words.
fn refused(words: &[&str]) -> String {
    let report = paths::out("work/faults-report").unwrap();
    let report = report.to_string_lossy();
    let error = parse(&[&["--report", &report], words].concat()).unwrap().check().unwrap_err();
    let text = format!("{error:#}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn pack(words: &[&str]) {
    static TOOLS: OnceLock<Vec<PathBuf>> = OnceLock::new();
    let tools = TOOLS.get_or_init(|| programs::tools().unwrap());
    let pack = tools.iter().find(|tool| tool.ends_with("everboot-pack")).unwrap();
    run(Command::new(pack).args(words)).unwrap();
}

/// What a user has: a disk image with its settings, and bundles.
struct User {
    folder: PathBuf,
}

impl User {
    fn new(name: &str) -> Self {
        let folder = paths::out(&format!("users/{name}")).unwrap();
        paths::remove_tree(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        let user = Self { folder };
        fs::create_dir_all(user.folder.join("disk.img.config/keys")).unwrap();
        for key in ["mine", "other"] {
            pack(&["keygen", "-o", &user.path(key)]);
        }
        fs::copy(user.path("mine.pub"), user.path("disk.img.config/keys/mine.pub")).unwrap();
        fs::write(user.path("disk.img.config/everboot.conf"), "compatible = kiosk\n").unwrap();
        user.bundle("v1", 1, "mine", "kiosk", &[]);
        pack(&[
            "disk",
            "-o",
            &user.path("disk.img"),
            "--config",
            &user.path("disk.img.config/everboot.conf"),
            "--pub",
            &user.path("mine.pub"),
            "--bundle",
            &user.path("v1"),
            "--slot-size",
            "2",
            "--data-size",
            "6",
        ]);
        user
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn bundle(&self, name: &str, mebibytes: usize, key: &str, compatible: &str, more: &[&str]) {
        let image = self.path(&format!("{name}.image"));
        fs::write(&image, vec![name.len() as u8; mebibytes * MIB]).unwrap();
        let bundle = self.path(name);
        let words = ["image", &image, "-o", &bundle, "--version", "1.0", "--compatible", compatible];
        let modules: &[&str] = if more.contains(&"--modules") { &[] } else { &["--modules", "none"] };
        pack(&[&words[..], &["--key", &self.path(key)], modules, more].concat());
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        let disk = File::options().write(true).open(self.path("disk.img")).unwrap();
        disk.write_all_at(bytes, at).unwrap();
    }

    /// What is said to this bundle on the disk.
    fn refused(&self, bundle: &str) -> String {
        refused(&["--bundle", &self.path(bundle), "--disk", &self.path("disk.img")])
    }
}

#[test]
fn options_are_read_and_unknown_ones_refused() {
    let options = parse(&["--minutes", "9", "--seed", "4", "--bundle", "b", "--disk", "d"]).unwrap();
    assert_eq!((options.minutes, options.seed), (9, 4));
    assert_eq!((options.bundle, options.disk), (Some("b".into()), Some("d".into())));
    for words in [&["--minutes", "0"][..], &["--minutes", "x"], &["--seed"], &["--bundles", "b"], &["b"]] {
        assert!(parse(words).is_err(), "{words:?}");
    }
}

#[test]
fn a_users_bundle_alone_and_on_his_disk_is_taken() {
    let user = User::new("faults-good");
    user.bundle("v2", 1, "mine", "kiosk", &[]);
    let (bundle, disk) = (user.path("v2"), user.path("disk.img"));
    let report = user.path("report");
    for words in [&["--bundle", &bundle][..], &["--bundle", &bundle, "--disk", &disk]] {
        let options = parse(&[words, &["--report", &report]].concat()).unwrap();
        assert_eq!(options.check().unwrap(), user.folder.join("report"));
    }
}

#[test]
fn a_bundle_that_cannot_be_used_is_refused_in_one_line() {
    let user = User::new("faults-bundle");
    fs::write(user.path("text"), vec![b'x'; 4096]).unwrap();
    let unsigned = [member("manifest.json", b"{}"), member("root.tree", &[0; 4096])].concat();
    fs::write(user.path("unsigned"), unsigned).unwrap();
    user.bundle("foreign", 1, "other", "kiosk", &[]);
    user.bundle("radio", 1, "mine", "radio", &[]);
    user.bundle("large", 3, "mine", "kiosk", &[]);
    user.bundle("open", 1, "mine", "kiosk", &["--open"]);
    for (bundle, expected) in [
        ("none", "expected a file, found none"),
        ("disk.img.config", "expected a file, found none"),
        ("text", "expected a tar header"),
        ("unsigned", "expected member manifest.json.minisig"),
        ("foreign", "not by a trusted key"),
        ("radio", "expected a bundle for kiosk, found one for radio"),
        ("large", "do not fit: they need"),
        ("open", "expected a sealed image"),
    ] {
        let output = user.refused(bundle);
        assert!(output.starts_with("--bundle") && output.contains(expected), "{bundle}: {output}");
    }
    let below = paths::work("faults-below").unwrap().join("v1");
    fs::copy(user.path("v1"), &below).unwrap();
    let output = refused(&["--bundle", &below.to_string_lossy()]);
    assert!(output.contains("out/work, which a campaign empties"), "{output}");
    let output = refused(&["--bundle", &user.path("unsigned")]);
    assert!(output.contains("expected member manifest.json.minisig"), "{output}");
}

#[test]
fn a_bundle_that_needs_another_kernel_is_refused_before_the_search() {
    let user = User::new("faults-modules");
    user.bundle("v2", 1, "mine", "kiosk", &["--modules", "6.1.0-1,6.1.0-2"]);
    let bundle = user.path("v2");
    let user_machine = |words: &[&str]| parse(words).unwrap().user_machine();
    let needs = user_machine(&["--bundle", &bundle]);
    needs.check_modules("6.1.0-2").unwrap();
    let output = needs.check_modules("6.1.0-3").unwrap_err().to_string();
    assert!(output.starts_with(&format!("--bundle {bundle}: ")), "{output}");
    assert!(output.contains("found those of 6.1.0-1, 6.1.0-2; pack"), "{output}");
    user_machine(&["--bundle", &user.path("v1")]).check_modules("6.1.0-3").unwrap();
    user_machine(&[]).check_modules("6.1.0-3").unwrap();
}

#[test]
fn an_image_is_too_large_when_the_disk_that_is_made_for_it_is() {
    let disk =
        |mebibytes: usize| DiskSizes::of((mebibytes * MIB) as u64, (mebibytes * MIB) as u64).unwrap().disk();
    check_disk_size(disk(300), "").unwrap();
    let output = check_disk_size(disk(400), "pack a smaller one").unwrap_err().to_string();
    assert!(
        output.contains("of 1024 MiB at most, found one of 13") && output.ends_with("smaller one"),
        "{output}"
    );
}

#[test]
fn a_disk_that_cannot_be_used_is_refused_in_one_line() {
    let user = User::new("faults-disk");
    user.bundle("v2", 1, "mine", "kiosk", &[]);
    let alone = refused(&["--disk", &user.path("disk.img")]);
    assert!(alone.contains("expected --bundle FILE with it"), "{alone}");
    let check = |damage: &dyn Fn(), expected: &str| {
        let [config, disk] = ["disk.img.config/everboot.conf", "disk.img"].map(|name| user.path(name));
        let (text, bytes) = (fs::read(&config).unwrap(), fs::read(&disk).unwrap());
        damage();
        let output = user.refused("v2");
        assert!(output.contains(expected), "expected {expected}: {output}");
        fs::write(&config, text).unwrap();
        fs::write(&disk, bytes).unwrap();
    };
    let conf = |text: &str| fs::write(user.path("disk.img.config/everboot.conf"), text).unwrap();
    check(&|| fs::remove_file(user.path("disk.img")).unwrap(), "No such file");
    check(&|| fs::write(user.path("disk.img"), [0; 4096]).unwrap(), "it has no GUID partition table");
    check(
        &|| fs::remove_file(user.path("disk.img.config/everboot.conf")).unwrap(),
        "expected the machine's config",
    );
    check(&|| conf("tries = 3\n"), "there is no line `compatible = MACHINE-TYPE`");
    check(
        &|| conf("compatible = kiosk\nslot = a\nslot = b\n"),
        "expected one partition PARTLABEL=a, found 0",
    );
    check(
        &|| conf("compatible = kiosk\nslot = a\nslot = b\nslot = c\n"),
        "expected a configuration of two slots",
    );
    check(&|| user.write(MIB as u64, &vec![0; 16 * MIB]), "expected a boot record, found none");
    // Behind the record and two slots of 2 MiB each.
    check(
        &|| user.write(21 * MIB as u64, &[0; 4096]),
        &format!("--disk {}: the data partition: expected an ext4 file system", user.path("disk.img")),
    );
    check(
        &|| File::options().write(true).open(user.path("disk.img")).unwrap().set_len(2 << 30).unwrap(),
        "1024 MiB",
    );
    fs::remove_file(user.path("disk.img.config/keys/mine.pub")).unwrap();
    check(&|| (), "configuration and keys: key: none in ");
}

#[test]
fn a_report_goes_to_a_folder() {
    let file = paths::out("work/faults-file").unwrap();
    fs::write(&file, "").unwrap();
    let error = parse(&["--report", &file.to_string_lossy()]).unwrap().check().unwrap_err();
    assert!(error.to_string().contains("expected a folder"), "{error}");
}
