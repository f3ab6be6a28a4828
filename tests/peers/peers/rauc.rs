//! RAUC: a plain signed bundle, installed by its service, which is called over a bus of its own.
//!
//! Bus and service are started before an install and ended after it; what the service used is part of the cost.
//! Verity bundles need a device mapper; plain ones run everywhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::cost::Cost;
use super::super::measure;
use super::super::tool::Tool;
use super::{Task, certificate};
use everboot_builder::command::{program, run};

pub(super) const NAME: &str = "rauc install, signed";

/// For bus and service to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A boot loader that has booted `a`, finds everything good, and remembers nothing.
const BACKEND: &str = "\
#!/bin/sh
case $1 in
get-primary) echo a ;;
get-state) echo good ;;
esac
";

struct Rauc {
    folder: PathBuf,
}

pub(super) fn rauc<'a>(task: &Task<'a>) -> Result<Box<dyn Tool + 'a>> {
    ensure!(everboot_builder::paths::program("dbus-daemon").is_some(), "dbus-daemon is not installed");
    let rauc = Rauc { folder: task.folder("rauc")? };
    let (key, certificate) = certificate(&rauc.folder)?;
    rauc.settings(&task.device(), &certificate)?;
    let content = rauc.folder.join("content");
    fs::create_dir_all(&content)?;
    fs::write(
        content.join("manifest.raucm"),
        "[update]\ncompatible=bench\nversion=1\n\n[bundle]\nformat=plain\n\n[image.rootfs]\nfilename=root.img\n",
    )?;
    run(program("cp").arg("--sparse=always").arg(task.image).arg(content.join("root.img")))?;
    let mut bundle = program("rauc");
    bundle.arg(format!("--cert={}", certificate.display())).arg(format!("--key={}", key.display()));
    run(bundle.arg("bundle").arg(&content).arg(rauc.bundle()))?;
    fs::remove_dir_all(&content)?;
    Ok(Box::new(rauc))
}

impl Rauc {
    fn settings(&self, device: &str, certificate: &Path) -> Result<()> {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let (backend, unused) = (at("backend"), at("unused"));
        fs::write(&backend, BACKEND)?;
        fs::set_permissions(&backend, fs::Permissions::from_mode(0o755))?;
        // The slot that is booted, and never written.
        fs::write(&unused, b"")?;
        fs::write(
            at("system.conf"),
            format!(
                "[system]\ncompatible=bench\nbootloader=custom\nstatusfile={}\nmountprefix={}\n\n\
                 [keyring]\npath={}\n\n[handlers]\nbootloader-custom-backend={backend}\n\n\
                 [slot.rootfs.0]\ndevice={unused}\ntype=raw\nbootname=a\n\n\
                 [slot.rootfs.1]\ndevice={device}\ntype=raw\nbootname=b\n",
                at("status"),
                at("mounts"),
                certificate.display()
            ),
        )?;
        fs::write(
            at("bus.conf"),
            format!(
                "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
                 <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
                 <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n",
                at("bus")
            ),
        )?;
        Ok(())
    }

    fn bundle(&self) -> PathBuf {
        self.folder.join("bench.raucb")
    }

    fn command(&self) -> Command {
        let mut command = program("rauc");
        self.on_the_bus(&mut command);
        command
    }

    fn on_the_bus(&self, command: &mut Command) {
        let bus = self.folder.join("bus");
        command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", bus.display()));
    }

    /// Bus and service, up.
    fn start(&self) -> Result<(Service, Service)> {
        let socket = self.folder.join("bus");
        let _ = fs::remove_file(&socket);
        let mut bus = Service::command("dbus-daemon");
        bus.arg(format!("--config-file={}", self.folder.join("bus.conf").display())).arg("--nofork");
        let bus = Service::start(bus)?;
        wait_until("the bus is there", || socket.exists())?;
        let mut service = Service::command("rauc");
        service.arg(format!("--conf={}", self.folder.join("system.conf").display()));
        service.args(["--override-boot-slot=a", "service"]);
        self.on_the_bus(&mut service);
        let service = Service::start(service)?;
        wait_until("rauc's service answers", || {
            self.command().arg("status").output().is_ok_and(|output| output.status.success())
        })?;
        Ok((bus, service))
    }
}

impl Tool for Rauc {
    fn name(&self) -> &'static str {
        NAME
    }

    fn steps(&self) -> Vec<Command> {
        let mut command = self.command();
        command.arg("install").arg(self.bundle());
        vec![command]
    }

    fn temp_dir(&self) -> &Path {
        &self.folder
    }

    fn install(&self) -> Result<Cost> {
        let (_bus, service) = self.start()?;
        let (client, _) = measure::pipeline(&self.steps(), self.temp_dir())?;
        Ok(client.beside(measure::used_by(&service.0)?))
    }
}

/// A process that ends with us, or before.
struct Service(Child);

impl Service {
    fn command(name: &str) -> Command {
        let mut command = program("setpriv");
        command.args(["--pdeathsig", "KILL", name]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn start(mut command: Command) -> Result<Service> {
        Ok(Service(command.spawn().context("start a service")?))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !is_so() {
        ensure!(start.elapsed() < PATIENCE, "waited {} s until {what}", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
