//! Channels: what a machine chooses, and whom it believes.

use super::{content, fail, fetch, room};
use crate::bundle::Room;
use everboot_kit::server::{Answer, Server};
use std::fs;
use std::path::Path;

const LINE: &str = "everboot-pack image";

/// A room with a key and three bundles: 1.0 and 2.0 for `demo`, 3.0 over 2.0 alone.
fn filled(name: &str) -> Room {
    let room = room(name);
    room.run("everboot-pack keygen -o key; everboot-pack keygen -o other");
    for (version, more) in [("1.0", ""), ("2.0", ""), ("3.0", "--from 2.0..2.9")] {
        room.write("root", &content(version.as_bytes()[0], 20_000));
        room.run(&format!(
            "{LINE} root -o v{version}.everboot --version {version} --compatible demo --key key --modules none --level 1 {more}"
        ));
    }
    fs::create_dir_all(room.0.join("config/keys")).unwrap();
    room.write("config/everboot.conf", b"compatible = demo\n");
    room.run("cp key.pub config/keys/");
    room
}

/// Serves what is in the room.
fn serve(room: &Room) -> Server {
    let folder = room.0.clone();
    Server::start(move |request, _| from(&folder, request))
}

fn from(folder: &Path, request: &everboot_kit::server::Request) -> Answer {
    match fs::read(folder.join(request.path.trim_start_matches('/'))) {
        Ok(bytes) => Answer::file(request, &bytes, "a"),
        Err(_) => Answer::new("404 Not Found", &[], b""),
    }
}

const ALL: &str = "v1.0.everboot v2.0.everboot v3.0.everboot";

fn publish(room: &Room, more: &str) {
    room.run(&format!("everboot-pack channel {more} -o list.json --name stable --key key"));
}

fn words(server: &Server, more: &str) -> String {
    let config = if more.contains("--config") { "" } else { "--config config" };
    format!("{config} {more} channel:{}", server.url("list.json"))
}

#[test]
fn the_newest_bundle_that_fits_is_fetched() {
    let room = filled("channel");
    publish(&room, ALL);
    room.run("minisign -Vm list.json -p key.pub");
    let server = serve(&room);
    let bundle = |version: &str| room.read(&format!("v{version}.everboot"));
    let check = |more: &str, version: &str| {
        let said = fetch(&room, &words(&server, more), &bundle(version));
        assert!(said.contains(&format!("version {version}\n")), "{said}");
    };
    check("", "3.0");
    check("--installed 1.0", "2.0");
    check("--installed 2.0", "3.0");
    assert_eq!(room.run(&super::line(&words(&server, "--installed 3.0"))), "nothing newer than 3.0\n");
    assert!(!room.0.join("out").exists());
    fail(
        &room,
        &words(&server, "--installed 2.9.1"),
        4,
        "may be installed over 2.9.1, found 3.0 at most, for 2.0..2.9",
    );
    fail(&room, &words(&server, "--compatible x"), 4, "expected a bundle for \"x\", found none");
    check("--config none --keys config/keys --compatible demo", "3.0");
    fail(&room, &words(&server, "").replace("list", "none"), 1, "expected 200 OK, found 404");
}

#[test]
fn a_list_is_believed_when_a_key_of_the_machine_signed_it() {
    let room = filled("believed");
    publish(&room, ALL);
    let server = serve(&room);
    let good = [room.read("list.json"), room.read("list.json.minisig")];
    let restore = || {
        room.write("list.json", &good[0]);
        room.write("list.json.minisig", &good[1]);
    };
    room.run("sed -i s/2.0.everboot/9.0.everboot/ list.json");
    fail(&room, &words(&server, ""), 5, "signature: it belongs to something else");
    restore();
    room.run("everboot-pack channel v1.0.everboot -o list.json --name stable --key other");
    fail(&room, &words(&server, ""), 5, "expected one by a trusted key");
    restore();
    room.write("list.json.minisig", b"hello");
    fail(&room, &words(&server, ""), 5, "expected one made by minisign");
    restore();
    room.run("rm list.json.minisig");
    fail(&room, &words(&server, ""), 1, "404");
    // A manifest is signed by the same key, and is no list.
    room.run(
        "tar xf v2.0.everboot && mv manifest.json list.json && mv manifest.json.minisig list.json.minisig",
    );
    fail(&room, &words(&server, ""), 5, "expected the JSON of a channel");
    restore();
    // A revoked key is believed no more.
    room.run("cp other.pub config/keys/ && cp key.pub config/keys/key.revoked");
    fail(&room, &words(&server, ""), 5, "expected one by a trusted key");
    room.run("rm config/keys/other.pub config/keys/key.revoked");
    room.run("rm config/keys/key.pub");
    fail(&room, &words(&server, ""), 5, "expected a key in config/keys/*.pub, found none");
    room.run("cp key.pub config/keys/");
    fetch(&room, &words(&server, ""), &room.read("v3.0.everboot"));
}

