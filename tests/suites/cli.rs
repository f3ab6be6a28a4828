//! The command line on a disk image in a file, without root: every verb as an operator types it.

use crate::bench::{Bench, MIB, everboot, manifest};
use everboot_agent::sys::DiskFileMachine;
use everboot_core::manifest::Manifest;
use everboot_core::verbs::{Exit, VERBS};
use everboot_storage::bundle::sign::NewKeys;
use std::fs;

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
    let status = bench.status();
    assert!(status.trouble.unwrap().contains("both copies are bad"));
    assert_eq!((status.blocked, status.blocked_code.as_deref()), (true, Some("record-lost")));
    bench.check_refused("stage 2.everboot", 7, &status.blocked_reason.unwrap());
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
    assert!(ran.out.starts_with("not looked at: ") && ran.err.is_empty(), "{}{}", ran.out, ran.err);
    let bench = Bench::trial();
    bench.check("doctor", 0, "note: no new image now: trial-running: ");
    bench.check("confirm", 0, "");
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
    assert_eq!(status.blocked_code.as_deref(), Some("trial-running"));
    assert!(status.blocked_reason.unwrap().contains("run `everboot confirm`"));
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
