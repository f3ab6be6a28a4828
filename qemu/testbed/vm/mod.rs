//! A virtual machine: QEMU with a serial line and a QMP socket, ended with its owner whatever happens.
//!
//! Software emulation only: a /dev/kvm that is there may hang its virtual machines. `-no-reboot` turns each
//! reset of the virtual machine (reboot, panic, watchdog) into the end of QEMU, so a story starts a virtual machine
//! for each boot of the machine. Virtual machines share nothing but read-only files, so they may
//! run in parallel.

mod drive;
mod qmp;
mod serial;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

pub use drive::Drive;
use qmp::Qmp;
pub use serial::Line;
use serial::Serial;
pub use serial::last_lines;

use everboot_builder::command::{program, wait_within};
use everboot_builder::kernel::Kernel;

/// Has the virtual machine's kernel take the processor's clock for one of 250 MHz, whatever its speed is, and believe
/// it. A disk that comes takes our time, so everboot waits for it as long as ever.
const QUICK_CLOCK: &str = "tsc=reliable tsc_early_khz=250000 everboot.timeout=300";

/// What the shell of root asks with, on machines that are called as those of the test bed.
pub const PROMPT: &str = "root@everboot:~# ";

/// The kernel would test its ciphers, half a second of each boot; and its timer, for a moment in which an emulated
/// processor on a busy machine may not have come to run: then it panics.
const NO_SELF_TESTS: &str = "cryptomgr.notests no_timer_check";

/// QEMU opens its control socket in a fraction of a second, even on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(20);
const CONTROL_LIMIT: Duration = Duration::from_secs(20);

/// What to boot.
#[derive(Clone)]
pub struct VmOptions {
    /// A folder of the virtual machine's own, for its log and sockets. It exists.
    pub work: PathBuf,
    /// Names the log: `NAME.log`.
    pub name: String,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initramfs; none boots the kernel's own way.
    pub initramfs: Option<PathBuf>,
    /// The kernel's console; `ttyS0` is the serial line.
    pub console: String,
    /// Kernel parameters beside those of the console.
    pub append: String,
    /// The kernel's console level: 4 shows warnings, 7 shows all with times.
    pub loglevel: u32,
    /// In MiB.
    pub memory: u32,
    /// Processors.
    pub processors: u32,
    /// Disks, `/dev/vda` first.
    pub drives: Vec<Drive>,
    /// Further words for QEMU.
    pub extra: Vec<String>,
}

impl VmOptions {
    /// A virtual machine of 512 MiB and one processor, without disks.
    pub fn new(work: &Path, name: &str, kernel: &Kernel, initramfs: &Path) -> VmOptions {
        VmOptions {
            work: work.to_path_buf(),
            name: name.to_owned(),
            kernel: kernel.vmlinuz.clone(),
            initramfs: Some(initramfs.to_path_buf()),
            console: "ttyS0".to_owned(),
            append: String::new(),
            loglevel: 4,
            memory: 512,
            processors: 1,
            drives: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// Adds a disk.
    pub fn drive(mut self, drive: Drive) -> VmOptions {
        self.drives.push(drive);
        self
    }

    /// Adds kernel parameters.
    pub fn append(mut self, words: &str) -> VmOptions {
        self.append.push(' ');
        self.append.push_str(words);
        self
    }

    /// The virtual machine's clock runs about ten times as fast as ours: for stories in which the virtual machine
    /// waits, not the host.
    pub fn quick_clock(self) -> VmOptions {
        self.append(QUICK_CLOCK)
    }

    /// QEMU for a person: the terminal is the console, and a reboot boots again.
    pub fn interactive(&self) -> Result<Command> {
        let mut qemu = program("qemu-system-x86_64");
        qemu.arg("-nographic");
        self.describe(&mut qemu)?;
        Ok(qemu)
    }

    fn command(&self, socket: &Path) -> Result<Command> {
        // The virtual machine dies with us even when we are killed.
        let mut qemu = program("setpriv");
        qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-no-reboot"]);
        qemu.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));
        self.describe(&mut qemu)?;
        Ok(qemu)
    }

    /// The machine itself.
    fn describe(&self, qemu: &mut Command) -> Result<()> {
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-nic", "none"]);
        qemu.arg("-m").arg(self.memory.to_string()).arg("-smp").arg(self.processors.to_string());
        qemu.arg("-kernel").arg(&self.kernel);
        if let Some(initramfs) = &self.initramfs {
            qemu.arg("-initrd").arg(initramfs);
        }
        let words = format!("console={} panic=1 loglevel={}", self.console, self.loglevel);
        qemu.arg("-append").arg(format!("{words} {NO_SELF_TESTS}{}", self.append));
        for (index, drive) in self.drives.iter().enumerate() {
            drive.arguments(qemu, index, &self.work)?;
        }
        qemu.args(&self.extra);
        Ok(())
    }
}

