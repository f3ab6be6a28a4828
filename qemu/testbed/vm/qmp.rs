//! QEMU's control socket: commands and events.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const PAUSE: Duration = Duration::from_millis(20);
/// What a read fails with when nothing has come yet.
const PASSING: [ErrorKind; 3] = [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted];

/// A connection.
pub(super) struct Qmp {
    socket: PathBuf,
    stream: Option<UnixStream>,
    unread: Vec<u8>,
    events: Vec<String>,
}

impl Qmp {
    pub(super) fn new(socket: PathBuf) -> Qmp {
        Qmp { socket, stream: None, unread: Vec::new(), events: Vec::new() }
    }

    /// Runs a command and returns its answer; events that come meanwhile are kept.
    pub(super) fn execute(&mut self, command: &str, deadline: Instant) -> Result<Value> {
        self.execute_with(command, &json!({}), deadline)
    }

    /// The same with arguments.
    pub(super) fn execute_with(
        &mut self,
        command: &str,
        arguments: &Value,
        deadline: Instant,
    ) -> Result<Value> {
        let stream = self.stream.as_mut().context("QMP is not connected")?;
        writeln!(stream, "{}", json!({ "execute": command, "arguments": arguments }))?;
        loop {
            let mut message = self.receive(deadline).with_context(|| format!("QMP {command}"))?;
            if message.get("return").is_some() {
                return Ok(message["return"].take());
            }
            if let Some(error) = message.get("error") {
                bail!("QMP {command}: {error}");
            }
            self.note(&message);
        }
    }

    /// Waits for an event. One that came before somebody waited for it counts, for one wait.
    pub(super) fn wait_event(&mut self, name: &str, deadline: Instant) -> Result<()> {
        loop {
            if let Some(at) = self.events.iter().position(|event| event == name) {
                self.events.remove(at);
                return Ok(());
            }
            let message = self.receive(deadline).with_context(|| format!("wait for QMP event {name}"))?;
            self.note(&message);
        }
    }

    pub(super) fn remove(&self) {
        // It may never have been made.
        let _ = fs::remove_file(&self.socket);
    }

    /// Tries once; QEMU may not have made the socket yet.
    pub(super) fn connect(&mut self, deadline: Instant) -> Result<()> {
        let stream = UnixStream::connect(&self.socket).context("connect to QMP")?;
        stream.set_read_timeout(Some(PAUSE))?;
        self.stream = Some(stream);
        self.receive(deadline).context("QMP greeting")?;
        self.execute("qmp_capabilities", deadline).map(drop)
    }

    fn note(&mut self, message: &Value) {
        if let Some(event) = message["event"].as_str() {
            self.events.push(event.to_owned());
        }
    }

    /// The next message; one is one line.
    fn receive(&mut self, deadline: Instant) -> Result<Value> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(serde_json::from_slice(&line)?);
            }
            let stream = self.stream.as_mut().context("QMP is not connected")?;
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk) {
                Ok(0) => bail!("QEMU closed its control socket"),
                Ok(length) => self.unread.extend_from_slice(&chunk[..length]),
                // A read with a time limit is not begun anew where the process was stopped and goes on: signal(7).
                Err(error) if PASSING.contains(&error.kind()) => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline {
                bail!("no message in time");
            }
        }
    }
}
