//! Of a bundle only what is missing: put together of what is there and of ranges of the source.

use super::{line, temp_dir};
use crate::bundle::TempDir;
use crate::sources::registry::Registry;
use everboot_agent::machine::Access;
use everboot_agent::sys::FileMedium;
use everboot_kit::server::{Answer, Request, Server};
use everboot_storage::apply;
use everboot_storage::bundle::{Bundle, Keys, Sources};
use everboot_storage::medium::Medium;
use everboot_storage::worker_pool::Threads;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 2048;

/// A block that no compressor makes smaller.
fn block(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..BLOCK / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// Two images: the second has every block of the first in another place, and three new ones.
fn filled(name: &str) -> TempDir {
    let temp_dir = temp_dir(name);
    let old: Vec<u8> = (0..BLOCKS).flat_map(block).collect();
    let mut new = vec![0; BLOCK];
    new.extend(&old[..old.len() - BLOCK]);
    for (number, at) in [300, 301, 1900].into_iter().enumerate() {
        new[at * BLOCK..][..BLOCK].copy_from_slice(&block(1 << 32 | number as u64));
    }
    temp_dir.write("v1.img", &old);
    temp_dir.write("v2.img", &new);
    temp_dir.run("everboot-pack keygen -o key; mkdir -p config/keys; cp key.pub config/keys");
    temp_dir.write("config/everboot.conf", b"compatible = demo\n");
    pack(&temp_dir, "1", "v1");
    pack(&temp_dir, "2", "v2");
    temp_dir
}

fn pack(temp_dir: &TempDir, version: &str, name: &str) -> Vec<u8> {
    temp_dir.run(&format!(
        "everboot-pack image v{version}.img -o {name}.everboot --version {version} --compatible demo --key key \
         --modules none --level 1"
    ));
    temp_dir.read(&format!("{name}.everboot"))
}

fn serve(bytes: Vec<u8>) -> Server {
    Server::start(move |request, _| Answer::file(request, &bytes, "a"))
}

/// Bytes that a server was asked for.
fn asked(server: &Server, len: usize) -> usize {
    let bytes = |request: &Request| {
        let from = request.from().unwrap_or(0);
        request.last().map_or(len, |last| (last + 1).min(len)) - from
    };
    server.seen().iter().map(bytes).sum()
}

/// Every block of it is that of the image `v2.img`, by its own signed root hash.
#[track_caller]
fn check(temp_dir: &TempDir, name: &str) {
    let open = |name: &str| FileMedium::open(&temp_dir.0.join(name), Access::Read).unwrap();
    let keys = Keys::parse(&String::from_utf8(temp_dir.read("key.pub")).unwrap()).unwrap();
    let mut bundle = Bundle::open(open(name), &keys).unwrap();
    apply::check(&mut bundle, &mut [Sources::<FileMedium>::none()], Threads::NONE, &mut |_, _| ()).unwrap();
    assert_eq!(bundle.total_len(), open(name).len());
    assert_eq!(*bundle.manifest(), *Bundle::open(open("v2.everboot"), &keys).unwrap().manifest());
}

#[test]
fn what_a_file_has_is_not_fetched() {
    let temp_dir = filled("patchwork");
    let bytes = temp_dir.read("v2.everboot");
    let server = serve(bytes.clone());
    let said = temp_dir.run(&line(&format!("--config config --have v1.img {}", server.url("v2"))));
    // Two frames of eight.
    let asked = asked(&server, bytes.len());
    assert!(said.contains(&format!("fetched {asked} of {} bytes", bytes.len())), "{said}");
    assert!(asked < bytes.len() / 2, "{asked} of {}", bytes.len());
    check(&temp_dir, "out");
    assert!(!temp_dir.0.join("out.part").exists() && !temp_dir.0.join("out.part.of").exists());
}

/// The server breaks off before the last frame that is missing, and is well again; what it sent before counts, and what
/// was spoiled meanwhile does not.
#[test]
fn missing_frames_that_came_are_not_fetched_again() {
    let temp_dir = filled("patchwork-cut");
    let bytes = temp_dir.read("v2.everboot");
    let limit = Arc::new(AtomicUsize::new(bytes.len() / 2));
    let (had, most) = (bytes.clone(), limit.clone());
    let server = Server::start(move |request, _| {
        let answer = Answer::file(request, &had, "a");
        // Where the frames are, and not behind them, where the seek table is.
        let over = most.load(Ordering::Relaxed)..had.len() - (64 << 10);
        let is_over = request.from().is_some_and(|from| over.contains(&from));
        if is_over { answer.cut(0) } else { answer }
    });
    let fetch = || line(&format!("--config config --have v1.img --tries 1 {}", server.url("v2")));
    let asked_since =
        |from: usize| server.seen()[from..].iter().filter_map(Request::from).collect::<Vec<_>>();
    let (code, said) = temp_dir.try_run(&fetch());
    assert!(code == Some(1) && said.contains("broke off"), "{said}");
    temp_dir.run("cp out.part.of out.of");
    let part = temp_dir.read("out.part");
    assert!(part.len() > bytes.len() / 2, "{}", part.len());
    limit.store(usize::MAX, Ordering::Relaxed);
    // Nothing of the first frame that was missing comes again, unless it was spoiled.
    let first = asked_since(0).into_iter().filter(|from| *from > bytes.len() / 16).min().unwrap();
    // Nothing; manifest, tree, a frame before that one, and one behind it.
    let places = [(None, false), (Some(700), false), (Some(9000), false), (Some(bytes.len() / 10), true)];
    for (spoiled, again) in places.into_iter().chain([(Some(part.len() - 9), false)]) {
        let (mut rest, seen) = (part.clone(), server.seen().len());
        if let Some(at) = spoiled {
            rest[at] ^= 1;
        }
        temp_dir.write("out.part", &rest);
        temp_dir.write("out.part.of", &temp_dir.read("out.of"));
        let said = temp_dir.run(&fetch());
        assert!(said.contains("this machine has the rest"), "{said}");
        assert_eq!(asked_since(seen).contains(&first), again, "{spoiled:?}");
        check(&temp_dir, "out");
        temp_dir.run("rm out");
    }
}

#[test]
fn a_slot_is_what_an_update_is_put_together_of() {
    let temp_dir = filled("patchwork-slot");
    let bytes = temp_dir.read("v2.everboot");
    let server = serve(bytes.clone());
    temp_dir
        .run("everboot-pack disk -o disk --config config/everboot.conf --pub key.pub --bundle v1.everboot");
    let everboot = "NO_PROXY=127.0.0.1 everboot --disk disk --config config --staging staging";
    let said = temp_dir.run(&format!("{everboot} install {}", server.url("v2")));
    assert!(said.contains("this machine has the rest") && said.contains("staged version 2"), "{said}");
    assert!(asked(&server, bytes.len()) < bytes.len() / 2, "{said}");
    let said = temp_dir.run(&format!("{everboot} verify slot-b"));
    assert!(said.contains("all 2048 blocks are right"), "{said}");
}

#[test]
fn where_ranges_are_of_no_use_all_of_it_is_fetched() {
    let temp_dir = filled("patchwork-whole");
    let bytes = temp_dir.read("v2.everboot");
    let fetch = |words: &str, server: &Server, said: &str| {
        let found = temp_dir.run(&line(&format!("--config config --tries 2 {words} {}", server.url("v2"))));
        assert!(temp_dir.read("out") == bytes && found.contains(said), "{words}: {found}");
        temp_dir.run("rm out");
    };
    // A file that has nothing of it; a server that refuses ranges.
    temp_dir.write("other", &block(1 << 40));
    fetch("--have other", &serve(bytes.clone()), "100 %");
    let had = bytes.clone();
    fetch("--have v1.img", &Server::start(move |_, _| Answer::whole(&had, "a")), "100 %");
    // One that has other bytes in its ranges, by and by.
    for at in [0, 700, 20_000, bytes.len() / 7] {
        let had = bytes.clone();
        let server = Server::start(move |request, _| {
            let mut answer = Answer::file(request, &had, "a");
            if let Some(from) = request.from().filter(|from| request.last().is_some() && *from <= at)
                && let Some(byte) = answer.body.get_mut(at - from)
            {
                *byte ^= 1;
            }
            answer
        });
        let mut words = "--have v1.img".to_owned();
        if at == 0 {
            // What the machine has is of no use to one who trusts nobody who signs such bundles.
            temp_dir.run("everboot-pack keygen -o stranger; mkdir -p strange; cp stranger.pub strange");
            words += " --keys strange";
        }
        fetch(&words, &server, "; fetching all of it");
    }
    // One that changes what it has meanwhile, and one that breaks off.
    let had = bytes.clone();
    let server = Server::start(move |request, before| match before {
        0 => Answer::file(request, &had, "a"),
        _ => Answer::whole(&had, "b"),
    });
    fetch("--have v1.img", &server, "; fetching all of it");
    let (had, is_over) = (bytes.clone(), Arc::new(AtomicBool::new(false)));
    let over = is_over.clone();
    let server = Server::start(move |request, before| {
        let answer = Answer::file(request, &had, "a");
        let breaks = before % 2 == 1 && request.last().is_some();
        over.fetch_or(breaks, Ordering::Relaxed);
        if breaks { answer.cut(1000) } else { answer }
    });
    let said = temp_dir.run(&line(&format!("--config config --have v1.img {}", server.url("v2"))));
    assert!(is_over.load(Ordering::Relaxed) && said.contains("broke off"), "{said}");
    assert!(said.contains("this machine has the rest"), "{said}");
    check(&temp_dir, "out");
}

#[test]
fn a_pin_holds_for_what_is_put_together() {
    let temp_dir = filled("patchwork-pin");
    let registry = Registry::start(&temp_dir);
    let name = format!("oci:{}/demo/root:2", registry.host);
    let pinned = temp_dir.run(&format!("NO_PROXY=127.0.0.1 everboot-pack push v2.everboot {name}"));
    let said = temp_dir.run(&line(&format!("--config config --have v1.img {}", pinned.trim())));
    assert!(said.contains("this machine has the rest"), "{said}");
    check(&temp_dir, "out");
    // The same by a channel, which pins it and not the registry; a tag it does not take.
    let channel = |url: &str| {
        format!("rm -f out; everboot-pack channel v2.everboot{url} -o list.json --name stable --key key")
    };
    let (code, said) = temp_dir.try_run(&channel(&format!("={name}")));
    assert!(code == Some(1) && said.contains("url: expected oci:REGISTRY/NAME@DIGEST, found"), "{said}");
    temp_dir.run(&channel(&format!("={}", pinned.trim())));
    let folder = temp_dir.0.clone();
    let server = Server::start(move |request, _| {
        Answer::whole(&std::fs::read(folder.join(request.path.trim_start_matches('/'))).unwrap(), "a")
    });
    let said =
        temp_dir.run(&line(&format!("--config config --have v1.img channel:{}", server.url("list.json"))));
    assert!(said.contains("this machine has the rest"), "{said}");
    check(&temp_dir, "out");
    temp_dir.run(&channel(""));
    let v2 = temp_dir.read("v2.everboot");
    let mut image = temp_dir.read("v2.img");
    image[5 * BLOCK..][..BLOCK].copy_from_slice(&block(1 << 50));
    temp_dir.write("v2.img", &image);
    let other = pack(&temp_dir, "2", "other");
    assert_eq!(other.len(), v2.len(), "only its bytes tell it from the one that is expected");
    let (list, signature) = (temp_dir.read("list.json"), temp_dir.read("list.json.minisig"));
    let serve = |bundle: Vec<u8>| {
        let (list, signature) = (list.clone(), signature.clone());
        Server::start(move |request, _| match request.path.as_str() {
            "/list.json" => Answer::whole(&list, "a"),
            "/list.json.minisig" => Answer::whole(&signature, "a"),
            _ => Answer::file(request, &bundle, "a"),
        })
    };
    let words =
        |server: &Server| line(&format!("--config config --have v1.img channel:{}", server.url("list.json")));
    let said = temp_dir.run(&words(&serve(v2)));
    assert!(said.contains("this machine has the rest"), "{said}");
    check(&temp_dir, "out");
    temp_dir.run("rm out");
    // Another bundle, as well signed: neither put together nor fetched.
    let (code, said) = temp_dir.try_run(&words(&serve(other)));
    assert!(code == Some(5) && said.contains("; fetching all of it"), "{said}");
    assert!(said.contains("expected a manifest with") && said.contains("expected sha256:"), "{said}");
    assert!(!temp_dir.0.join("out").exists());
}