/// A running QEMU. Dropping it kills and reaps it.
pub struct Vm {
    child: Child,
    input: ChildStdin,
    serial: Serial,
    qmp: Qmp,
    log: PathBuf,
    /// How many shell commands ran.
    commands: u32,
}

impl Vm {
    /// Starts it.
    pub fn start(options: &VmOptions) -> Result<Vm> {
        let log = options.work.join(format!("{}.log", options.name));
        // A socket's path may have 107 bytes at most; a story's folder may be deeper than that.
        let socket = std::env::temp_dir().join(format!("everboot-{}.qmp", unique()));
        let errors = fs::File::create(log.with_extension("err"))?;
        let mut command = options.command(&socket)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().context("start QEMU")?;
        let input = child.stdin.take().context("QEMU's input")?;
        let output = child.stdout.take().context("QEMU's output")?;
        let serial = Serial::start(output, &log)?;
        let mut vm = Vm { child, input, serial, qmp: Qmp::new(socket), log, commands: 0 };
        vm.connect()?;
        Ok(vm)
    }

    /// Connects to QMP at once, for QEMU keeps no events for later; says why QEMU did not start.
    fn connect(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let error = match self.qmp.connect(deadline) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if self.child.try_wait()?.is_some() {
                let said = fs::read_to_string(self.log.with_extension("err")).unwrap_or_default();
                return Err(error.context(format!("QEMU did not start: {said}")));
            }
            if Instant::now() >= deadline {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for a text on the serial line, from where the last wait ended. Returns when it came,
    /// counted from the start. An error says what the virtual machine said last.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<Duration> {
        self.wait_for_any(&[text], limit).map(|(_, time)| time)
    }

    /// The same for the first of several texts; also returns which.
    pub fn wait_for_any(&mut self, texts: &[&str], limit: Duration) -> Result<(usize, Duration)> {
        self.serial.wait_for_any(texts, limit).with_context(|| format!("log: {}", self.log.display()))
    }

    /// Types a line.
    pub fn send_line(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes())?;
        Ok(self.input.flush()?)
    }

    /// Runs a command in the shell that waits on the serial line; returns its exit code and what
    /// it printed, both streams.
    pub fn shell(&mut self, command: &str, limit: Duration) -> Result<(i32, String)> {
        self.commands += 1;
        let number = self.commands;
        let from = self.serial.position();
        // The quotes keep the echo of what we type from looking like the answer.
        self.send_line(&format!("{{ {command}; }} 2>&1; echo 'shell'-{number}-$?-"))?;
        let answer = format!("shell-{number}-");
        self.wait_for(&answer, limit).with_context(|| format!("run `{command}` in the virtual machine"))?;
        let end = self.serial.position();
        self.wait_for("-", limit)?;
        let text = self.serial.text();
        let code =
            text[end..self.serial.position() - 1].parse().context("the exit code on the serial line")?;
        // What is typed before the prompt is there would be echoed twice.
        self.wait_for("# ", limit)?;
        // The first line is the echo.
        let said = text[from..end - answer.len()].split_once('\n').map_or("", |(_, said)| said);
        Ok((code, said.replace("\r\n", "\n")))
    }