#[test]
fn a_list_that_is_published_while_it_is_read_is_read_again() {
    let room = filled("between");
    publish(&room, "v1.0.everboot");
    room.run("mv list.json old.json");
    publish(&room, ALL);
    let (folder, old) = (room.0.clone(), room.read("old.json"));
    let server = Server::start(move |request, before| match before {
        0 => Answer::whole(&old, "old"),
        _ => from(&folder, request),
    });
    fetch(&room, &words(&server, ""), &room.read("v3.0.everboot"));
}

#[test]
fn wrong_bytes_are_never_given_the_name() {
    let room = filled("wrong");
    publish(&room, ALL);
    let (folder, bytes) = (room.0.clone(), room.read("v3.0.everboot"));
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
    fail(&room, &words, 5, "expected sha256:");
    fail(&room, &words, 5, "bytes, found ");
    fail(&room, &words, 5, "bytes, found ");
    assert!(!room.0.join("out.part").exists());
    let said = fetch(&room, &words, &room.read("v3.0.everboot"));
    assert!(said.contains("expected sha256:") && said.matches("trying again").count() == 2, "{said}");
}

#[test]
fn an_older_list_is_refused() {
    let room = filled("older");
    publish(&room, "v1.0.everboot");
    let old = [room.read("list.json"), room.read("list.json.minisig")];
    publish(&room, ALL);
    assert!(room.run("cat list.json").contains("\"serial\": 2"));
    let server = serve(&room);
    let words = words(&server, "--state seen");
    fetch(&room, &words, &room.read("v3.0.everboot"));
    fetch(&room, &words, &room.read("v3.0.everboot"));
    room.write("list.json", &old[0]);
    room.write("list.json.minisig", &old[1]);
    fail(&room, &words, 3, "expected serial 2 of stable or higher, found 1");
    // A channel of another name has its own numbers.
    room.run("rm list.json; everboot-pack channel v1.0.everboot -o list.json --name other --key key");
    fetch(&room, &words, &room.read("v1.0.everboot"));
    publish(&room, &format!("{ALL} --serial 3"));
    fetch(&room, &words, &room.read("v3.0.everboot"));
    // What cannot be read says nothing.
    room.write("seen", b"rot");
    fetch(&room, &words, &room.read("v3.0.everboot"));
}

#[test]
fn a_list_is_made_of_bundles_only_and_goes_on_where_the_last_one_was() {
    let room = filled("made");
    publish(&room, "v1.0.everboot=https://example.org/a/b.everboot");
    let list = room.run("cat list.json");
    assert!(
        list.contains("\"url\": \"https://example.org/a/b.everboot\"") && list.contains("\"serial\": 1"),
        "{list}"
    );
    let refuse = |words: &str, why: &str| {
        let (code, said) = room.try_run(&format!("everboot-pack channel -o list.json {words}"));
        assert!(code == Some(1) && said.contains(why), "{words}: {said}");
        assert_eq!(room.run("cat list.json"), list);
    };
    refuse("--name stable --key key root", "root");
    refuse("--name stable --key none v1.0.everboot", "read key none");
    refuse("--name stable --key key 'v1.0.everboot=a b'", "url: expected");
    refuse("--name other --key key v1.0.everboot", "expected the list of other, found that of stable");
}
