//! The command line on a disk image in a file, without root: every verb as an operator types it.

use crate::fixture::{Fixture, MIB, everboot, manifest};
use everboot_agent::sys::DiskFileMachine;
use everboot_core::manifest::Manifest;
use everboot_core::verbs::{Exit, VERBS};
use everboot_storage::bundle::sign::NewKeys;
use std::fs;

#[test]
fn an_update_is_staged_prepared_tried_and_confirmed() {
    let fixture = Fixture::running();
    fixture.check("stage 2.everboot", 0, "staged version 2.0");
    fixture.check_slots("SLOT-A good 1.0 / slot-b empty -");
    fixture.check("prepare", 0, "slot-b: prepared");
    fixture.check_slots("SLOT-A good 1.0 / slot-b proven 2.0");
    fixture.check("boot", 0, "slot-a: default slot");
    fixture.check("activate", 0, "slot-b: the next boot tries it");
    fixture.check("boot", 0, "slot-b: trial, 2 more tries");
    fixture.check("confirm", 0, "slot-b: confirmed");
    fixture.check_slots("slot-a good 1.0 / SLOT-B good 2.0");
    fixture.check("boot", 0, "slot-b: default slot");
    assert!(!fixture.path("disk.staging/staged.everboot").exists());
}

#[test]
fn a_staged_update_is_applied_by_the_next_boot() {
    let fixture = Fixture::running();
    fixture.check("stage 2.everboot", 0, "");
    fixture.check("commit", 0, "slot-b: the next boot applies");
    fixture.check("explain", 0, "because    an apply is due; all checks run again");
    fixture.check("boot", 0, "slot-b: trial, 2 more tries");
    fixture.check("verify slot-b", 0, "all 40 blocks are right");
    fixture.check("mark-good", 0, "slot-b: confirmed");
}

#[test]
fn a_trial_that_is_never_confirmed_rolls_back() {
    let fixture = Fixture::trial();
    fixture.check("boot", 0, "slot-b: trial, 1 more");
    fixture.check("boot", 0, "slot-b: trial, the last try");
    fixture.check("boot", 0, "slot-a: rolled back: the trial is bad (all tries used");
    fixture.check_slots("SLOT-A good 1.0 / slot-b bad 2.0");
    fixture.check("why", 0, "rolled back");
    fixture.check_refused("stage 2.everboot", 3, "failed on this machine before; --force");
    fixture.check("install --force 2.everboot", 0, "slot-b: the next boot tries it");
}

#[test]
fn every_verb_may_be_run_twice() {
    let fixture = Fixture::running();
    let twice = |line: &str, text: &str| {
        fixture.check(line, 0, text);
        let before = fixture.status().record.generation;
        fixture.check(line, 0, text);
        assert_eq!(before, fixture.status().record.generation, "{line} changed something again");
    };
    twice("confirm", "slot-a");
    twice("stage 2.everboot", "2.0");
    twice("prepare", "slot-b: prepared");
    twice("activate", "slot-b: the next boot tries it");
    twice("install 2.everboot", "slot-b: the next boot tries it");
    twice("cancel", "nothing is due");
    twice("activate", "slot-b");
    fixture.check("boot", 0, "slot-b");
    twice("confirm", "slot-b: confirmed");
    twice("install 2.everboot", "already holds this image");
    twice("reject slot-a", "slot-a: rejected");
    twice("record repair", "both copies are good");
}

#[test]
fn the_configuration_check_names_every_line_that_is_wrong() {
    let fixture = Fixture::running();
    fixture.check("config check", 0, "");
    fixture.configure("compatible = bench\ntires = 3\nlock = no\ntimeout = soon\n");
    let said = fixture.check("config check", 1, "line 2: expected one of").err;
    assert!(said.contains("line 4: expected a number from 1 to 3600"), "{said}");
    fixture.check("stage 2.everboot", 1, "line 2: expected one of");
    fixture.check("doctor", 10, "line 4: expected a number");
}

