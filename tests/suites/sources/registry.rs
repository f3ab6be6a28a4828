//! A real registry: Debian's docker-registry, filled by skopeo.

use super::layer::{Layer, Layout, gzip, sum};
use super::{filled, pack, refuse};
use crate::bundle::TempDir;
use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A registry on a port of its own; it ends with the test.
pub(crate) struct Registry {
    child: Child,
    pub(crate) host: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Free ports that are tried before a registry that does not start is a failure.
const TRIES: u32 = 5;
/// What the registry writes to standard error.
const LOG: &str = "registry.log";

impl Registry {
    /// Between the choice of a free port and the start another program may take the port: the registry ends then, and
    /// another port is tried.
    pub(crate) fn start(temp_dir: &TempDir) -> Self {
        let started = (0..TRIES).find_map(|_| Self::on_a_free_port(temp_dir));
        started
            .unwrap_or_else(|| panic!("docker-registry ended {TRIES} times without listening on a free port"))
    }

    /// A registry that says that it listens; `None` when it ended first.
    fn on_a_free_port(temp_dir: &TempDir) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let storage = temp_dir.0.join("storage");
        let config = format!(
            "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: true }} }}\nhttp: {{ addr: \"{host}\" }}\nstorage: {{ filesystem: {{ rootdirectory: \"{}\" }} }}\n",
            storage.display()
        );
        temp_dir.write("registry.yml", config.as_bytes());
        let child = Command::new("docker-registry")
            .args(["serve", "registry.yml"])
            .current_dir(&temp_dir.0)
            .stdout(Stdio::null())
            .stderr(File::create(temp_dir.0.join(LOG)).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry: {error}; run ./tests/run, which installs it"));
        let mut registry = Self { child, host };
        loop {
            // A connection would not prove it: the program that took the port may take connections too.
            if String::from_utf8_lossy(&temp_dir.read(LOG)).contains("listening on") {
                return Some(registry);
            }
            if registry.child.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn push(&self, temp_dir: &TempDir, from: &str, name: &str) {
        let to = format!("docker://{}/{name}", self.host);
        let skopeo = "skopeo --insecure-policy copy -q --all --dest-tls-verify=false";
        temp_dir.run(&format!("{skopeo} {from} {to}"));
    }
}

#[test]
fn a_registry_has_the_same_image() {
    let temp_dir = filled("registry");
    let registry = Registry::start(&temp_dir);
    registry.push(&temp_dir, "oci:layout:1", "test/root:1.0");
    let bundle = pack(&temp_dir, "flat.tar", "--fs squashfs");
    let at = |name: &str| format!("docker://{}/{name}", registry.host);
    assert!(pack(&temp_dir, &at("test/root:1.0"), "--fs squashfs") == bundle);
    let digest = temp_dir.run(&format!(
        "skopeo inspect --tls-verify=false --format '{{{{.Digest}}}}' {}",
        at("test/root:1.0")
    ));
    assert!(pack(&temp_dir, &at(&format!("test/root@{}", digest.trim())), "--fs squashfs") == bundle);
    refuse(&temp_dir, &at("test/root:2.0"), "", "test/root:2.0");
    refuse(&temp_dir, &at("test/none:1.0"), "", "test/none:1.0");
    refuse(&temp_dir, "docker://REGISTRY/A@b", "", "expected REGISTRY/NAME[:TAG|@DIGEST]");
}

#[test]
fn a_registry_that_has_other_bytes_under_a_name_is_found_out() {
    let temp_dir = filled("registry-damaged");
    let registry = Registry::start(&temp_dir);
    let path = temp_dir.0.join("one");
    let tar = Layer::new().file("a", (0o644, 0, 0), b"content").tar();
    let image = Layout(&path).image(std::slice::from_ref(&tar), "amd64", &["gzip"]);
    Layout(&path).index(&[(image, Some("1"))]);
    registry.push(&temp_dir, "oci:one:1", "test/one:1");
    let digest = sum(&gzip(&tar)).replace("sha256:", "");
    let blob = format!("storage/docker/registry/v2/blobs/sha256/{}/{digest}/data", &digest[..2]);
    let mut bytes = temp_dir.read(&blob);
    bytes[20] ^= 1;
    temp_dir.write(&blob, &bytes);
    refuse(&temp_dir, &format!("docker://{}/test/one:1", registry.host), "--fs squashfs", "sha256:");
}
