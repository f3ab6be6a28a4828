//! Channels: what a machine chooses, and whom it believes.

use super::{content, fail, fetch, temp_dir};
use crate::bundle::TempDir;
use everboot_kit::server::{Answer, Server};
use std::fs;
use std::path::Path;

const LINE: &str = "everboot-pack image";

/// A temporary directory with a key and three bundles: 1.0 and 2.0 for `demo`, 3.0 over 2.0 alone.
fn filled(name: &str) -> TempDir {
    let temp_dir = temp_dir(name);
    temp_dir.run("everboot-pack keygen -o key; everboot-pack keygen -o other");
    for (version, more) in [("1.0", ""), ("2.0", ""), ("3.0", "--from 2.0..2.9")] {
        temp_dir.write("root", &content(version.as_bytes()[0], 20_000));
        temp_dir.run(&format!(
            "{LINE} root -o v{version}.everboot --version {version} --compatible demo --key key --modules none --level 1 {more}"
        ));
    }
    fs::create_dir_all(temp_dir.0.join("config/keys")).unwrap();
    temp_dir.write("config/everboot.conf", b"compatible = demo\n");
    temp_dir.run("cp key.pub config/keys/");
    temp_dir
}

/// Serves what is in the temporary directory.
fn serve(temp_dir: &TempDir) -> Server {
    let folder = temp_dir.0.clone();
    Server::start(move |request, _| from(&folder, request))
}

fn from(folder: &Path, request: &everboot_kit::server::Request) -> Answer {
    match fs::read(folder.join(request.path.trim_start_matches('/'))) {
        Ok(bytes) => Answer::file(request, &bytes, "a"),
        Err(_) => Answer::new("404 Not Found", &[], b""),
    }
}

const ALL: &str = "v1.0.everboot v2.0.everboot v3.0.everboot";

fn publish(temp_dir: &TempDir, more: &str) {
    temp_dir.run(&format!("everboot-pack channel {more} -o list.json --name stable --key key"));
}

fn words(server: &Server, more: &str) -> String {
    let config = if more.contains("--config") { "" } else { "--config config" };
    format!("{config} {more} channel:{}", server.url("list.json"))
}

#[test]
fn the_newest_bundle_that_fits_is_fetched() {
    let temp_dir = filled("channel");
    publish(&temp_dir, ALL);
    temp_dir.run("minisign -Vm list.json -p key.pub");
    let server = serve(&temp_dir);
    let bundle = |version: &str| temp_dir.read(&format!("v{version}.everboot"));
    let check = |more: &str, version: &str| {
        let said = fetch(&temp_dir, &words(&server, more), &bundle(version));
        assert!(said.contains(&format!("version {version}\n")), "{said}");
    };
    check("", "3.0");
    check("--installed 1.0", "2.0");
    check("--installed 2.0", "3.0");
    assert_eq!(temp_dir.run(&super::line(&words(&server, "--installed 3.0"))), "nothing newer than 3.0\n");
    assert!(!temp_dir.0.join("out").exists());
    fail(
        &temp_dir,
        &words(&server, "--installed 2.9.1"),
        4,
        "may be installed over 2.9.1: 3.0, the newest, upgrades 2.0..2.9 only",
    );
    fail(&temp_dir, &words(&server, "--compatible x"), 4, "it has no bundle for machine type \"x\"");
    check("--config none --keys config/keys --compatible demo", "3.0");
    fail(&temp_dir, &words(&server, "").replace("list", "none"), 1, "the server answers 404");
}

#[test]
fn a_list_is_believed_when_a_key_of_the_machine_signed_it() {
    let temp_dir = filled("believed");
    publish(&temp_dir, ALL);
    let server = serve(&temp_dir);
    let good = [temp_dir.read("list.json"), temp_dir.read("list.json.minisig")];
    let restore = || {
        temp_dir.write("list.json", &good[0]);
        temp_dir.write("list.json.minisig", &good[1]);
    };
    temp_dir.run("sed -i s/2.0.everboot/9.0.everboot/ list.json");
    fail(&temp_dir, &words(&server, ""), 5, "signature: it belongs to something else");
    restore();
    temp_dir.run("everboot-pack channel v1.0.everboot -o list.json --name stable --key other");
    fail(&temp_dir, &words(&server, ""), 5, "not by a trusted key");
    restore();
    temp_dir.write("list.json.minisig", b"hello");
    fail(&temp_dir, &words(&server, ""), 5, "expected one made by minisign");
    restore();
    temp_dir.run("rm list.json.minisig");
    fail(&temp_dir, &words(&server, ""), 1, "404");
    // A manifest is signed by the same key, and is no list.
    temp_dir.run(
        "tar xf v2.0.everboot && mv manifest.json list.json && mv manifest.json.minisig list.json.minisig",
    );
    fail(&temp_dir, &words(&server, ""), 5, "expected the JSON of a channel");
    restore();
    // A revoked key is believed no more.
    temp_dir.run("cp other.pub config/keys/ && cp key.pub config/keys/key.revoked");
    fail(&temp_dir, &words(&server, ""), 5, "not by a trusted key");
    temp_dir.run("rm config/keys/other.pub config/keys/key.revoked");
    temp_dir.run("rm config/keys/key.pub");
    fail(&temp_dir, &words(&server, ""), 5, "there is no key in config/keys/*.pub");
    temp_dir.run("cp key.pub config/keys/");
    fetch(&temp_dir, &words(&server, ""), &temp_dir.read("v3.0.everboot"));
}

