//! Running other programs: quiet when they succeed, their last words when they fail.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::paths;

/// How much of a failed program's output an error carries.
const LAST_WORDS: usize = 4000;

/// A command by name, found also in /usr/sbin, which a user's PATH lacks on Debian.
pub fn program(name: &str) -> Command {
    Command::new(paths::program(name).unwrap_or_else(|| name.into()))
}

/// A `cargo`, without what the cargo that runs this program said of its package. A build script that asks for such a
/// variable (ring's does) is run again whenever it has another value, and all that depends on it is compiled again.
pub fn cargo(program: &str) -> Command {
    let mut cargo = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs to the end; returns its standard output, or an error with what it printed.
pub fn run(command: &mut Command) -> Result<String> {
    run_within(command, Duration::from_secs(1800))
}

/// The same, but killed when the limit has passed.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<String> {
    let name = describe(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start `{name}`"))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let Some(status) = wait_within(&mut child, limit)? else {
        bail!("`{name}` did not end within {} s", limit.as_secs());
    };
    let stdout = stdout.join().unwrap_or_default();
    if !status.success() {
        let stderr = stderr.join().unwrap_or_default();
        bail!("`{name}` failed ({status}):\n{}{}", tail(&stdout), tail(&stderr));
    }
    Ok(stdout)
}

/// Waits for a child's end; past the limit it is killed and reaped, and the answer is `None`.
pub fn wait_within(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let elapsed = start.elapsed();
        if elapsed >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        // Who is quick is noticed quickly.
        thread::sleep((elapsed / 8).clamp(Duration::from_micros(100), Duration::from_millis(10)));
    }
}

/// The command as a person would type it, for messages.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks early still leaves what was read.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(LAST_WORDS);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}