    /// Waits until QEMU ends by itself (the virtual machine reboots, panics or powers off), then returns its
    /// whole serial output.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<String> {
        let status: Option<ExitStatus> = wait_within(&mut self.child, limit)?;
        let text = self.serial.finish();
        match status {
            Some(status) if status.success() => Ok(text),
            Some(status) => {
                let errors = fs::read_to_string(self.log.with_extension("err")).unwrap_or_default();
                bail!("QEMU ended with {status}: {errors}")
            }
            None => bail!(
                "the virtual machine did not end within {} s; its last lines:\n{}",
                limit.as_secs(),
                serial::last_lines(&text)
            ),
        }
    }

    /// Cuts the power: SIGKILL, at once. Returns the whole serial output.
    pub fn kill(&mut self) -> Result<String> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.serial.finish())
    }

    /// Waits for a QMP event by name, such as `STOP` or `SHUTDOWN`.
    pub fn wait_event(&mut self, name: &str, limit: Duration) -> Result<()> {
        self.qmp.wait_event(name, Instant::now() + limit)
    }

    /// Runs a QMP command without arguments, such as `system_reset`.
    pub fn qmp(&mut self, command: &str) -> Result<()> {
        self.qmp.execute(command, Instant::now() + CONTROL_LIMIT).map(drop)
    }

    /// Goes on after an event `STOP`: the write at which it stopped is carried out.
    pub fn carry_on(&mut self) -> Result<()> {
        self.qmp("cont")
    }

    /// The same, but the disk never answers its next write of data. Such a virtual machine has to be killed: QEMU
    /// itself waits for it, too.
    pub fn carry_on_without_an_answer(&mut self, disk: usize) -> Result<()> {
        // Only QEMU's prompt for people can hold a request back.
        let line = format!("qemu-io fault{disk} \"break write_aio held\"");
        let said = self.ask("human-monitor-command", &json!({ "command-line": line }))?;
        ensure!(said.as_str() == Some(""), "QEMU did not take `{line}`: {said}");
        self.carry_on()
    }

    /// Pulls a disk out of the running machine by hot-plug; it is out when the event `DEVICE_DELETED` comes.
    pub fn pull_out(&mut self, disk: usize) -> Result<()> {
        self.ask("device_del", &json!({ "id": drive::slot(disk) })).map(drop)
    }

    /// Puts it in again.
    pub fn put_in(&mut self, disk: usize) -> Result<()> {
        let (id, node) = (drive::slot(disk), drive::node(disk));
        self.ask("device_add", &json!({ "driver": "virtio-blk-pci", "drive": node, "id": id })).map(drop)
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        self.qmp.execute_with(command, arguments, Instant::now() + CONTROL_LIMIT)
    }

    /// Writes all of the virtual machine's memory and devices into a file, from which a virtual machine with the same
    /// options and `-incoming` goes on; the virtual machine stands still from here on.
    pub fn save_to(&mut self, file: &Path) -> Result<()> {
        let deadline = Instant::now() + CONTROL_LIMIT;
        self.qmp.execute("stop", deadline)?;
        let uri = format!("exec:cat > '{}'", file.display());
        self.qmp.execute_with("migrate", &json!({ "uri": uri }), deadline)?;
        loop {
            let state = self.qmp.execute("query-migrate", deadline)?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") | None => {
                    bail!("the virtual machine's memory was not saved: {state}")
                }
                Some(_) if Instant::now() >= deadline => {
                    bail!("the virtual machine's memory was not saved in time")
                }
                Some(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Lets a virtual machine go on whose memory comes from a file; it stands still until all of it is there, and what
    /// is typed before is lost.
    pub fn go_on(&mut self) -> Result<()> {
        let deadline = Instant::now() + CONTROL_LIMIT;
        loop {
            let state = self.qmp.execute("query-status", deadline)?;
            match state["status"].as_str() {
                Some("running") => return Ok(()),
                Some("inmigrate") if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5))
                }
                Some("paused" | "postmigrate") => self.qmp.execute("cont", deadline).map(drop)?,
                _ => bail!("the virtual machine's memory was not brought back: {state}"),
            }
        }
    }

    /// How many writes a disk has carried out so far; the first disk is 0.
    pub fn writes(&mut self, disk: usize) -> Result<u32> {
        self.requests(disk, "wr")
    }

    /// The same of reads.
    pub fn reads(&mut self, disk: usize) -> Result<u32> {
        self.requests(disk, "rd")
    }

    fn requests(&mut self, disk: usize, kind: &str) -> Result<u32> {
        let stats = self.qmp.execute("query-blockstats", Instant::now() + CONTROL_LIMIT)?;
        // QEMU also reports drives for floppies and CDs, which no option asked for.
        let is_ours =
            |entry: &&Value| entry["qdev"].as_str().is_some_and(|name| name.ends_with("virtio-backend"));
        let mut ours = stats.as_array().into_iter().flatten().filter(is_ours);
        let stats = &ours.nth(disk).with_context(|| format!("no disk {disk} in {stats}"))?["stats"];
        let number = |name: &str| stats[name].as_u64().with_context(|| format!("no {name} of disk {disk}"));
        // The virtual machine's neighbouring requests may be one to the disk.
        let number = |what| number(&format!("{kind}_{what}"));
        Ok(u32::try_from(number("operations")? - number("merged")?)?)
    }

    /// All that the serial line has said so far.
    pub fn output(&self) -> String {
        self.serial.text()
    }

    /// The finished lines so far, each with the time at which it began, from the start.
    pub fn lines(&self) -> Vec<Line> {
        self.serial.lines()
    }

    /// Where the serial output is kept.
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Already gone is fine; nothing can be done about anything else.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.qmp.remove();
    }
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
