//! Programs of the system that make file systems.

use super::temp_dir::TempDir;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Some are in /sbin, where an ordinary user's PATH does not look.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

/// A program that has to be there; `package` is Debian's name for where it comes from.
pub(crate) fn tool(program: &str, package: &str) -> Result<Command> {
    let is_there = std::env::split_paths(&path()).any(|folder| folder.join(program).is_file());
    ensure!(is_there, "{program}: not found; install it (package {package} in Debian)");
    let mut command = Command::new(program);
    // What they make must not depend on who calls them.
    command.env("PATH", path()).env("LC_ALL", "C").env("TZ", "UTC");
    for name in ["SOURCE_DATE_EPOCH", "TAR_OPTIONS", "MKE2FS_SYNC", "MKE2FS_DEVICE_SECTSIZE"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Runs it to its end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = name(command);
    let ran = command.stdin(Stdio::null()).output().with_context(|| format!("run {program}"))?;
    ensure!(ran.status.success(), "{program}: {}", brief(&String::from_utf8_lossy(&ran.stderr)));
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Runs it on what `feed` writes.
pub(crate) fn run_on(
    command: &mut Command,
    temp_dir: &TempDir,
    feed: impl FnOnce(ChildStdin) -> Result<()>,
) -> Result<()> {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let fed = watched(command, temp_dir, |child| feed(child.stdin.take().context("its input")?))?;
    match fed {
        // What it left unread is the padding behind the end.
        Err(error) if is_unread(&error) => Ok(()),
        fed => fed,
    }
}

/// Runs it and hands over what it writes.
pub(crate) fn run_from<T>(
    command: &mut Command,
    temp_dir: &TempDir,
    take: impl FnOnce(ChildStdout) -> Result<T>,
) -> Result<T> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    watched(command, temp_dir, |child| take(child.stdout.take().context("its output")?))?
}

/// Runs it and does something with it meanwhile; that it failed counts first. What it says goes into a file, for
/// nobody listens while we are busy.
fn watched<T>(
    command: &mut Command,
    temp_dir: &TempDir,
    meanwhile: impl FnOnce(&mut Child) -> Result<T>,
) -> Result<Result<T>> {
    let program = name(command);
    let said = temp_dir.path("said");
    let file = File::create(&said).with_context(|| format!("create {}", said.display()))?;
    let mut child = command.stderr(file).spawn().with_context(|| format!("run {program}"))?;
    let done = meanwhile(&mut child);
    let status = child.wait().with_context(|| format!("run {program}"))?;
    ensure!(status.success(), "{program}: {}", brief(&String::from_utf8_lossy(&fs::read(&said)?)));
    Ok(done)
}

fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The last lines: what it ended with.
fn brief(said: &str) -> String {
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "failed".into() } else { lines[lines.len().saturating_sub(3)..].join("; ") }
}

/// A pipe's small writes, gathered.
pub(crate) fn gathered(out: impl Write) -> impl Write {
    io::BufWriter::with_capacity(1 << 18, out)
}
