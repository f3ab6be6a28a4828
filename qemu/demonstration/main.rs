//! `qemu/demo`: the main job on a real Debian 12, step by step.
//!
//! Nothing here is staged for the show: the agent, the initramfs, the bundles and the disk are the
//! ones that a user gets, and each boot is a QEMU of its own.
#![expect(clippy::print_stdout, reason = "a tool that people run")]

mod figures;
mod narrator;
mod versions;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use everboot_builder::steps;
use everboot_testbed::machine::LIMIT;
use everboot_testbed::vm::PROMPT;
use everboot_testbed::{Drive, Machine, Testbed, Vm};
use narrator::Narrator;
use versions::Versions;

/// The write at which the power is cut. An apply of version 4 takes twice as many at least: 188 MiB differ, and
/// no write is larger than 1 MiB.
const CUT: u32 = 100;

const USAGE: &str = "\
qemu/demo            the main job on a real Debian
qemu/demo --shell    its console
qemu/demo --figures  the figures of everboot-testing(7), measured here";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words[..] {
        [] => demo(),
        ["--shell"] => shell(),
        ["--figures"] => figures::run().map(|()| ExitCode::SUCCESS),
        _ => Err(anyhow::anyhow!("unknown words {words:?}; usage:\n{USAGE}")),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs the demo.
