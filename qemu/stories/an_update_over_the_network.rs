//! A machine in the field: a delta from a server, what is missing of a channel's image, and blocks that rot beneath the
//! root that runs.

use everboot_kit::server;

use super::common::{configured, expect, testbed};
use everboot_builder::command::run;
use everboot_builder::overlay::Overlay;
use everboot_core::slot::RootHash;
use everboot_kit::seed::Seed;
use everboot_testbed::machine::LIMIT;
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Machine, Vm, system};
use server::{Answer, Server};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of the image: `everboot-fetch` and its libraries are in it.
const MEBIBYTES: u64 = 40;

/// A file that is in every version, and that nothing reads until a person does.
const PRECIOUS: &str = "/usr/share/precious";
const PRECIOUS_LEN: usize = 1 << 20;

/// QEMU's own network: the virtual machine is 10.0.2.15, and what listens on the host's loopback is at 10.0.2.2.
const NETWORK: &[&str] = &["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"];
const CONNECT: &str = "ifconfig eth0 10.0.2.15 up";

#[test]
fn a_machine_follows_a_delta_and_a_channel_and_mends_the_root_that_it_runs() {
    let [v1, v2, v3] = ["1", "2", "3"].map(bundle);
    let machine = Machine::new(testbed(), "network", &v1, &["--slot-size", "48"]).unwrap();
    let served = machine.work.join("served");
    fs::create_dir_all(&served).unwrap();
    pack(&["delta", "-o", "delta.everboot"], &[&v1, &v2], &served);
    fs::copy(&v3, served.join("v3.everboot")).unwrap();
    let key = testbed().key.secret.display().to_string();
    pack(&["channel", "-o", "list", "--name", "stable", "--key", &key], &[Path::new("v3.everboot")], &served);
    let sent = Arc::new(AtomicUsize::new(0));
    let server = serve(&served, sent.clone());

    let mut vm = boot(&machine, "v1", "UP 1");
    let url = of_vm(&server, "delta.everboot");
    expect(&mut vm, &format!("everboot install {url}"), 0, "slot-b: the next boot tries it");
    off(vm);

    let mut vm = boot(&machine, "v2", "UP 2");
    expect(&mut vm, "everboot confirm", 0, "slot-b: confirmed");
    sent.store(0, Ordering::Relaxed);
    let url = format!("channel:{}", of_vm(&server, "list"));
    expect(&mut vm, &format!("everboot install {url}"), 0, "slot-a: the next boot tries it");
    // Of the bundle of version 3 came what version 2 has not.
    let (whole, came) = (fs::read(&v3).unwrap().len(), sent.swap(0, Ordering::Relaxed));
    assert!(came > 0 && came < whole / 2, "{came} of {whole} bytes came");
    off(vm);

    let at = corrupt(&machine, "slot-a");
    let mut vm = boot(&machine, "v3", "UP 3");
    expect(&mut vm, "everboot confirm", 0, "slot-a: confirmed");
    expect(&mut vm, &format!("everboot install {url}"), 0, "nothing newer than 3");
    expect(&mut vm, "everboot verify slot-a", 8, "differ");
    expect(&mut vm, "everboot repair slot-a", 0, "slot-a");
    expect(&mut vm, "everboot verify slot-a", 0, "blocks are right");
    let (_, sum) = vm.shell(&format!("sha256sum {PRECIOUS}"), LIMIT).unwrap();
    off(vm);
    assert_eq!(sum.split(' ').next(), Some(RootHash(Sha256::digest(precious()).into()).to_string().as_str()));
    assert!(machine.disk.read("slot-a", at, PRECIOUS_LEN).unwrap() == precious());
    machine.status().unwrap().expect_default("slot-a", "3").unwrap();
}

/// A small root with the tool that fetches, and the libraries of the host that it asks for.
fn bundle(version: &str) -> PathBuf {
    let fetch = testbed().tool("everboot-fetch").unwrap();
    let mut files = Overlay::default()
        .host_file("/usr/bin/everboot-fetch", 0o755, fetch)
        .link("/lib", "usr/lib")
        .file(PRECIOUS, precious());
    for library in run(Command::new("ldd").arg(fetch)).unwrap().split_whitespace() {
        if library.starts_with('/') {
            let place =
                library.strip_prefix("/lib/").map_or(library.into(), |rest| format!("/usr/lib/{rest}"));
            files = files.host_file(&place, 0o755, Path::new(library));
        }
    }
    let mut mini = system::mini(testbed(), version, &format!("export PS1='{PROMPT}'\nsh -i\npoweroff -f"));
    (mini.overlay, mini.mebibytes) = (mini.overlay.then(&files), MEBIBYTES);
    system::pack(testbed(), &mini, &[]).unwrap()
}

/// Bytes that no other file has.
fn precious() -> Vec<u8> {
    let mut seed = Seed::new(1);
    (0..PRECIOUS_LEN).map(|_| seed.next() as u8).collect()
}

/// Runs `everboot-pack` in a folder.
fn pack(words: &[&str], bundles: &[&Path], folder: &Path) {
    let mut pack = Command::new(testbed().tool("everboot-pack").unwrap());
    run(pack.args(words).args(bundles).current_dir(folder)).unwrap();
}

/// Serves a folder, and counts the bytes.
fn serve(folder: &Path, sent: Arc<AtomicUsize>) -> Server {
    let folder = folder.to_path_buf();
    Server::start(move |request, _| match fs::read(folder.join(request.path.trim_start_matches('/'))) {
        Ok(bytes) => {
            let answer = Answer::file(request, &bytes, "a");
            sent.fetch_add(answer.body.len(), Ordering::Relaxed);
            answer
        }
        Err(_) => Answer::new("404 Not Found", &[], b""),
    })
}

/// Where a virtual machine finds it.
fn of_vm(server: &Server, path: &str) -> String {
    server.url(path).replace("127.0.0.1", "10.0.2.2")
}

/// A boot, up to a person at its shell, with the network.
fn boot(machine: &Machine, name: &str, says: &str) -> Vm {
    let mut options = configured(machine, name, "", &["virtio_net"]);
    options.extra.extend(NETWORK.iter().map(|word| (*word).to_owned()));
    let mut vm = Vm::start(&options).unwrap();
    vm.wait_for(says, LIMIT).unwrap();
    vm.wait_for(PROMPT, LIMIT).unwrap();
    expect(&mut vm, CONNECT, 0, "");
    vm
}

fn off(mut vm: Vm) {
    vm.send_line("poweroff -f").unwrap();
    vm.wait_exit(LIMIT).unwrap();
}

/// Lets a block of the precious file rot in a slot; returns where in the slot the file is.
fn corrupt(machine: &Machine, slot: &str) -> u64 {
    let len = MEBIBYTES as usize * 1024 * 1024;
    let (image, precious) = (machine.disk.read(slot, 0, len).unwrap(), precious());
    let at = image.chunks(4096).position(|block| block == &precious[..4096]).unwrap() * 4096;
    assert!(image[at..].starts_with(&precious), "the file does not lie in one piece");
    machine.disk.write(slot, at as u64 + 5 * 4096 + 7, b"rot").unwrap();
    at as u64
}