#[test]
fn a_list_that_is_published_while_it_is_read_is_read_again() {
    let temp_dir = filled("between");
    publish(&temp_dir, "v1.0.everboot");
    temp_dir.run("mv list.json old.json");
    publish(&temp_dir, ALL);
    let (folder, old) = (temp_dir.0.clone(), temp_dir.read("old.json"));
    let server = Server::start(move |request, before| match before {
        0 => Answer::whole(&old, "old"),
        _ => from(&folder, request),
    });
    fetch(&temp_dir, &words(&server, ""), &temp_dir.read("v3.0.everboot"));
}

#[test]
fn wrong_bytes_are_never_given_the_name() {
    let temp_dir = filled("wrong");
    publish(&temp_dir, ALL);
    let (folder, bytes) = (temp_dir.0.clone(), temp_dir.read("v3.0.everboot"));
    let mut wrong = bytes.clone();
    wrong[5000] ^= 1;
    let short = bytes[..bytes.len() - 1].to_vec();
    let server = Server::start(move |request, before| match (request.path.as_str(), before) {
        ("/v3.0.everboot", 2) => Answer::whole(&wrong, "a"),
        ("/v3.0.everboot", 5) => Answer::whole(&short, "a"),
        // No length is said, and too much comes.
        ("/v3.0.everboot", 8) => Answer { len: None, ..Answer::whole(&[&bytes[..], b"x"].concat(), "a") },
        // The first half is wrong, and then it breaks off.
        ("/v3.0.everboot", 11) => Answer::whole(&wrong, "a").cut(6000),
        _ => from(&folder, request),
    });
    let words = words(&server, "");
    fail(&temp_dir, &words, 5, "expected sha256:");
    fail(&temp_dir, &words, 5, "bytes, found ");
    fail(&temp_dir, &words, 5, "bytes, found ");
    assert!(!temp_dir.0.join("out.part").exists());
    let said = fetch(&temp_dir, &words, &temp_dir.read("v3.0.everboot"));
    assert!(said.contains("expected sha256:") && said.matches("trying again").count() == 2, "{said}");
}

#[test]
fn an_older_list_is_refused() {
    let temp_dir = filled("older");
    publish(&temp_dir, "v1.0.everboot");
    let old = [temp_dir.read("list.json"), temp_dir.read("list.json.minisig")];
    publish(&temp_dir, ALL);
    assert!(temp_dir.run("cat list.json").contains("\"serial\": 2"));
    let server = serve(&temp_dir);
    let words = words(&server, "--state seen");
    fetch(&temp_dir, &words, &temp_dir.read("v3.0.everboot"));
    fetch(&temp_dir, &words, &temp_dir.read("v3.0.everboot"));
    temp_dir.write("list.json", &old[0]);
    temp_dir.write("list.json.minisig", &old[1]);
    fail(&temp_dir, &words, 3, "the list stable is older than one seen before: serial 1, not 2");
    // A channel of another name has its own numbers.
    temp_dir.run("rm list.json; everboot-pack channel v1.0.everboot -o list.json --name other --key key");
    fetch(&temp_dir, &words, &temp_dir.read("v1.0.everboot"));
    publish(&temp_dir, &format!("{ALL} --serial 3"));
    fetch(&temp_dir, &words, &temp_dir.read("v3.0.everboot"));
    // What cannot be read says nothing.
    temp_dir.write("seen", b"rot");
    fetch(&temp_dir, &words, &temp_dir.read("v3.0.everboot"));
}

#[test]
fn a_list_is_made_of_bundles_only_and_goes_on_where_the_last_one_was() {
    let temp_dir = filled("made");
    publish(&temp_dir, "v1.0.everboot=https://example.org/a/b.everboot");
    let list = temp_dir.run("cat list.json");
    assert!(
        list.contains("\"url\": \"https://example.org/a/b.everboot\"") && list.contains("\"serial\": 1"),
        "{list}"
    );
    let refuse = |words: &str, why: &str| {
        let (code, said) = temp_dir.try_run(&format!("everboot-pack channel -o list.json {words}"));
        assert!(code == Some(1) && said.contains(why), "{words}: {said}");
        assert_eq!(temp_dir.run("cat list.json"), list);
    };
    refuse("--name stable --key key root", "root");
    refuse("--name stable --key none v1.0.everboot", "read key none");
    refuse("--name stable --key key 'v1.0.everboot=a b'", "url: expected");
    refuse("--name other --key key v1.0.everboot", "expected the list of other, found that of stable");
}
