//! Apply: `everboot prepare --disk` against `zstd -dc | dd` with direct I/O, the same image to the same slot,
//! which is filled with random bytes before each run. everboot also checks, proves and records.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::median;
use everboot_builder::command::{program, run};
use everboot_testbed::disk::Disk;
use everboot_testbed::rootfs::Debian;
use everboot_testbed::{Machine, Testbed, bundle, system};

const ROUNDS: usize = 5;
const RECORD: &str = "everboot-record";
const SLOT: &str = "slot-b";

pub(super) fn measure(testbed: &'static Testbed) -> Result<Vec<(String, String)>> {
    let mut debian = Debian::new("2");
    debian.mebibytes = 400;
    debian.overlay = system::debian_overlay(testbed);
    let image = debian.image(&testbed.kernel)?;
    let size = image.metadata()?.len();
    let update = bundle::pack(testbed, &image, "2", &[])?;
    let first = system::pack(testbed, &system::mini(testbed, "1", "poweroff -f"), &[])?;
    let machine =
        Machine::new(testbed, "figures-apply", &first, &["--slot-size", "448", "--data-size", "32"])?;
    machine.must(&["stage", &update.to_string_lossy()])?;
    let packed = machine.work.join("root.zst");
    extract(&update, &packed)?;
    let staged = machine.disk.read(RECORD, 0, usize::try_from(machine.disk.part(RECORD)?.length)?)?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        machine.disk.write(RECORD, 0, &staged)?;
        fill_with_random(&machine.disk)?;
        let start = Instant::now();
        let said = machine.must(&["prepare"])?;
        ours.push(rate(size, start));
        ensure!(said.contains("prepared, "), "prepare said: {said}");

        fill_with_random(&machine.disk)?;
        let start = Instant::now();
        zstd_to_dd(&packed, &machine.disk)?;
        theirs.push(rate(size, start));
    }
    Ok(vec![row("everboot prepare", ours), row("zstd -dc | dd oflag=direct conv=fsync", theirs)])
}

fn row(who: &str, rates: Vec<f64>) -> (String, String) {
    let (middle, least, most) = median(rates);
    (format!("400 MiB Debian to a slot, {who}"), format!("{middle:.0} MB/s ({least:.0} to {most:.0})"))
}

fn rate(bytes: u64, start: Instant) -> f64 {
    bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// The member with the root, which plain zstd reads.
fn extract(bundle: &Path, to: &Path) -> Result<()> {
    let names = run(program("tar").arg("-tf").arg(bundle))?;
    let name = names.lines().find(|name| name.ends_with(".zst")).context("the bundle has no root")?;
    let mut tar = program("tar");
    tar.arg("-xOf").arg(bundle).arg(name).stdout(File::create(to)?);
    ensure!(tar.status()?.success(), "tar failed");
    Ok(())
}

fn fill_with_random(disk: &Disk) -> Result<()> {
    let mut chunk = vec![0; 1 << 20];
    let length = disk.part(SLOT)?.length;
    let mut random = File::open("/dev/urandom")?;
    for at in (0..length).step_by(chunk.len()) {
        random.read_exact(&mut chunk)?;
        disk.write(SLOT, at, &chunk)?;
    }
    Ok(File::open(disk.path())?.sync_all()?)
}

fn zstd_to_dd(packed: &Path, disk: &Disk) -> Result<()> {
    let mut unpack: Command = program("zstd");
    let mut unpack = unpack.args(["-dcq"]).arg(packed).stdout(Stdio::piped()).spawn()?;
    let mut write = program("dd");
    write.arg(format!("of={}", disk.path().display())).arg(format!("seek={}", disk.part(SLOT)?.start));
    write.args(["bs=1M", "iflag=fullblock", "oflag=direct,seek_bytes", "conv=notrunc,fsync", "status=none"]);
    let written = write.stdin(unpack.stdout.take().context("zstd's output")?).status()?;
    ensure!(unpack.wait()?.success() && written.success(), "zstd | dd failed");
    Ok(())
}
