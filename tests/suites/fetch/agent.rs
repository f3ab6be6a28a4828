//! `everboot stage` and `install` of what has to be fetched.

use crate::fixture::{Fixture, everboot, keys, manifest};
use crate::sources::registry::Registry;
use everboot_kit::server::{Answer, Server};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Serves what is in the fixture's folder.
fn serve(fixture: &Fixture) -> Server {
    let folder = fixture.folder.clone();
    Server::start(move |request, _| match fs::read(folder.join(request.path.trim_start_matches('/'))) {
        Ok(bytes) => Answer::file(request, &bytes, "a"),
        Err(_) => Answer::new("404 Not Found", &[], b""),
    })
}

/// Makes these bundles the channel `list`.
fn publish(fixture: &Fixture, bundles: &[&str]) {
    fs::write(fixture.path("key"), &keys().secret).unwrap();
    let mut pack = std::process::Command::new(everboot_kit::program::program("everboot-pack"));
    pack.args(["channel", "-o", "list", "--name", "stable", "--key", "key"]).args(bundles);
    assert!(pack.current_dir(&fixture.folder).status().unwrap().success());
}

/// What is in the staging area.
fn staged(fixture: &Fixture) -> Vec<String> {
    let names = fs::read_dir(fixture.path("disk.staging")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_update_is_fetched_staged_and_tried() {
    let fixture = Fixture::running();
    let server = serve(&fixture);
    fixture.check(&format!("stage {}", server.url("2.everboot")), 0, "staged version 2.0");
    assert_eq!(staged(&fixture), ["staged.everboot"]);
    assert!(
        fs::read(fixture.path("disk.staging/staged.everboot")).unwrap()
            == fs::read(fixture.path("2.everboot")).unwrap()
    );
    fixture.check(&format!("install {}", server.url("2.everboot")), 0, "slot-b: the next boot tries it");
    fixture.check("boot", 0, "slot-b: trial, 2 more tries");
    fixture.check("confirm", 0, "slot-b: confirmed");
    assert_eq!(staged(&fixture), [""; 0]);
    fixture.check("stage file:2.everboot", 3, "refused");
}

#[test]
fn what_was_fetched_is_checked_like_any_bundle_and_leaves_nothing() {
    let fixture = Fixture::running();
    let server = serve(&fixture);
    let mut wrong = fs::read(fixture.path("2.everboot")).unwrap();
    let at = wrong.len() - 4096;
    wrong[at] ^= 1;
    fs::write(fixture.path("wrong"), &wrong).unwrap();
    fs::write(fixture.path("short"), &wrong[..wrong.len() / 2]).unwrap();
    fixture.bundle("old", manifest("0.9"));
    for (name, code) in [("wrong", 5), ("short", 5), ("old", 4)] {
        fixture.check_refused(&format!("stage {}", server.url(name)), code, "");
        assert_eq!(staged(&fixture), [""; 0], "{name}");
    }
    // What was staged before stays when the next one is not fetched.
    fixture.check("stage 2.everboot", 0, "");
    let ran = fixture.run(&format!("stage {}", server.url("none")));
    assert!(ran.code == 1 && ran.err.ends_with("the server answers 404 Not Found\n"), "{}", ran.err);
    assert_eq!((ran.err.lines().count(), ran.out.as_str()), (1, ""), "{}", ran.err);
    assert_eq!(staged(&fixture), ["staged.everboot"]);
}

#[test]
fn a_download_that_broke_off_is_gone_on_with_by_the_next_stage() {
    let fixture = Fixture::running();
    let bytes = fs::read(fixture.path("2.everboot")).unwrap();
    let (had, half) = (bytes.clone(), bytes.len() / 2);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request, _| match request.last() {
        // Whether it serves ranges; it does not.
        Some(_) => Answer::whole(&had, "a"),
        None => match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::file(request, &had, "a").cut(half),
            1 => Answer::new("404 Not Found", &[], b""),
            _ => Answer::file(request, &had, "a"),
        },
    });
    let url = server.url("2.everboot");
    assert_eq!(fixture.run(&format!("stage {url}")).code, 1);
    assert_eq!(staged(&fixture), ["fetched.everboot.part", "fetched.everboot.part.of"]);
    // A boot and its confirmation take it away no more than the next stage.
    fixture.check("boot", 0, "");
    fixture.check("confirm", 0, "");
    fixture.check(&format!("stage {url}"), 0, "staged version 2.0");
    assert_eq!(server.seen().last().unwrap().from(), Some(half - 1));
    assert_eq!(staged(&fixture), ["staged.everboot"]);
}

#[test]
fn two_downloads_do_not_meet_in_the_staging_area() {
    let fixture = Fixture::running();
    let server = serve(&fixture);
    fixture.check("stage 2.everboot", 0, "");
    let held = fs::File::open(fixture.path("disk.staging")).unwrap();
    held.lock().unwrap();
    let stage = format!("stage {}", server.url("2.everboot"));
    let ran = fixture.run(&stage);
    assert!(ran.code == 6 && ran.err.contains("another everboot-fetch is at work there"), "{}", ran.err);
    drop(held);
    fixture.check(&stage, 0, "staged version 2.0");
}

