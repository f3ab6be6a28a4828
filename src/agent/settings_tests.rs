use super::*;
use crate::sys::temp_dir::TempDir;
use everboot_core::config::Locator;

const KEY: &str = include_str!("../../tests/golden/key.pub");
/// Another key.
const OTHER: &str =
    "untrusted comment: minisign public key\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";

fn directory(name: &str, files: &[(&str, &str)]) -> TempDir {
    let temp_dir = TempDir::new(&format!("settings-{name}"));
    for (name, text) in files {
        temp_dir.file(name, text.as_bytes());
    }
    temp_dir
}

#[test]
fn configuration_and_keys_are_read() {
    let temp_dir = directory(
        "sound",
        &[("everboot.conf", "compatible = kiosk\n"), ("keys/a.pub", KEY), ("keys/b.pub", OTHER)],
    );
    let settings = Settings::read(temp_dir.path());
    assert_eq!((settings.config.compatible.as_str(), settings.keys.len()), ("kiosk", 2));
    assert!(settings.complaints().0.is_empty());
    assert!(settings.faultless().is_ok());
}

#[test]
fn without_files_there_are_defaults_and_complaints() {
    let temp_dir = directory("none", &[]);
    let settings = Settings::read(temp_dir.path());
    assert_eq!(settings.config, Config::default());
    let names: Vec<_> = settings.complaints().0.iter().map(|found| found.name).collect();
    assert_eq!(names, ["configuration", "key"]);
    assert!(settings.faultless().unwrap_err().contains("everboot.conf: No such file"));
}

#[test]
fn a_line_that_cannot_be_read_hides_no_other() {
    let text = "compatible = kiosk\nfoo = bar\nrecord = PARTLABEL=mine\ntries = many\nlock = yes\n";
    let temp_dir = directory("wrong", &[("everboot.conf", text), ("keys/a.pub", KEY)]);
    let settings = Settings::read(temp_dir.path());
    assert_eq!(settings.config.record, Locator::PartLabel("mine".into()));
    assert!(settings.config.lock.is_on() && settings.config.compatible == "kiosk");
    let lines: Vec<_> =
        settings.faults.iter().map(|why| why.contains("everboot.conf: configuration, line ")).collect();
    assert_eq!(lines, [true, true], "{:?}", settings.faults);
    assert_eq!(settings.complaints().0.iter().filter(|found| found.fault).count(), 2);
    assert!(settings.faultless().is_err());
    assert!(
        read_config(&temp_dir.path().join("everboot.conf"))
            .unwrap_err()
            .contains("everboot.conf: configuration")
    );
}

#[test]
fn insecure_images_are_allowed_by_the_configuration_alone() {
    for (text, expected) in [("insecure = yes", true), ("insecure = no", false)] {
        let text = format!("compatible = kiosk\n{text}\n");
        let temp_dir = directory("insecure", &[("everboot.conf", &text), ("keys/a.pub", KEY)]);
        assert_eq!(Settings::read(temp_dir.path()).keys.allows_insecure(), expected);
        assert!(!KeyFiles::read(&temp_dir.path().join("keys")).unwrap().keys.allows_insecure());
    }
}

#[test]
fn a_revoked_key_counts_whatever_its_files_are_called() {
    for revoked in ["keys/0.revoked", "keys/a.revoked", "keys/z.revoked"] {
        let files = [
            ("everboot.conf", "compatible = kiosk\n"),
            ("keys/a.pub", KEY),
            ("keys/b.pub", OTHER),
            (revoked, KEY),
        ];
        let temp_dir = directory("revoked", &files);
        let settings = Settings::read(temp_dir.path());
        assert_eq!((settings.keys.len(), settings.warnings.len()), (1, 0), "{revoked}");
    }
}

#[test]
fn many_keys_do_not_hide_a_revocation() {
    let temp_dir = directory("many", &[("keys/z.revoked", KEY), ("keys/a.pub", KEY)]);
    for number in 0..MOST_FILES {
        temp_dir.file(&format!("keys/b{number}.pub"), OTHER.as_bytes());
    }
    assert_eq!(KeyFiles::read(&temp_dir.path().join("keys")).unwrap().keys.len(), 1);
}

#[test]
fn a_machine_whose_only_key_is_revoked_trusts_nothing() {
    let files = [("everboot.conf", "compatible = kiosk\n"), ("keys/a.pub", KEY), ("keys/a.revoked", KEY)];
    let settings = Settings::read(directory("last", &files).path());
    assert!(settings.keys.is_empty() && settings.faultless().unwrap_err().contains("none in "));
}

#[test]
fn a_key_that_cannot_be_read_is_left_out_with_a_warning() {
    let temp_dir = directory("unread", &[("keys/a.pub", KEY), ("keys/b.pub", "none"), ("keys/c.pub", KEY)]);
    let files = KeyFiles::read(&temp_dir.path().join("keys")).unwrap();
    assert_eq!(files.keys.len(), 1);
    let [unread, twice] = &files.warnings[..] else { panic!("{:?}", files.warnings) };
    assert!(
        unread.contains("b.pub: ") && twice.contains("c.pub: another file has the same key"),
        "{unread} {twice}"
    );
}

#[test]
fn a_revocation_that_cannot_be_read_is_reported() {
    let temp_dir = directory("unread-revocation", &[("keys/a.pub", KEY), ("keys/b.revoked", "none")]);
    let files = KeyFiles::read(&temp_dir.path().join("keys")).unwrap();
    assert!(files.warnings.is_empty() && files.revocation_fault.unwrap().contains("b.revoked: "));
    assert_eq!(Settings::read(temp_dir.path()).warnings.len(), 1);
}

#[test]
fn a_revoked_file_that_is_named_as_a_key_revokes() {
    let temp_dir = directory("named", &[("a.pub", KEY), ("a.revoked", KEY)]);
    let mut keys = Keys::default();
    for name in ["a.pub", "a.revoked", "a.pub"] {
        add_key_file(&mut keys, &temp_dir.path().join(name)).unwrap();
    }
    assert!(keys.is_empty());
}