#[test]
fn a_slot_is_found_by_its_label_beside_a_line_that_is_wrong() {
    let fixture = Fixture::blank();
    let labels =
        "record = PARTLABEL=everboot-record\nslot = one PARTLABEL=slot-a\nslot = two PARTLABEL=slot-b\n";
    fixture.configure(&format!("compatible = bench\n{labels}"));
    fixture.check("record init", 0, "");
    fixture.configure(&format!("compatible = bench\ntires = 3\n{labels}timeout = soon\n"));
    fixture.check("status", 0, "one");
    fixture.damage("everboot-record", 0);
    fixture.damage("everboot-record", 16 * 256 - 1);
    let names: Vec<_> = fixture.status().slots.into_iter().map(|slot| slot.name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn a_lost_record_is_not_made_anew_by_a_configuration_with_a_mistake() {
    let fixture = Fixture::running();
    fixture.configure("compatible = bench\nslot = slot-a\nslot = slot-b\nslot = SLOT-C\n");
    fixture.damage("everboot-record", 0);
    fixture.damage("everboot-record", 16 * 256 - 1);
    fixture.check("boot", 0, "slot-a");
    assert_eq!(fixture.status().record.generation, 0);
    fixture.configure("compatible = bench\nslot = slot-a\nslot = slot-b\n");
    fixture.check("boot", 0, "slot-a");
    assert!(fixture.status().record.generation > 0);
}

#[test]
fn confirm_waits_for_another_everboot_and_says_so() {
    let fixture = Fixture::trial();
    let disk = fs::File::open(fixture.path("disk")).unwrap();
    disk.lock().unwrap();
    let said = std::thread::scope(|scope| {
        let confirm = scope.spawn(|| fixture.check("confirm", 0, "slot-b: confirmed"));
        std::thread::sleep(std::time::Duration::from_millis(800));
        assert!(!confirm.is_finished());
        disk.unlock().unwrap();
        confirm.join().unwrap().err
    });
    assert!(said.contains("in use by another process; waiting for it, up to 10 minutes"), "{said}");
}

#[test]
fn a_cancelled_update_never_boots() {
    let fixture = Fixture::running();
    fixture.check("install 2.everboot", 0, "");
    fixture.check("cancel", 0, "");
    fixture.check_slots("SLOT-A good 1.0 / slot-b proven 2.0");
    assert!(!fixture.path("disk.staging/staged.everboot").exists());
    fixture.check("boot", 0, "slot-a: default slot");
}

#[test]
fn a_rejected_trial_is_left_at_the_next_boot() {
    let fixture = Fixture::trial();
    fixture.check_refused("cancel", 3, "the running system is a trial");
    fixture.check("mark-bad", 0, "slot-b: rejected");
    fixture.check_slots("SLOT-A good 1.0 / slot-b bad 2.0");
    fixture.check("boot", 0, "slot-a");
}

#[test]
fn a_rollback_returns_to_the_slot_before_and_a_second_one_undoes_it() {
    let fixture = Fixture::trial();
    fixture.check("confirm", 0, "");
    fixture.check("rollback", 0, "slot-a: boots next");
    fixture.check_slots("SLOT-A good 1.0 / slot-b good 2.0");
    fixture.check("rollback", 0, "slot-b: boots next");
    assert_eq!(fixture.status().rollback.as_deref(), Some("slot-a"));
}

#[test]
fn what_the_state_does_not_allow_is_refused_with_3() {
    let fixture = Fixture::factory();
    for (line, text) in [
        ("confirm", "does not say which slot runs"),
        ("prepare", "nothing is staged"),
        ("activate", "nothing is staged"),
        ("rollback", "there is no other good slot to return to"),
        ("reject slot-a", "no other good slot can boot"),
        ("reject slot-b", "holds no image"),
        ("verify slot-b", "the slot holds no image"),
        ("record init", "there is a record already"),
    ] {
        fixture.check_refused(line, 3, text);
    }
}

#[test]
fn an_image_that_does_not_fit_is_refused_with_4() {
    let fixture = Fixture::running();
    let of = |change: &dyn Fn(&mut Manifest)| {
        let mut changed = manifest("2.0");
        change(&mut changed);
        changed
    };
    let rows: [(&str, Manifest, &str); 4] = [
        (
            "foreign",
            of(&|m| m.compatible = "other".into()),
            "for machine type \"other\", and this machine is \"bench\"",
        ),
        ("older", manifest("0.9"), "0.9"),
        ("large", of(&|m| m.parts[0].size = 8 * MIB), ""),
        (
            "modules",
            of(&|m| m.modules = Some(vec!["6.1.0".into()])),
            "no modules for the kernel 6.9.9; it has those for: 6.1.0",
        ),
    ];
    for (name, manifest, text) in rows {
        fixture.bundle(name, manifest);
        fixture.check_refused(&format!("stage --kernel 6.9.9 {name}"), 4, text);
    }
}

#[test]
fn a_bundle_that_is_not_trusted_is_refused_with_5() {
    let fixture = Fixture::running();
    let bundle = fs::read(fixture.path("2.everboot")).unwrap();
    let mut flipped = bundle.clone();
    flipped[bundle.len() - 4096] ^= 1;
    fs::write(fixture.path("flipped"), flipped).unwrap();
    fs::write(fixture.path("short"), &bundle[..bundle.len() / 2]).unwrap();
    fs::write(fixture.path("text"), "hello").unwrap();
    for name in ["flipped", "short", "text"] {
        fixture.check_refused(&format!("stage {name}"), 5, "bundle: ");
    }
    fs::write(fixture.path("disk.config/keys/bench.pub"), &NewKeys::generate().unwrap().public).unwrap();
    fixture.check_refused("stage 2.everboot", 5, "not by a trusted key");
}

#[test]
fn a_bundle_that_went_bad_in_the_staging_area_is_given_up() {
    let fixture = Fixture::running();
    fixture.check("stage 2.everboot", 0, "");
    fixture.check("activate", 0, "");
    fs::write(fixture.path("disk.staging/staged.everboot"), "rot").unwrap();
    let ran = fixture.check("boot", 0, "slot-a");
    assert!(ran.err.contains("everboot: warning: update of slot-b given up"), "{}", ran.err);
    fixture.check("why", 0, "update of slot-b given up");
    assert_eq!(fixture.status().update["state"], "none");
}

#[test]
fn a_second_everboot_is_refused_with_6_and_may_look() {
    let fixture = Fixture::running();
    let held = DiskFileMachine::open(&fixture.path("disk"), None).unwrap();
    for line in ["stage 2.everboot", "reject slot-a", "boot", "record repair"] {
        fixture.check(line, 6, "in use");
    }
    for line in ["status", "why", "explain", "verify slot-a", "record show"] {
        fixture.check(line, 0, "");
    }
    drop(held);
    // A child that another thread is starting may hold a copy of the lock until it runs.
    let freed = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        fixture.run("record repair").code == 0
    });
    assert!(freed);
}

