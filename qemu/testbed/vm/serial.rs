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
struct Heard {
    text: String,
    /// Where each line begins in `text`, and when it did.
    begins: Vec<(usize, Duration)>,
    ended: bool,
}

/// The reading end.
pub(super) struct Serial {
    heard: Arc<(Mutex<Heard>, Condvar)>,
    reader: Option<JoinHandle<()>>,
    /// Waits look from here on.
    seen: usize,
}

impl Serial {
    pub(super) fn start(output: ChildStdout, log: &Path) -> Result<Serial> {
        let log = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let shared = Arc::clone(&heard);
        let reader = std::thread::spawn(move || listen(output, log, &shared));
        Ok(Serial { heard, reader: Some(reader), seen: 0 })
    }

    pub(super) fn wait_for_any(&mut self, texts: &[&str], limit: Duration) -> Result<(usize, Duration)> {
        let deadline = Instant::now() + limit;
        let (mutex, news) = &*self.heard;
        let mut heard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = texts.iter().enumerate().filter_map(|(index, text)| {
                let at = self.seen + heard.text[self.seen..].find(text)?;
                Some((at, index, at + text.len()))
            });
            if let Some((at, index, end)) = found.min() {
                self.seen = end;
                return Ok((index, heard.time_at(at)));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                let why = if heard.ended { "the virtual machine ended" } else { "no answer" };
                let seconds = limit.as_secs();
                bail!(
                    "{why} while waiting {seconds} s for {texts:?}; last lines:\n{}",
                    last_lines(&heard.text)
                );
            }
            heard = news.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
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
        let heard = self.lock();
        let ends = heard.begins.iter().skip(1).map(|(at, _)| *at);
        heard
            .begins
            .iter()
            .zip(ends)
            .map(|((begin, time), end)| Line {
                time: *time,
                text: heard.text[*begin..end].trim_end().to_owned(),
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
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

fn listen(mut output: ChildStdout, mut log: File, shared: &(Mutex<Heard>, Condvar)) {
    let start = Instant::now();
    let mut chunk = [0; 4096];
    loop {
        let length = output.read(&mut chunk).unwrap_or(0);
        let mut heard = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.ended = length == 0;
        heard.take(&chunk[..length], start.elapsed());
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
