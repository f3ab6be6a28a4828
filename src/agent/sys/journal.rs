//! Where log lines go: the kernel's log and the console in the initramfs, standard error elsewhere.

use super::roots::read_text;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write, stderr};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest text of a line in bytes: the kernel's own limit for a record is 1024 with its prefix.
const LONGEST: usize = 900;

/// Sends the log to `/dev/kmsg`, so that dmesg and the journal have it, and what the kernel does not print
/// itself also to the console.
pub fn log_to_kernel(level: LevelFilter) {
    start(&Kernel, level);
}

/// Sends the log to standard error, for the command line.
pub fn log_to_stderr(level: LevelFilter) {
    start(&Plain, level);
}

fn start(logger: &'static dyn Log, level: LevelFilter) {
    // A second call is a programmer's slip that costs nothing: the first logger stays.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// The warnings since [`warn_anew`].
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lets each warning be said once more. Whatever runs looks at the disks several times, and each look would say the
/// same of one that is not well.
pub fn warn_anew() {
    said().clear();
}

fn said() -> MutexGuard<'static, Vec<String>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this is a warning that was said already.
fn is_old(record: &Record<'_>, text: &str) -> bool {
    if record.level() != Level::Warn {
        return false;
    }
    let mut said = said();
    let is_old = said.iter().any(|old| old == text);
    if !is_old {
        said.push(text.to_owned());
    }
    is_old
}

struct Kernel;

impl Log for Kernel {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = one_line(record);
        if is_old(record, &text) {
            return;
        }
        let priority = priority(record.level());
        // Opened for each line: the kernel limits the lines of one open file to ten in five seconds.
        let sent = OpenOptions::new().write(true).open("/dev/kmsg");
        let sent =
            sent.and_then(|mut kmsg| kmsg.write_all(format!("<{priority}>everboot: {text}\n").as_bytes()));
        if sent.is_err() || !kernel_prints(priority) {
            let _ = writeln!(stderr(), "everboot: {text}");
        }
    }

    fn flush(&self) {}
}

/// What everboot said in the kernel's log since the machine started, oldest first.
pub fn kernel_lines() -> Vec<String> {
    let mut lines = Vec::new();
    let mut record = [0; 8192];
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open("/dev/kmsg");
    let Ok(mut kmsg) = opened else { return lines };
    loop {
        match kmsg.read(&mut record) {
            Ok(0) => return lines,
            Ok(length) => lines.extend(ours(&String::from_utf8_lossy(&record[..length]))),
            // Records that were overwritten before they were read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(_) => return lines,
        }
    }
}

/// The text of a record of /dev/kmsg (`priority,number,time,flags;text`), if it is everboot's.
fn ours(record: &str) -> Option<String> {
    let text = record.split_once(';')?.1.lines().next()?;
    text.strip_prefix("everboot: ").map(str::to_owned)
}

/// Whether the kernel itself shows records of this priority on the console.
fn kernel_prints(priority: u8) -> bool {
    let text = read_text("/proc/sys/kernel/printk".into());
    let level = text.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    level.is_some_and(|level: u8| priority < level)
}

struct Plain;

impl Log for Plain {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let text = one_line(record);
        if is_old(record, &text) {
            return;
        }
        let kind = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            _ => "",
        };
        let _ = writeln!(stderr(), "everboot: {kind}{text}");
    }

    fn flush(&self) {}
}

/// syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// The text without control characters, cut where it is too long.
fn one_line(record: &Record<'_>) -> String {
    let mut text = String::new();
    let _ = write!(text, "{}", record.args());
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_kernel_log_are_told_apart() {
        assert_eq!(ours("4,339,514,-;everboot: slot-a: x\n SUBSYSTEM=y\n"), Some("slot-a: x".into()));
        assert_eq!(ours("6,1,0,-;Linux version; everboot: x\n"), None);
        assert_eq!(ours(""), None);
    }

    #[test]
    fn a_line_is_one_line_and_not_too_long() {
        let text = format!("a\nb\x1b[2J{}", "é".repeat(600));
        let line = one_line(&Record::builder().args(format_args!("{text}")).build());
        assert!(line.starts_with("a b [2Jé") && (890..=LONGEST).contains(&line.len()), "{line}");
    }
}