#[test]
fn a_record_that_is_gone_is_named_and_repaired_from_the_slots() {
    let fixture = Fixture::running();
    for block in [0, 16 * 256 - 1] {
        fixture.damage("everboot-record", block);
    }
    fixture.check_refused("confirm", 7, "both copies are bad");
    let status = fixture.status();
    assert!(status.trouble.unwrap().contains("both copies are bad"));
    assert_eq!((status.blocked, status.blocked_code.as_deref()), (true, Some("record-lost")));
    fixture.check_refused("stage 2.everboot", 7, &status.blocked_reason.unwrap());
    assert_eq!(fixture.run("record show").code, 7);
    fixture.check("record repair", 0, "slot-a: good, version 1.0, default");
    fixture.check("boot", 0, "slot-a: default slot");
}

#[test]
fn one_bad_copy_is_shown_and_repaired() {
    let fixture = Fixture::running();
    fixture.damage("everboot-record", 0);
    fixture.check("boot", 0, "slot-a");
    fixture.damage("everboot-record", 0);
    let status = fixture.status();
    assert_eq!(status.record.copies.iter().filter(|copy| *copy == "good").count(), 1, "{status:?}");
    fixture.check("record repair", 0, "both copies are good");
    assert_eq!(fixture.status().record.copies, ["good", "good"]);
}

#[test]
fn a_warning_is_said_once_however_often_the_disk_is_looked_at() {
    let fixture = Fixture::running();
    fixture.check("stage 2.everboot", 0, "");
    fs::write(fixture.path("disk"), vec![0; MIB as usize]).unwrap();
    fs::write(fixture.path("disk.config/keys/bench.pub"), "none").unwrap();
    for line in ["status", "explain", "stage 2.everboot", "apply", "mount slot-a", "boot"] {
        let err = fixture.run(line).err;
        for text in ["bench.pub: ", "no bundle and no trailer", "disks: "] {
            assert_eq!(err.matches(text).count(), 1, "{line}: {text} in\n{err}");
        }
    }
}

