//! Measures programs. Each runs under a process of its own, this program once more, that has no other child: so
//! what the kernel accounts to that process's children is exactly the program and what it started and waited for.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::ClockId;
use rustix::process::{Pid, Signal, kill_process_group};

use super::cost::Cost;
use everboot_builder::command::{describe, wait_within};

/// The word with which the harness calls itself.
pub(crate) const VERB: &str = "measured";

/// From here to the moment at which all programs of a pipeline begin.
const LEAD: Duration = Duration::from_millis(30);
/// Longest run; who takes longer does not run here.
const LIMIT: Duration = Duration::from_secs(900);
/// In which /proc counts, of a second.
const TICKS: f64 = 100.0;
/// How much of a failed program's output is shown.
const LAST_LINES: usize = 6;

/// Runs programs connected by pipes, all begun at one moment. Returns the cost, and what they said.
/// `temp_dir` holds the output and accounting files.
pub(super) fn pipeline(steps: &[Command], temp_dir: &Path) -> Result<(Cost, String)> {
    let said = temp_dir.join("said");
    let out = File::create(&said).with_context(|| format!("create {}", said.display()))?;
    let begin = now()? + LEAD;
    let accounts: Vec<PathBuf> =
        (0..steps.len()).map(|step| temp_dir.join(format!("account-{step}"))).collect();
    let mut running = Vec::new();
    let mut input = Stdio::null();
    for (step, account) in steps.iter().zip(&accounts) {
        let is_last = running.len() + 1 == steps.len();
        let mut helper = helper(step, account, begin);
        helper.stdin(input).stderr(out.try_clone()?);
        helper.stdout(if is_last { out.try_clone()?.into() } else { Stdio::piped() });
        let mut child = helper.spawn().with_context(|| format!("start `{}`", describe(step)))?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        running.push(child);
    }
    let mut failed = None;
    for (step, child) in steps.iter().zip(&mut running) {
        failed = failed.or(failure(step, child)?);
    }
    let text = String::from_utf8_lossy(&fs::read(&said)?).into_owned();
    if let Some(failed) = failed {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        bail!("{failed}: {}", lines[lines.len().saturating_sub(LAST_LINES)..].join(" / "));
    }
    Ok((sum(&accounts, begin)?, text))
}

/// What it costs to run nothing: less memory than this cannot be measured.
pub(super) fn floor(temp_dir: &Path) -> Result<Cost> {
    Ok(pipeline(&[Command::new("true")], temp_dir)?.0)
}

fn helper(step: &Command, account: &Path, begin: Duration) -> Command {
    // Not by its name: a build may have put another program there.
    let mut helper = Command::new("/proc/self/exe");
    helper.arg(VERB).arg(account).arg(begin.as_nanos().to_string());
    helper.arg(step.get_program()).args(step.get_args());
    for (name, value) in step.get_envs() {
        match value {
            Some(value) => helper.env(name, value),
            None => helper.env_remove(name),
        };
    }
    // Of its own, so that whoever hangs can be ended with all that it started.
    helper.process_group(0);
    helper
}

/// Waits for a helper; what is wrong, if something is.
fn failure(step: &Command, child: &mut Child) -> Result<Option<String>> {
    let group = Pid::from_child(child);
    let name = || Path::new(step.get_program()).file_name().unwrap_or_default().to_string_lossy();
    match wait_within(child, LIMIT)? {
        Some(status) if status.success() => Ok(None),
        Some(status) => Ok(Some(format!("{} failed ({status})", name()))),
        None => {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
            Ok(Some(format!("{} did not end within {} s", name(), LIMIT.as_secs())))
        }
    }
}

fn sum(accounts: &[PathBuf], begin: Duration) -> Result<Cost> {
    let mut cost = Cost::default();
    for path in accounts {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [end, cpu, memory] = numbers[..] else { bail!("{}: found `{text}`", path.display()) };
        cost.wall = cost.wall.max(end - begin.as_secs_f64());
        cost.cpu += cpu;
        cost.memory += memory;
    }
    Ok(cost)
}

/// The helper: runs a program at the stated moment, and writes down what it used.
pub(crate) fn measured(words: &[&str]) -> Result<ExitCode> {
    let [account, begin, program, words @ ..] = words else { bail!("{VERB}: too few words") };
    let begin = Duration::from_nanos(begin.parse().context("the moment to begin")?);
    thread::sleep(begin.saturating_sub(now()?));
    let status = Command::new(program).args(words).status().with_context(|| format!("start {program}"))?;
    let end = now()?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6);
    let memory = usage.max_rss() as f64 / 1024.0;
    fs::write(account, format!("{} {} {memory}", end.as_secs_f64(), seconds[0] + seconds[1]))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A clock that all processes share.
fn now() -> Result<Duration> {
    Ok(Duration::from(ClockId::CLOCK_MONOTONIC.now().context("read the clock")?))
}

/// What a service has used since it was started: processors to a hundredth of a second, and its peak of memory.
pub(super) fn used_by(service: &Child) -> Result<Cost> {
    let read = |name: &str| {
        let path = format!("/proc/{}/{name}", service.id());
        fs::read_to_string(&path).with_context(|| format!("read {path}"))
    };
    let (stat, status) = (read("stat")?, read("status")?);
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime, stime, cutime and cstime, counted from the state that follows the name.
    let ticks: Vec<f64> = fields.iter().skip(11).take(4).filter_map(|word| word.parse().ok()).collect();
    ensure!(ticks.len() == 4, "expected four times in `{stat}`");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(Cost {
        cpu: ticks.iter().sum::<f64>() / TICKS,
        memory: peak.context("a process has a peak of memory")? / 1024.0,
        ..Cost::default()
    })
}