fn demo() -> Result<ExitCode> {
    note_compilation();
    let mut narrator = Narrator::new();
    let shown = run(&mut narrator);
    narrator.times(&steps::taken());
    if let Err(error) = &shown {
        narrator.claim("the demo runs to its end", false, "see below");
        println!("\nerror: {error:#}");
    }
    Ok(if narrator.table() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `qemu/demo` says when it began, in seconds since 1970: until now cargo compiled this program.
#[expect(clippy::disallowed_methods, reason = "a shell script told it the time")]
fn note_compilation() {
    let began = std::env::var("EVERBOOT_DEMO_BEGAN").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    if let Some(time) = began.zip(now).and_then(|(began, now)| now.checked_sub(Duration::from_secs(began))) {
        steps::note("the demo itself, compiled before it began", time);
    }
}

/// Boots version 1 with the terminal as its console.
fn shell() -> Result<ExitCode> {
    let (testbed, versions) = prepare(&mut Narrator::new())?;
    let machine = Machine::new(testbed, "demo-shell", &versions.first, &["--data-size", "256"])?;
    let options = machine.options("shell").drive(machine.drive()).drive(Drive::Snapshot(versions.stick));
    println!(
        "\nThe machine's console. You are logged in as root; bundles are on /dev/vdb:\n\
         \x20   mount /dev/vdb /mnt; everboot install /mnt/v2.everboot; systemctl reboot\n\
         A reboot starts the next boot of the same disk. To leave: Ctrl-A X, or systemctl poweroff.\n"
    );
    let error = options.interactive()?.exec();
    Err(error).context("start QEMU")
}

fn run(narrator: &mut Narrator) -> Result<()> {
    let (testbed, versions) = prepare(narrator)?;
    let make = || Machine::new(testbed, "demo", &versions.first, &["--data-size", "256"]);
    let machine = steps::timed("the disk from the factory", make)?;
    narrator.say("everboot-pack disk made a disk as it leaves the factory: version 1 in slot-a");
    let mut demo_run = Demo { narrator, machine, versions };
    steps::timed("boots: an upgrade", || demo_run.upgrade())?;
    steps::timed("boots: a rollback", || demo_run.rollback())?;
    steps::timed("boots: a power cut", || demo_run.power_cut())
}

fn prepare(narrator: &mut Narrator) -> Result<(&'static Testbed, Versions)> {
    narrator.chapter("Set up and build (cached under out/)");
    // As long as this process.
    let testbed: &'static Testbed = Box::leak(Box::new(Testbed::for_demo()?));
    testbed.print_sizes()?;
    narrator.say("the agent, the initramfs, everboot-pack and a Debian are there");
    let versions = steps::timed("four images and their bundles", || Versions::prepare(testbed))?;
    narrator.say("Debian 12 images and signed bundles: v1, v2, v3 (its kernel crashes), v4");
    Ok((testbed, versions))
}

struct Demo<'a> {
    narrator: &'a mut Narrator,
    machine: Machine,
    versions: Versions,
}

impl Demo<'_> {
    fn upgrade(&mut self) -> Result<()> {
        self.narrator.chapter("Version 1 runs; version 2 is staged, applied in early boot, confirmed");
        let old = self.machine.slot_digest("slot-a")?;
        let mut vm = self.boot("v1", self.machine.drive())?;
        self.up(&mut vm, "1")?;
        self.stage(&mut vm, "v2")?;
        self.reboot(vm)?;

        let mut vm = self.boot("v2", self.machine.drive())?;
        self.up(&mut vm, "2")?;
        self.confirmed(&mut vm)?;
        self.command(&mut vm, "everboot status")?;
        self.narrator.say("version 3 is staged as well; nobody knows yet that it is bad");
        self.stage(&mut vm, "v3")?;
        self.reboot(vm)?;
        let status = self.machine.status()?;
        let evidence = format!("default {}, {}", status.at("/default"), status.slot("slot-b"));
        let held = status.expect_default("slot-b", "2").is_ok();
        self.narrator.claim("upgraded from 1 to 2 and confirmed", held, &evidence);
        let same = self.machine.slot_digest("slot-a")? == old;
        self.narrator.claim("the old slot was never written", same, "slot-a, byte for byte");
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        self.narrator
            .chapter("Version 3 is bad: its kernel panics each time; the machine rolls back by itself");
        for attempt in ["v3-try1", "v3-try2"] {
            let mut vm = self.boot(attempt, self.machine.drive())?;
            vm.wait_for("Kernel panic", LIMIT)?;
            self.tell_console(&vm);
            self.narrator.say("version 3 panics, the machine restarts");
            vm.wait_exit(LIMIT)?;
        }
        let mut vm = self.boot("after-v3", self.machine.drive())?;
        self.up(&mut vm, "2")?;
        self.confirmed(&mut vm)?;
        self.command(&mut vm, "everboot why")?;
        self.stage(&mut vm, "v4")?;
        self.reboot(vm)?;
        let status = self.machine.status()?;
        let evidence = format!("default {}; slot-a: {}", status.at("/default"), status.at("/slots/0/reason"));
        let held = status.expect_default("slot-b", "2").is_ok() && status.slot("slot-a") == "bad 3";
        self.narrator.claim("rolled back from a bad version 3", held, &evidence);
        Ok(())
    }

    fn power_cut(&mut self) -> Result<()> {
        self.narrator.chapter("The power is cut in the middle of the apply of version 4");
        let before = self.right_blocks()?;
        let mut vm = self.boot("cut", Drive::StopAtWrite(self.machine.disk.path().into(), CUT))?;
        vm.wait_event("STOP", LIMIT)?;
        vm.kill()?;
        self.tell_console(&vm);
        let (cut, blocks) = (self.right_blocks()?, self.blocks()?);
        self.narrator.say(&format!(
            "power cut at write {CUT}: of {blocks} blocks {before} were right before, {cut} are now"
        ));
        let status = self.machine.status()?;
        let held = status.expect_default("slot-b", "2").is_ok() && cut > before && cut < blocks;
        let evidence =
            format!("default slot-b, {}; slot-a {}", status.slot("slot-b"), status.at("/slots/0/state"));
        self.narrator.claim("cut in the middle, the old version is still there", held, &evidence);

        let mut vm = self.boot("v4", self.machine.drive())?;
        self.up(&mut vm, "4")?;
        self.confirmed(&mut vm)?;
        let said = self.off(vm)?;
        let written = said.split("applied, ").nth(1).and_then(|rest| rest.split(' ').next());
        let expected = (blocks - cut).to_string();
        let evidence =
            format!("expected {expected} blocks to be written, found {}", written.unwrap_or("none"));
        self.narrator.claim("no block was written twice", written == Some(&*expected), &evidence);
        let status = self.machine.status()?;
        let evidence = format!("default {}, {}", status.at("/default"), status.slot("slot-a"));
        let held = status.expect_default("slot-a", "4").is_ok();
        self.narrator.claim("upgraded from 2 to 4 through the power cut", held, &evidence);
        let verified = self.machine.must(&["verify", "slot-a"])?;
        self.narrator.typed("host$", "everboot --disk disk.img verify slot-a", &verified);
        Ok(())
    }

    fn boot(&mut self, name: &str, drive: Drive) -> Result<Vm> {
        self.narrator.say(&format!("power on (console: out/work/demo/{name}.log)"));
        let stick = Drive::Snapshot(self.versions.stick.clone());
        Vm::start(&self.machine.options(name).drive(drive).drive(stick))
    }

    /// Waits until a version is up and its shell waits.
    fn up(&mut self, vm: &mut Vm, version: &str) -> Result<()> {
        let up = vm.wait_for(&format!("BOOT-OK {version}"), LIMIT)?;
        vm.wait_for(PROMPT, LIMIT)?;
        self.tell_console(vm);
        self.narrator.say(&format!("version {version} is up, {:.1} s after power-on", up.as_secs_f64()));
        Ok(())
    }

    /// Waits until the system has confirmed itself.
    fn confirmed(&mut self, vm: &mut Vm) -> Result<()> {
        let (code, said) = vm.shell("systemctl is-system-running --wait", LIMIT)?;
        anyhow::ensure!(code == 0, "the system did not come up without failed units: {said}");
        self.command(vm, "systemctl is-active everboot-confirm.service")
    }

    fn stage(&mut self, vm: &mut Vm, bundle: &str) -> Result<()> {
        self.command(vm, "mount -o ro /dev/vdb /mnt")?;
        self.command(vm, &format!("everboot stage /mnt/{bundle}.everboot"))?;
        self.command(vm, "everboot activate")
    }

    /// Types a command that must succeed.
    fn command(&mut self, vm: &mut Vm, command: &str) -> Result<()> {
        let (code, said) = vm.shell(command, LIMIT)?;
        self.narrator.typed("#", command, &said);
        anyhow::ensure!(code == 0, "`{command}` ended with {code}");
        Ok(())
    }

    fn reboot(&mut self, mut vm: Vm) -> Result<()> {
        self.narrator.typed("#", "systemctl reboot", "");
        vm.send_line("systemctl reboot")?;
        vm.wait_exit(LIMIT).map(drop)
    }

    fn off(&mut self, mut vm: Vm) -> Result<String> {
        self.narrator.typed("#", "systemctl poweroff", "");
        vm.send_line("systemctl poweroff")?;
        vm.wait_exit(LIMIT)
    }

    fn tell_console(&mut self, vm: &Vm) {
        let lines: Vec<(Duration, String)> = vm
            .lines()
            .into_iter()
            .filter(|line| line.text.contains("everboot: ") || line.text.contains("Kernel panic"))
            .map(|line| (line.time, line.text))
            .collect();
        self.narrator.console(&lines);
    }

    fn right_blocks(&self) -> Result<u64> {
        Ok(self.machine.equal_blocks("slot-a", &self.versions.image4)?.0)
    }

    fn blocks(&self) -> Result<u64> {
        Ok(self.versions.image4.metadata()?.len() / 4096)
    }
}