#[test]
fn the_doctor_is_content_with_a_sound_disk() {
    let fixture = Fixture::factory();
    let ran = fixture.check("doctor", 0, "nothing needs to be done");
    assert!(ran.out.starts_with("not looked at: ") && ran.err.is_empty(), "{}{}", ran.out, ran.err);
    let fixture = Fixture::trial();
    let ran = fixture.check("doctor", 0, "note: no new image now: ");
    assert!(!ran.out.contains("trial-running"), "{}", ran.out);
    fixture.check("doctor --json", 0, "\"code\":\"trial-running\"");
    fixture.check("confirm", 0, "");
    assert_eq!(
        fixture.check("doctor --json", 0, "").out,
        format!(
            "{{\"version\":\"{}\",\"sound\":true,\"machine\":false,\"findings\":[]}}\n",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn the_doctor_says_what_to_do_with_10() {
    let fixture = Fixture::running();
    fixture.damage("everboot-record", 0);
    fixture.check("doctor", 10, "fault: record: a copy is bad: ");
    fixture.check("record repair", 0, "");
    let trailer = 8 * 256 - 16;
    fixture.damage("slot-a", trailer);
    fixture.check("doctor", 10, "fault: slot-a: it does not have the signed trailer");
    fixture.damage("everboot-record", 0);
    let ran = fixture.check("doctor --json", 10, "\"sound\":false");
    assert!(ran.out.contains("{\"name\":\"record-copy\",\"fault\":true,\"text\":\"record: "), "{}", ran.out);
    assert_eq!(ran.out.lines().count(), 1);
    fixture.damage("everboot-record", 16 * 256 - 1);
    fixture.check("doctor", 10, "fault: record: both copies are bad");
    let blank = Fixture::blank();
    blank.check("record init", 0, "");
    blank.check("doctor", 10, "fault: slots: none is good");
}

#[test]
fn the_doctor_reads_configuration_and_keys() {
    let fixture = Fixture::running();
    let keys = fixture.path("disk.config/keys");
    fs::copy(keys.join("bench.pub"), keys.join("copy.pub")).unwrap();
    let ran = fixture.check("doctor", 10, "copy.pub: another file has the same key");
    assert!(ran.err.is_empty(), "{}", ran.err);
    fs::remove_file(keys.join("copy.pub")).unwrap();
    fs::write(keys.join("bench.pub"), "none").unwrap();
    fixture.check("doctor", 10, "fault: key: ");
    fixture.check("doctor", 10, "no bundle and no trailer is trusted");
    fs::write(fixture.path("disk.config/everboot.conf"), "compatible = bench\nslot = a\nslot = slot-b\n")
        .unwrap();
    fixture.check("doctor", 10, "fault: a: there is no partition PARTLABEL=a");
    fs::write(fixture.path("disk.config/everboot.conf"), "tries = 3\n").unwrap();
    fixture.check("doctor", 10, "everboot.conf: configuration: there is no line `compatible = ");
}

#[test]
fn blocks_that_differ_are_counted_and_named_with_8() {
    let fixture = Fixture::running();
    fixture.damage("slot-a", 7);
    fixture.damage("slot-a", 9);
    fixture.check("verify slot-a", 8, "slot-a: 2 of 40 blocks differ\nblocks 7 9\n");
}

#[test]
fn a_slot_that_was_filled_by_other_means_may_be_declared_good() {
    let fixture = Fixture::blank();
    fixture.check("record init --good slot-b --version 7.1", 0, "slot-b: good, version 7.1, default");
    fixture.check("boot", 0, "slot-b: default slot");
    fixture.check("confirm", 0, "slot-b");
    fixture.check("record init --force --good slot-a", 0, "slot-a: good, default");
}

#[test]
fn the_json_of_status_tells_everything_by_stable_keys() {
    let fixture = Fixture::trial();
    let status = fixture.status();
    assert_eq!((status.version.as_str(), status.compatible.as_str()), (env!("CARGO_PKG_VERSION"), "bench"));
    assert_eq!((status.default.as_deref(), status.booted.as_deref()), (Some("slot-a"), Some("slot-b")));
    assert!(!status.confirmed && status.blocked && status.trouble.is_none());
    assert_eq!(status.blocked_code.as_deref(), Some("trial-running"));
    assert!(status.blocked_reason.unwrap().contains("run `everboot confirm`"));
    assert!(status.record.generation > 3);
    assert_eq!(status.update["version"], "2.0");
    assert_eq!(status.next_boot["target"].as_deref(), Some("boot"));
    assert_eq!(status.next_boot["slot"].as_deref(), Some("slot-b"));
    assert!(status.next_boot["reason"].as_deref().unwrap().contains("1 more try"));
    for slot in &status.slots {
        assert_eq!((slot.trailer_ok, slot.image.as_ref().map(String::len)), (Some(true), Some(64)));
    }
}

#[test]
fn status_fits_a_serial_console() {
    let fixture = Fixture::trial();
    for (line, text) in [("confirm", "slot-b"), ("status", "DBC slot-b  good"), ("rollback", "slot-a")] {
        fixture.check(line, 0, text);
        let status = fixture.check("status", 0, "next boot").out;
        assert!(status.lines().count() <= 24, "{status}");
        assert!(status.lines().all(|line| line.chars().count() <= 80), "{status}");
    }
}

#[test]
fn status_says_when_the_rollback_copy_is_gone() {
    let fixture = Fixture::trial();
    fixture.check("confirm", 0, "");
    fixture.check("status", 0, "rollback   possible, to slot-a");
    fixture.check("boot", 0, "slot-b");
    fixture.check("confirm", 0, "");
    fixture.bundle("3.everboot", manifest("3.0"));
    fixture.check("stage 3.everboot", 0, "");
    fixture.check("prepare", 0, "slot-a: prepared");
    fixture.check("status", 0, "there is no other good slot");
}

#[test]
fn a_wrong_command_line_names_the_nearest_help() {
    let fixture = Fixture::blank();
    for (line, text) in [
        ("statsu", "unknown verb \"statsu\", nearest is status; see `everboot help status`"),
        ("frobnicate", "unknown verb \"frobnicate\"; see `everboot help`"),
        ("record", "record is followed by one of show, init, repair, upgrade"),
        ("record fix", "unknown verb \"record fix\""),
        ("status --jsno", "unknown option --jsno, nearest is --json; see `everboot help status`"),
        ("stage", "stage: FILE is missing; see `everboot help stage`"),
        ("stage a b", "stage: expected FILE, found 2 arguments"),
        ("status --json=1", "see `everboot help status`"),
        ("record init --version 2", "record init: --version says"),
        ("verify slot-z", "no slot \"slot-z\"; there are slot-a, slot-b"),
    ] {
        fixture.check(line, 2, text);
    }
    let ran = everboot(&fixture.folder, ["boot"]);
    assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{}", ran.err);
}

#[test]
fn global_options_stand_before_or_after_the_verb() {
    let fixture = Fixture::running();
    for line in ["status --disk disk --no-progress", "--no-progress --disk disk status"] {
        let ran = everboot(&fixture.folder, line.split(' '));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    }
    fixture.check("stage 2.everboot --staging elsewhere", 0, "");
    assert!(fixture.path("elsewhere/staged.everboot").exists());
}

#[test]
fn the_help_covers_every_verb_and_exit_code() {
    let fixture = Fixture::blank();
    let help = everboot(&fixture.folder, ["help"]).out;
    assert_eq!(help, everboot(&fixture.folder, ["--help"]).out);
    for verb in VERBS.iter().map(|verb| verb.name) {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} is not in\n{help}");
        let own = everboot(&fixture.folder, ["help"].into_iter().chain(verb.split(' ')));
        assert_eq!(own.code, 0);
        assert!(own.out.contains(&format!("everboot [OPTION]... {verb}")) && own.out.contains("exit codes:"));
        assert!(own.out.lines().all(|line| line.len() < 80), "{}", own.out);
        let words = verb.split(' ').chain(["--help"]);
        assert_eq!(everboot(&fixture.folder, words).out, own.out);
    }
    for exit in Exit::ALL {
        assert!(help.contains(&format!("\n  {} ", exit as u8)), "{exit:?}");
    }
    assert!(everboot(&fixture.folder, ["--version"]).out.starts_with("everboot "));
}

#[test]
fn a_broken_configuration_stops_an_update_and_not_a_confirmation() {
    let fixture = Fixture::running();
    fs::write(fixture.path("disk.config/everboot.conf"), "compatible\n").unwrap();
    fixture.check_refused("stage 2.everboot", 1, "everboot.conf");
    let ran = fixture.run("confirm");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("everboot: warning: "), "{}", ran.err);
    assert_eq!(fixture.run("boot").code, 0);
}

#[test]
fn progress_elsewhere_than_on_a_terminal_is_a_few_plain_lines() {
    let fixture = Fixture::running();
    let ran = fixture.check("install 2.everboot", 0, "");
    assert!(ran.err.lines().count() <= 22 && ran.err.contains("100 %"), "{}", ran.err);
    assert!(!ran.err.contains('\r'));
    let fixture = Fixture::running();
    assert_eq!(fixture.check("install 2.everboot --no-progress", 0, "").err, "");
}
