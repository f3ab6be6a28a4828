//! Bundles in a registry: Debian's docker-registry, and one of our own that breaks off.

use super::{content, fail, fetch, temp_dir};
use crate::bundle::TempDir;
use crate::sources::registry::Registry;
use everboot_kit::server::{Answer, Server};
use sha2::{Digest, Sha256};

fn filled(name: &str) -> TempDir {
    let temp_dir = temp_dir(name);
    temp_dir.run("everboot-pack keygen -o key");
    temp_dir.write("root", &content(1, 300_000));
    let rest = "--version 1.0 --compatible demo --key key --modules none --level 1";
    temp_dir.run(&format!("everboot-pack image root -o v1.everboot {rest}"));
    temp_dir
}

/// Pushes the bundle, and returns the name that pins it.
fn push(temp_dir: &TempDir, registry: &Registry, name: &str) -> String {
    let line = format!("NO_PROXY=127.0.0.1 everboot-pack push v1.everboot oci:{}/{name}", registry.host);
    temp_dir.run(&line).trim().to_owned()
}

/// The file in which the registry keeps a blob.
fn blob(digest: &str) -> String {
    format!("storage/docker/registry/v2/blobs/sha256/{}/{digest}/data", &digest[..2])
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_bundle_is_pushed_copied_and_fetched_by_its_tag_and_by_its_digest() {
    let temp_dir = filled("registry");
    let (registry, bytes) = (Registry::start(&temp_dir), temp_dir.read("v1.everboot"));
    let pinned = push(&temp_dir, &registry, "demo/root:1.0");
    assert_eq!(push(&temp_dir, &registry, "demo/root:again"), pinned, "the same bundle is the same artifact");
    let at = |name: &str| format!("oci:{}/demo/root{name}", registry.host);
    fetch(&temp_dir, &at(":1.0"), &bytes);
    fetch(&temp_dir, &pinned, &bytes);
    let docker = |name: &str| format!("docker://{}/demo/{name}", registry.host);
    let skopeo = "skopeo --insecure-policy copy -q --src-tls-verify=false --dest-tls-verify=false";
    temp_dir.run(&format!("{skopeo} {} {}", docker("root:1.0"), docker("copied:1.0")));
    fetch(&temp_dir, &at(":1.0").replace("root", "copied"), &bytes);
    let shown = temp_dir.run(&format!("skopeo inspect --raw --tls-verify=false {}", docker("root:1.0")));
    for text in ["vnd.everboot.bundle.v1+tar", "\"vnd.everboot.compatible\":\"demo\"", "v1.everboot"] {
        assert!(shown.contains(text), "{text} is not in {shown}");
    }
    fail(&temp_dir, &at(":2.0"), 1, "manifest unknown");
    fail(&temp_dir, &at(&format!("@sha256:{}", "0".repeat(64))), 1, "manifest unknown");
    fail(&temp_dir, "oci:NAME", 1, "expected REGISTRY/NAME[:TAG|@DIGEST]");
}

#[test]
fn what_is_no_bundle_is_not_fetched_from_a_registry() {
    let temp_dir = filled("foreign");
    let registry = Registry::start(&temp_dir);
    let path = temp_dir.0.join("image");
    let layout = crate::sources::layer::Layout(&path);
    let tar = crate::sources::layer::Layer::new().file("a", (0o644, 0, 0), b"content").tar();
    let image = layout.image(std::slice::from_ref(&tar), "amd64", &["gzip"]);
    layout.index(&[(image, Some("1"))]);
    registry.push(&temp_dir, "oci:image:1", "test/image:1");
    let name = format!("oci:{}/test/image:1", registry.host);
    fail(&temp_dir, &name, 5, "expected a layer of application/vnd.everboot.bundle.v1+tar, found ");
    let (code, said) =
        temp_dir.try_run(&format!("everboot-pack push root oci:{}/test/root:1", registry.host));
    assert!(code == Some(1) && said.contains("root"), "{said}");
    let (code, said) = temp_dir.try_run("everboot-pack push v1.everboot v1");
    assert!(code == Some(1) && said.contains("v1: expected oci:REGISTRY/NAME:TAG"), "{said}");
}

#[test]
fn a_registry_that_has_other_bytes_under_a_digest_is_found_out() {
    let temp_dir = filled("rotten");
    let registry = Registry::start(&temp_dir);
    let pinned = push(&temp_dir, &registry, "demo/root:1.0");
    let bytes = temp_dir.read("v1.everboot");
    let mut wrong = bytes.clone();
    wrong[20_000] ^= 1;
    temp_dir.write(&blob(&sum(&bytes)), &wrong);
    fail(&temp_dir, &pinned, 5, "expected sha256:");
    // A part of it that is right is gone on with, and found wrong; then all of it.
    temp_dir.write(&blob(&sum(&bytes)), &bytes);
    fetch(&temp_dir, &pinned, &bytes);
    let manifest = pinned.rsplit(':').next().unwrap();
    let text = temp_dir.read(&blob(manifest));
    temp_dir.write(&blob(manifest), &String::from_utf8(text).unwrap().replace("demo", "dome").into_bytes());
    fail(&temp_dir, &pinned, 5, "sha256:");
}

#[test]
fn what_breaks_off_in_a_registry_is_gone_on_with() {
    let temp_dir = filled("breaking");
    let registry = Registry::start(&temp_dir);
    let pinned = push(&temp_dir, &registry, "demo/root:1.0");
    let bytes = temp_dir.read("v1.everboot");
    let manifest = temp_dir.read(&blob(pinned.rsplit(':').next().unwrap()));
    let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json";
    let had = bytes.clone();
    let server = Server::start(move |request, before| match request.path.as_str() {
        "/v2/" => Answer::new("200 OK", &[], b"{}"),
        path if path.contains("/manifests/") => Answer::new("200 OK", &[kind], &manifest),
        _ if before < 5 => Answer::file(request, &had, "a").cut(had.len() / 2),
        _ => Answer::file(request, &had, "a"),
    });
    let said = fetch(&temp_dir, &pinned.replace(&registry.host, server.host()), &bytes);
    assert!(said.contains("the connection broke off"), "{said}");
    let places: Vec<_> = server.seen().iter().filter_map(everboot_kit::server::Request::from).collect();
    assert_eq!(&places[..2], [0, bytes.len() / 2 - 1], "it goes on where it broke off");
}
