//! The serial line's output: kept in a file and in memory, with the time of each line.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A finished line.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it began, from the virtual machine's start.
    pub time: Duration,
    /// Without its end.
    pub text: String,
}

#[derive(Default)]
struct Transcript {
    text: String,
    /// Where each line begins in `text`, and when it did.
    begins: Vec<(usize, Duration)>,
    ended: bool,
}

/// The reading end.
pub(super) struct Serial {
    transcript: Arc<(Mutex<Transcript>, Condvar)>,
    reader: Option<JoinHandle<()>>,
    /// Waits look from here on.
    seen: usize,
}

impl Serial {
    pub(super) fn start(output: ChildStdout, log: &Path) -> Result<Serial> {
        let log = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let transcript = Arc::new((Mutex::new(Transcript::default()), Condvar::new()));
        let shared = Arc::clone(&transcript);
        let reader = std::thread::spawn(move || listen(output, log, &shared));
        Ok(Serial { transcript, reader: Some(reader), seen: 0 })
    }

    pub(super) fn wait_for_any(&mut self, texts: &[&str], limit: Duration) -> Result<(usize, Duration)> {
        let deadline = Instant::now() + limit;
        let (mutex, news) = &*self.transcript;
        let mut transcript = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = texts.iter().enumerate().filter_map(|(index, text)| {
                let at = self.seen + transcript.text[self.seen..].find(text)?;
                Some((at, index, at + text.len()))
            });
            if let Some((at, index, end)) = found.min() {
                self.seen = end;
                return Ok((index, transcript.time_at(at)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if transcript.ended || left.is_zero() {
                let why = if transcript.ended { "the virtual machine ended" } else { "no answer" };
                let seconds = limit.as_secs();
                bail!(
                    "{why} while waiting {seconds} s for {texts:?}; last lines:\n{}",
                    last_lines(&transcript.text)
                );
            }
            transcript = news.wait_timeout(transcript, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Where the last wait ended, in the text.
    pub(super) fn position(&self) -> usize {
        self.seen
    }

    /// After QEMU's end: takes in what is left, returns all.
    pub(super) fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            // The reader cannot panic; if it did, what it heard is still there.
            let _ = reader.join();
        }
        self.text()
    }

    pub(super) fn text(&self) -> String {
        self.lock().text.clone()
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let transcript = self.lock();
        let ends = transcript.begins.iter().skip(1).map(|(at, _)| *at);
        transcript
            .begins
            .iter()
            .zip(ends)
            .map(|((begin, time), end)| Line {
                time: *time,
                text: transcript.text[*begin..end].trim_end().to_owned(),
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Transcript> {
        self.transcript.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transcript {
    fn take(&mut self, bytes: &[u8], time: Duration) {
        if self.begins.is_empty() {
            self.begins.push((0, time));
        }
        // Byte by byte as Latin-1: a chunk may end inside a character, and we look for ASCII.
        for byte in bytes {
            self.text.push(char::from(*byte));
            if *byte == b'\n' {
                self.begins.push((self.text.len(), time));
            }
        }
    }

    fn time_at(&self, at: usize) -> Duration {
        let line = self.begins.partition_point(|(begin, _)| *begin <= at);
        self.begins.get(line.saturating_sub(1)).map_or(Duration::ZERO, |(_, time)| *time)
    }
}

fn listen(mut output: ChildStdout, mut log: File, shared: &(Mutex<Transcript>, Condvar)) {
    let start = Instant::now();
    let mut chunk = [0; 4096];
    loop {
        let length = output.read(&mut chunk).unwrap_or(0);
        let mut transcript = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        transcript.ended = length == 0;
        transcript.take(&chunk[..length], start.elapsed());
        // The log is for people; a full disk shows elsewhere.
        let _ = log.write_all(&chunk[..length]);
        shared.1.notify_all();
        if length == 0 {
            return;
        }
    }
}

/// The end of an output, for an error.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
