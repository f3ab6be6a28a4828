//! Where log lines go: the kernel's log and the console in the initramfs, standard error elsewhere.

use super::output::{self, Output};
use super::roots::Roots;
use super::small_file::read_value;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Longest text of a line in bytes: the kernel's own limit for a record is 1024 with its prefix.
const LONGEST: usize = 900;

/// Sends the log to `/dev/kmsg`, so that dmesg and the journal have it, and what the kernel does not print
/// itself also to the console.
pub fn log_to_kernel(roots: &Roots, level: LevelFilter) {
    // Logged to until the process ends.
    start(Box::leak(Box::new(Kernel::new(roots))), level);
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
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lets each warning be said once more. Whatever runs looks at the disks several times, and each look would say the
/// same of one that is not well.
pub fn warn_anew() {
    logged().clear();
}

fn logged() -> MutexGuard<'static, Vec<String>> {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this is a warning that was said already.
fn is_old(record: &Record<'_>, text: &str) -> bool {
    if record.level() != Level::Warn {
        return false;
    }
    let mut logged = logged();
    let is_old = logged.iter().any(|old| old == text);
    if !is_old {
        logged.push(text.to_owned());
    }
    is_old
}

struct Kernel {
    /// The kernel's log.
    kmsg: PathBuf,
    /// What of it the kernel shows on the console.
    printk: PathBuf,
}

impl Kernel {
    fn new(roots: &Roots) -> Self {
        Self { kmsg: kmsg(roots), printk: roots.proc.join("sys/kernel/printk") }
    }
}

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
        let sent = OpenOptions::new().write(true).open(&self.kmsg);
        let sent =
            sent.and_then(|mut kmsg| kmsg.write_all(format!("<{priority}>everboot: {text}\n").as_bytes()));
        if sent.is_err() || !kernel_prints(&self.printk, priority) {
            let _ = output::print(Output::Message, &format!("everboot: {text}\n"));
        }
    }

    fn flush(&self) {}
}

/// What everboot said in the kernel's log since the machine started, oldest first.
pub fn kernel_lines(roots: &Roots) -> Vec<String> {
    let mut lines = Vec::new();
    let mut record = [0; 8192];
    let opened = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(kmsg(roots));
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

fn kmsg(roots: &Roots) -> PathBuf {
    roots.dev.join("kmsg")
}

/// The text of a record of /dev/kmsg (`priority,number,time,flags;text`), if it is everboot's.
fn ours(record: &str) -> Option<String> {
    let text = record.split_once(';')?.1.lines().next()?;
    text.strip_prefix("everboot: ").map(str::to_owned)
}

/// Whether the kernel itself shows records of this priority on the console.
fn kernel_prints(printk: &Path, priority: u8) -> bool {
    let level = read_value(printk).and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
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
        let _ = output::print(Output::Message, &format!("everboot: {kind}{text}\n"));
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
    use crate::sys::temp_dir::TempDir;

    fn log(kernel: &Kernel, level: Level, text: &str) {
        kernel.log(&Record::builder().level(level).args(format_args!("{text}")).build());
    }

    #[test]
    fn a_line_is_sent_to_the_kernel_log_with_its_level() {
        let temp_dir = TempDir::new("kmsg");
        let kernel = Kernel::new(&Roots::under(temp_dir.path()));
        for (level, sent) in [(Level::Error, "<3>everboot: a b\n"), (Level::Info, "<6>everboot: a b\n")] {
            let path = temp_dir.file("dev/kmsg", b"");
            log(&kernel, level, "a\nb");
            assert_eq!(std::fs::read_to_string(path).unwrap(), sent);
        }
    }

    #[test]
    fn a_warning_is_sent_once_until_warnings_are_new_again() {
        let temp_dir = TempDir::new("kmsg-once");
        let kernel = Kernel::new(&Roots::under(temp_dir.path()));
        let sends = |text| {
            let path = temp_dir.file("dev/kmsg", b"");
            log(&kernel, Level::Warn, text);
            !std::fs::read(path).unwrap().is_empty()
        };
        assert!(sends("once") && !sends("once") && sends("another"));
        warn_anew();
        assert!(sends("once"));
    }

    #[test]
    fn a_machine_without_a_kernel_log_is_no_reason_to_stop() {
        let temp_dir = TempDir::new("kmsg-none");
        let roots = Roots::under(temp_dir.path());
        log(&Kernel::new(&roots), Level::Info, "a line of a test, on standard error");
        assert!(!temp_dir.path().join("dev/kmsg").exists());
        assert_eq!(kernel_lines(&roots), Vec::<String>::new());
    }

    #[test]
    fn the_kernel_shows_what_is_below_its_console_level() {
        let temp_dir = TempDir::new("printk");
        let printk = temp_dir.file("proc/sys/kernel/printk", b"4\t4\t1\t7\n");
        assert!(kernel_prints(&printk, 3) && !kernel_prints(&printk, 4));
        assert!(!kernel_prints(&temp_dir.path().join("none"), 0));
    }

    #[test]
    fn the_lines_of_everboot_are_read_from_the_kernel_log() {
        let temp_dir = TempDir::new("kmsg-read");
        temp_dir.file("dev/kmsg", b"6,339,514,-;everboot: slot-a: x\n");
        assert_eq!(kernel_lines(&Roots::under(temp_dir.path())), ["slot-a: x"]);
    }

    #[test]
    fn records_of_the_kernel_log_are_distinguished() {
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