#[test]
fn a_line_end_in_a_source_makes_no_option() {
    let fixture = Fixture::running();
    let server = serve(&fixture);
    let source = format!("{}\n--staging\nelsewhere", server.url("2.everboot"));
    let ran = everboot(&fixture.folder, ["--disk", "disk", "stage", &source]);
    assert!(ran.code == 2 && ran.err.contains("expected a source without control characters"), "{}", ran.err);
    assert!(server.seen().is_empty() && !fixture.path("elsewhere").exists());
}

#[test]
fn nothing_is_fetched_for_a_machine_that_takes_no_image() {
    let fixture = Fixture::trial();
    fixture.check("confirm", 0, "");
    fixture.check("boot", 0, "slot-b: default slot");
    let server = serve(&fixture);
    fixture.bundle("3.everboot", manifest("3.0"));
    let ran = fixture.run(&format!("stage {}", server.url("3.everboot")));
    assert!(ran.code == 3 && ran.err.contains("run `everboot confirm`"), "{} {}", ran.code, ran.err);
    assert!(server.seen().is_empty());
}

#[test]
fn a_channel_is_followed_until_there_is_nothing_newer() {
    let fixture = Fixture::running();
    let server = serve(&fixture);
    fixture.bundle("3.everboot", manifest("3.0"));
    let publish = |bundles: &[&str]| publish(&fixture, bundles);
    publish(&["2.everboot"]);
    let channel = format!("install channel:{}", server.url("list"));
    let ran = fixture.check(&channel, 0, "slot-b: the next boot tries it");
    assert!(ran.out.starts_with("version 2.0\nstaged version 2.0\n"), "{}", ran.out);
    fixture.check("boot", 0, "slot-b");
    fixture.check("confirm", 0, "");
    let ran = fixture.check(&channel, 0, "");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("nothing newer than 2.0\n", ""));
    publish(&["2.everboot", "3.everboot"]);
    fixture.check(&channel, 0, "slot-a: the next boot tries it");
    // An older list is not believed any more.
    fs::remove_file(fixture.path("list")).unwrap();
    publish(&["2.everboot"]);
    let ran = fixture.run(&channel);
    assert!(
        ran.code == 3 && ran.err.contains("the list stable is older than one seen before: serial 1, not 2"),
        "{}",
        ran.err
    );
}

#[test]
fn of_a_channel_nothing_is_fetched_again_that_has_failed() {
    let fixture = Fixture::running();
    let server = serve(&fixture);
    let publish = |bundles: &[&str]| publish(&fixture, bundles);
    publish(&["2.everboot"]);
    let channel = format!("install channel:{}", server.url("list"));
    fixture.check(&channel, 0, "slot-b: the next boot tries it");
    fixture.check("boot", 0, "slot-b");
    fixture.check("reject", 0, "");
    fixture.check("boot", 0, "slot-a");
    let before = server.seen().len();
    let ran = fixture.check(&channel, 0, "");
    assert_eq!(
        ran.out, "version 2.0 has failed on this machine, and there is nothing newer\n",
        "{}",
        ran.err
    );
    assert!(server.seen()[before..].iter().all(|request| request.path.starts_with("/list")));
    // A newer one is; and whoever insists gets it.
    fixture.bundle("3.everboot", manifest("3.0"));
    publish(&["2.everboot", "3.everboot"]);
    fixture.check(&channel, 0, "version 3.0");
    publish(&["2.everboot"]);
    fixture.run(&format!("{channel} --force"));
    assert!(server.seen().iter().filter(|request| request.path == "/2.everboot").count() > 1);
}

#[test]
fn a_registry_is_a_source_of_updates() {
    let fixture = Fixture::running();
    let temp_dir = super::temp_dir("agent-registry");
    let registry = Registry::start(&temp_dir);
    let name = format!("oci:{}/demo/root:2.0", registry.host);
    let bundle = fixture.path("2.everboot");
    temp_dir.run(&format!("NO_PROXY=127.0.0.1 everboot-pack push {} {name}", bundle.display()));
    fixture.check(&format!("stage {name}"), 0, "staged version 2.0");
}

#[test]
fn a_download_keeps_no_other_verb_waiting() {
    let fixture = Fixture::running();
    let folder = fixture.folder.clone();
    let confirmed = std::sync::Arc::new(std::sync::Mutex::new(None));
    let exit_code = confirmed.clone();
    let server = Server::start(move |request, _| {
        *exit_code.lock().unwrap() = Some(everboot(&folder, ["--disk", "disk", "confirm"]).code);
        Answer::file(request, &fs::read(folder.join("2.everboot")).unwrap(), "a")
    });
    fixture.check(&format!("stage {}", server.url("x")), 0, "staged version 2.0");
    assert_eq!(*confirmed.lock().unwrap(), Some(0));
}

#[test]
fn without_everboot_fetch_one_line_says_so() {
    let fixture = Fixture::running();
    fs::copy(everboot_kit::program::program("everboot"), fixture.path("alone")).unwrap();
    let mut alone = std::process::Command::new(fixture.path("alone"));
    alone.args(["--disk", "disk", "stage", "https://127.0.0.1/x"]).current_dir(&fixture.folder);
    let output = alone.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said, "everboot: stage: everboot-fetch is not installed; install it, or give a file\n");
}
